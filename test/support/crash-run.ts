// Kills tsnix at random moments of adding, building and collecting, and looks at what is left: real Nix must find nothing
// wrong with the store, the next run must finish the work, and no rubbish may outlive a collection. A program:
//   node test/support/crash-run.ts [ROUNDS] [SEED]
// The test of it runs few rounds; docs/reliability.md has the figures of many.
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deletePath } from '../../src/store/delete-path.ts';
import { leftIn, runTsnix, verifiedByNix, type Crashed, type CrashReport } from './crash.ts';
import { Random } from './fuzz/random.ts';

const busybox = '/bin/busybox';
const source = (salt: number): string => `
let
  sh = "\${./box}/bin/sh";
  mk = name: script: derivation {
    inherit name; system = builtins.currentSystem; builder = sh; args = [ "-ec" script ]; salt = "${salt}"; PATH = "\${./box}/bin";
  };
  leaf = i: mk "leaf\${toString i}" "mkdir $out; i=0; while [ $i -lt 40 ]; do echo ${salt} \${toString i} $i > $out/$i; i=$((i + 1)); done";
in mk "top" "echo \${toString (builtins.genList leaf 4)} \${./tree} > $out"`;

export async function crashRun(rounds: number, seed: number): Promise<CrashReport> {
  const random = new Random(seed, 0);
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-crash-'));
  chmodSync(dir, 0o755);
  const root = join(dir, 'root');
  const kills: Record<string, number> = {};
  const problems: string[] = [];
  const env = { PATH: process.env['PATH'], HOME: join(dir, 'home'), NIX_REMOTE: root, NIX_CONF_DIR: dir };
  const tsnix = (...args: string[]): Promise<Crashed> => runTsnix(args, { cwd: dir, env });
  const wrong = (round: number, what: string): void => void problems.push(`round ${round}: ${what}`);
  try {
    mkdirSync(join(dir, 'box/bin'), { recursive: true });
    copyFileSync(busybox, join(dir, 'box/bin/busybox'));
    for (const tool of ['sh', 'mkdir']) symlinkSync('busybox', join(dir, 'box/bin', tool));
    mkdirSync(join(dir, 'tree'));
    for (let round = 0; round < rounds; round++) {
      writeFileSync(join(dir, 'default.nix'), source(random.below(1e9)));
      // New contents, so that they have to be added.
      for (let i = 0; i < 60; i++) writeFileSync(join(dir, 'tree', String(i)), `${round} ${i} `.repeat(500));
      const what = random.pick(['build', 'build', 'instantiate', 'gc'] as const);
      // A collection has something to do.
      if (what === 'gc') await tsnix('build', '--no-link');
      const args = what === 'gc' ? ['nix-store', '--gc'] : [what, ...(what === 'build' ? ['--no-link'] : [])];
      const longest = { build: 900, instantiate: 250, gc: 300 }[what];
      const { killed } = await runTsnix(args, { cwd: dir, env, killMs: 20 + random.below(longest) });
      const key = killed ? what : `${what}, late`;
      kills[key] = (kills[key] ?? 0) + 1;

      const found = verifiedByNix(root);
      if (found !== '') wrong(round, found);
      // Half of the time a collection comes first.
      if (random.oneIn(2)) await collect(round);
      const next = await tsnix('build', '--no-link');
      if (next.status !== 0) wrong(round, `the next build: ${next.stderr}`);
      if (random.oneIn(5) || round === rounds - 1) await collect(round, true);
    }
  } finally {
    deletePath(dir);
  }
  return { seed, kills, problems };

  async function collect(round: number, alone = false): Promise<void> {
    const gc = await tsnix('nix-store', '--gc');
    if (gc.status !== 0) wrong(round, `gc: ${gc.stderr}`);
    if (!alone) return;
    // No root, so nothing may be left, valid or not.
    const left = leftIn(root, /^\.links$/);
    if (left.length > 0) wrong(round, `left after a collection: ${left.join(' ')}`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [rounds = '300', seed = String(Date.now() % 1e9)] = process.argv.slice(2);
  const report = await crashRun(Number(rounds), Number(seed));
  console.log(JSON.stringify(report, undefined, 2));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
