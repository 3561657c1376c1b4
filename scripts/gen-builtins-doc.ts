// Writes docs/builtins.md from the records of the builtins. A unit test checks that the file is current.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtinsManual } from '../src/builtins/manual.ts';

writeFileSync(join(import.meta.dirname, '../docs/builtins.md'), builtinsManual());
