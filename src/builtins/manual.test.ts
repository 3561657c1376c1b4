import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allBuiltins } from './index.ts';
import { builtinsManual } from './manual.ts';

describe('the manual of builtins', () => {
  it('docs/builtins.md is current (else: node scripts/gen-builtins-doc.ts)', () => {
    expect(readFileSync(join(import.meta.dirname, '../../docs/builtins.md'), 'utf8')).toBe(builtinsManual());
  });

  it('every builtin has a name of its own and a text', () => {
    const names = allBuiltins.map((record) => record.name);
    expect(new Set(names).size).toBe(names.length);
    for (const record of allBuiltins) expect(record.doc.length, record.name).toBeGreaterThan(20);
  });
});
