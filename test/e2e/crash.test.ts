// kill -9 at random moments, a few of them (test/support/crash-run.ts and crash-copy.ts do many).
import { expect, it } from 'vitest';
import { crashCopy } from '../support/crash-copy.ts';
import { crashRun } from '../support/crash-run.ts';
import { describeWith } from '../support/requirements.ts';
import { seed } from '../support/seed.ts';

describeWith(['nix-store', '/bin/busybox'], 'tsnix killed at random moments', () => {
  it('leaves a store that real Nix finds nothing wrong with, finishes the work next time, and cleans up', async () => {
    const { problems } = await crashRun(6, seed);
    expect(problems, `seed ${seed}`).toEqual([]);
  });
});

describeWith(['nix', 'nix-store'], 'tsnix killed while it copies and substitutes', () => {
  it('leaves caches that say what they have, stores that are whole, and goes on next time', async () => {
    const { problems } = await crashCopy(5, seed);
    expect(problems, `seed ${seed}`).toEqual([]);
  });
});
