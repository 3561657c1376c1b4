// kill -9 at random moments, a few of them (test/support/crash-run.ts does many).
import { expect, it } from 'vitest';
import { crashRun } from '../support/crash-run.ts';
import { describeWith } from '../support/requirements.ts';

describeWith(['nix-store', '/bin/busybox'], 'tsnix killed at random moments', () => {
  it('leaves a store that real Nix finds nothing wrong with, finishes the work next time, and cleans up', async () => {
    const seed = Date.now() % 1_000_000_000;
    const { problems } = await crashRun(8, seed);
    expect(problems, `seed ${seed}`).toEqual([]);
  });
});
