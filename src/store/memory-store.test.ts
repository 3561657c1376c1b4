import { storeSuite } from '../../test/support/store-suite.ts';
import { MemoryStore } from './memory-store.ts';

storeSuite('MemoryStore', () => new MemoryStore());
