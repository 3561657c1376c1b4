import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContextBuilder, unionContexts, type Context } from './context.ts';

const sorted = (elements: Iterable<string>): string[] => [...new Set(elements)].sort();
const contexts = fc.array(
  fc.uniqueArray(fc.stringMatching(/^[a-d]{1,3}$/), { minLength: 1, maxLength: 5 }).map(sorted),
  {
    maxLength: 40,
  },
);

describe('contexts', () => {
  it('are sorted sets, however many come together', () => {
    fc.assert(
      fc.property(contexts, fc.nat(40), (all, pause) => {
        const builder = new ContextBuilder();
        for (const [i, context] of all.entries()) {
          builder.add(context);
          if (i === pause) expect(builder.get()).toEqual(sorted(all.slice(0, i + 1).flat()));
        }
        expect(builder.get()).toEqual(all.length === 0 ? null : sorted(all.flat()));
      }),
    );
  });

  it('are shared where few are joined again and again', () => {
    const [a, b] = [['/a'], ['/b']];
    expect(unionContexts(a, b)).toBe(unionContexts(a, b));
  });

  it('take no memory for the steps on the way to a large one', () => {
    const parts: Context[] = Array.from({ length: 6000 }, (_, i) => [`/nix/store/${String(i).padStart(32, '0')}-x`]);
    const before = process.memoryUsage().heapUsed;
    const builder = new ContextBuilder();
    for (const part of parts) builder.add(part);
    // Text that grows by one part after the other is such a sum, too.
    const sum = parts.slice(0, 500).reduce((all, part) => unionContexts(all, part));
    expect([builder.get()!.length, sum.length]).toEqual([6000, 500]);
    // 150 MB if each step stayed.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40e6);
    expect(parts).toHaveLength(6000);
  });
});
