// A short batch of what `npm run fuzz` does for as long as one likes (scripts/fuzz.ts). TSNIX_SEED and
// TSNIX_FUZZ_SECONDS choose another one.
import { expect, it } from 'vitest';
import { fuzz } from './support/fuzz/fuzz.ts';
import { FORMATS } from './support/fuzz/inputs.ts';
import { seed } from './support/seed.ts';

const seconds = Number(process.env['TSNIX_FUZZ_SECONDS'] ?? 10);

it(
  `no input crashes, hangs or throws anything but a NixError (seed ${seed})`,
  { timeout: seconds * 1000 + 180_000 },
  async () => {
    const { cases, findings } = await fuzz({ seed, seconds, formats: FORMATS, caseMs: 60_000 });
    expect(findings).toEqual([]);
    expect(cases).toBeGreaterThan(20);
  },
);
