// Builtins called with what nobody calls them with, by real Nix 2.8 and by tsnix: what comes of it with and without
// --strict and as XML, or how it fails. TSNIX_SEED and TSNIX_RUNS choose others and more.
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { ProgramFolder } from '../support/nix-repl.ts';
import { runs } from '../support/oracle-eval.ts';
import { describeWith } from '../support/requirements.ts';
import { seed } from '../support/seed.ts';
import { families, programsOf, type Family } from './generators/odd-calls.ts';
import { differenceOf } from './known-differences.ts';

describeWith(['nix'], `odd calls of builtins against Nix 2.8 (TSNIX_SEED=${seed})`, () => {
  const folder = new ProgramFolder();
  afterAll(() => {
    folder.close();
  }, 60_000);

  it.each(Object.entries(families))('%s', (_, family: Family) => {
    const all = fc.sample(programsOf(family), { numRuns: runs, seed });
    const here = folder.here(all);
    const nix = folder.withNix(all, here);
    const different = all.flatMap((program, i) => {
      const theirs = nix[i];
      return theirs == null || differenceOf(program, here[i]!, theirs) === null
        ? []
        : [{ program, here: here[i], nix: theirs }];
    });
    expect(different).toEqual([]);
    // Neither side gave up on many, and they are not all errors.
    expect(nix.filter((outcome) => outcome === null).length).toBeLessThanOrEqual(1 + runs / 100);
    expect(here.filter(({ strict }) => strict !== undefined).length).toBeGreaterThan(runs / 5);
  });
});
