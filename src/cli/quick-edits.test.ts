// Random edits of projects, each asked about by the real bin/tsnix where an answer without Node is kept: never another
// answer than that of a run without caches.
// TSNIX_SEED and TSNIX_FUZZ_RUNS choose others and more.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { DERIVATION, Edits, MAIN, Random } from '../../test/support/project-edits.ts';
import { copyProgram, QuickPlace, settle, type QuickRun } from '../../test/support/quick-place.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { seed } from '../../test/support/seed.ts';

const steps = Number(process.env['TSNIX_FUZZ_RUNS'] ?? 45);
/** Edited beside each other: all wait at once until files have lain still. */
const PROJECTS = 15;

class Place extends QuickPlace {
  readonly edits: Edits;
  readonly history: string[] = [];
  quick = 0;
  private readonly number: number;

  constructor(program: string, number: number) {
    super(program, { 'main.nix': MAIN, 'drv.nix': DERIVATION });
    this.number = number;
    mkdirSync(join(this.project, 'd'));
    const env = { HOME: this.dir, XDG_CACHE_HOME: join(this.dir, 'cache') };
    this.edits = new Edits(
      {
        dir: this.dir,
        project: this.project,
        collect: () => {
          spawnSync(program, ['nix-store', '--gc'], { env: { ...this.environment(), ...env } });
        },
      },
      new Random(seed + number),
      env,
    );
  }

  private answer(...more: string[]): Promise<QuickRun> {
    const [command, file] = this.number % 3 === 0 ? ['instantiate', 'drv.nix'] : ['eval', 'main.nix'];
    return this.ask([command, join(this.project, file), ...this.edits.args, ...more], { env: this.edits.env });
  }

  /** One edit, asked about at once, and after a while. */
  async step(): Promise<void> {
    const plain = await this.plain();
    for (let i = 0; i < 3; i++) this.compare(await this.answer(), plain);
    for (let more = this.edits.random.below(3); more >= 0; more--) {
      this.history.push(this.edits.edit());
      this.compare(await this.answer(), await this.plain());
    }
  }

  private async plain(): Promise<QuickRun> {
    return await this.answer('--no-cache');
  }

  private compare(answer: QuickRun, plain: QuickRun): void {
    if (!answer.node) this.quick++;
    const seen = { number: this.number, history: this.history.slice(-5), node: false };
    expect({ ...answer, ...seen }).toEqual({ ...plain, ...seen });
  }
}

describeWith(['perl'], `random edits with answers without Node (TSNIX_SEED=${seed})`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-quick-'));
  const places: Place[] = [];
  afterAll(() => {
    for (const place of places) place.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('the answer is always that of an evaluation', { timeout: 3_600_000 }, async () => {
    const program = copyProgram(dir);
    for (let i = 0; i < PROJECTS; i++) places.push(new Place(program, i));
    for (let round = 0; round * PROJECTS < steps; round++) {
      await settle();
      const queue = [...places];
      const worker = async (): Promise<void> => {
        for (let place = queue.shift(); place !== undefined; place = queue.shift()) await place.step();
      };
      await Promise.all([worker(), worker(), worker()]);
    }
    expect(places.reduce((sum, { quick }) => sum + quick, 0)).toBeGreaterThan(steps / 6);
  });
});
