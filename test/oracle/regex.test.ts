import fc from 'fast-check';
import { expect, it } from 'vitest';
import { disagreements, nixString, runs } from '../support/oracle-eval.ts';
import { seed } from '../support/seed.ts';
import { describeWith } from '../support/requirements.ts';
import { oddRegexes, regexes, texts } from './generators/regex.ts';

describeWith(['nix-instantiate'], `match and split against nix-instantiate (TSNIX_SEED=${seed})`, () => {
  const cases = (name: string, patterns: fc.Arbitrary<string>, count: number): string[] =>
    fc
      .sample(fc.tuple(patterns, texts), { numRuns: count, seed })
      .map(([pattern, text]) => `builtins.${name} ${nixString(pattern)} ${nixString(text)}`);

  it('match: random patterns', () => {
    expect(disagreements(cases('match', regexes, runs))).toEqual([]);
  });
  it('split: random patterns', () => {
    expect(disagreements(cases('split', regexes, runs))).toEqual([]);
  });
  it('match: odd and invalid patterns', () => {
    expect(disagreements(cases('match', oddRegexes, runs / 8))).toEqual([]);
  });
  it('split: odd and invalid patterns', () => {
    expect(disagreements(cases('split', oddRegexes, runs / 8))).toEqual([]);
  });
});
