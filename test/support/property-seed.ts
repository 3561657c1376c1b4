// Before unit tests: properties draw from the common seed.
import fc from 'fast-check';
import { seed } from './seed.ts';

fc.configureGlobal({ seed });
