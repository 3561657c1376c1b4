// Random programs by real Nix 2.8 and by tsnix: what they print with and without --strict and as XML, or how they
// fail. TSNIX_SEED and TSNIX_FUZZ_RUNS choose others and more; a program that differs is shrunk.
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { utf8 } from '../../src/util/bytes.ts';
import { differenceOf, knownDifferences } from './known-differences.ts';
import { programs } from './generators/expressions.ts';
import { ProgramFolder, type Outcome } from '../support/nix-repl.ts';
import { describeWith } from '../support/requirements.ts';
import { seed } from '../support/seed.ts';

const runs = Number(process.env['TSNIX_FUZZ_RUNS'] ?? 2000);
const SHRINK_MS = 20_000;

describeWith(['nix'], `random programs against Nix 2.8 (TSNIX_SEED=${seed})`, () => {
  const folder = new ProgramFolder();
  afterAll(() => {
    folder.close();
  }, 60_000);

  function compare(all: readonly string[]): { here: Outcome; nix: Outcome | null; differs: string | null }[] {
    const here = folder.here(all);
    const nix = folder.withNix(all, here);
    return all.map((program, i) => ({
      here: here[i]!,
      nix: nix[i]!,
      differs: nix[i] == null ? null : differenceOf(program, here[i]!, nix[i]),
    }));
  }

  /** The smallest program that shows the difference, with both outcomes. */
  function report(at: number): string {
    const differing = fc.property(programs, (program) => compare([program])[0]!.differs === null);
    const shrunk = fc.check(differing, {
      seed,
      path: String(at),
      interruptAfterTimeLimit: SHRINK_MS,
    });
    const program = shrunk.counterexample?.[0];
    if (program === undefined) return 'not seen again';
    return `${program}\n${JSON.stringify(compare([program])[0], null, 2)}`;
  }

  it('no unexplained difference', () => {
    const all = fc.sample(programs, { seed, numRuns: runs });
    const results = compare(all);
    const different = results.flatMap(({ differs }, i) => (differs === null ? [] : [i]));
    const reports = different.slice(0, 3).map((at) => report(at));
    expect({ seed, different, reports }).toEqual({ seed, different: [], reports: [] });
    // The generator must not degrade into one that compares errors only.
    const values = results.filter(({ here }) => here.strict !== undefined).length;
    expect(values).toBeGreaterThan(runs * 0.7);
    expect(results.filter(({ nix }) => nix === null).length).toBeLessThanOrEqual(1 + runs / 1000);
  });

  it.each(knownDifferences.map((known) => [known.reason, known] as const))('known: %s', (_, { example, is }) => {
    const { here, nix } = compare([utf8(example)])[0]!;
    expect(nix).not.toBeNull();
    expect(is(here, nix!, example)).toBe(true);
  });
});
