import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { isFromOutside } from './run.ts';

function thrownBy(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

it('isFromOutside() tells refusals of the machine from mistakes of ours', () => {
  expect(isFromOutside(thrownBy(() => readFileSync(join(import.meta.dirname, 'none'))))).toBe(true);
  expect(isFromOutside(thrownBy(() => new DatabaseSync(join(import.meta.dirname, 'none/db'))))).toBe(true);
  expect(isFromOutside(thrownBy(() => join(1 as unknown as string)))).toBe(false);
  expect(isFromOutside(thrownBy(() => (undefined as unknown as string).length))).toBe(false);
});
