// Random edits of a project, each followed by evaluations through the caches, as a round of --watch and without anything:
// never another answer.
// TSNIX_SEED and TSNIX_FUZZ_RUNS choose others and more (5,000 steps take some minutes).
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CachedProject, HIT, type Answer, type Way } from '../../test/support/cached-session.ts';
import { DERIVATION, Edits, MAIN, Random } from '../../test/support/project-edits.ts';
import { seed } from '../../test/support/seed.ts';

const steps = Number(process.env['TSNIX_FUZZ_RUNS'] ?? 240);

/**
 * Waits until the clock of files in `dir` has gone on: it ticks every few milliseconds, or more where the machine is busy,
 * and what is written within one tick is told apart only as long as it is new.
 */
function waitForTick(dir: string): void {
  const probe = join(dir, 'tick');
  const now = (): bigint => {
    writeFileSync(probe, '');
    return statSync(probe, { bigint: true }).ctimeNs;
  };
  const before = now();
  while (now() === before) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

describe(`random edits (TSNIX_SEED=${seed})`, () => {
  let project: CachedProject | undefined;
  afterEach(() => {
    vi.useRealTimers();
    project?.close();
  });

  it('the answer is always that of an evaluation', { timeout: 3_600_000 }, () => {
    const random = new Random(seed);
    project = new CachedProject();
    const edits = new Edits(project, random, process.env);
    writeFileSync(join(project.project, 'main.nix'), MAIN);
    writeFileSync(join(project.project, 'drv.nix'), DERIVATION);
    mkdirSync(join(project.project, 'd'));
    const history: string[] = [];
    let hits = 0;
    let wasOld = false;
    for (let step = 0; step < steps; step++) {
      // Either the clock says that files are old, and their clock has ticked since; or everything is just written.
      const old = random.below(3) > 0;
      if (old || wasOld) waitForTick(project.dir);
      wasOld = old;
      if (old) {
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
      }
      history.push(`${edits.edit()}${old ? '' : ' (just now)'}`);
      const ask = (way: Way): Answer =>
        step % 3 === 0
          ? project!.instantiate([join(project!.project, 'drv.nix'), ...edits.args], way)
          : project!.eval([join(project!.project, 'main.nix'), ...edits.args], way);
      const answers = [ask('cached'), ask('cached'), ask('packs'), ask('warm')];
      const plain = ask('plain');
      vi.useRealTimers();
      for (const answer of answers) {
        if (answer.explained.includes(HIT)) hits++;
        const seen = { step, history: history.slice(-4), explained: [] };
        expect({ ...answer, ...seen }).toEqual({ ...plain, ...seen });
      }
    }
    // Something must have been answered from the cache.
    expect(hits).toBeGreaterThan(steps / 10);
  });
});
