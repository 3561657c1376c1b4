// Kills tsnix at random moments of adding, building and collecting, and looks at what is left: real Nix must find nothing
// wrong with the store, the next run must finish the work, and no rubbish may outlive a collection. A program:
//   node test/support/crash-run.ts [ROUNDS] [SEED]
// The test of it runs few rounds; docs/reliability.md has the figures of many.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deletePath } from '../../src/store/delete-path.ts';
import { program } from './cli.ts';

export interface CrashReport {
  readonly seed: number;
  /** Kills by what was going on; a run that ended before its kill counts as `late`. */
  readonly kills: Record<string, number>;
  /** What was found wrong; empty is good. */
  readonly problems: string[];
}

const busybox = '/bin/busybox';
const source = (salt: number): string => `
let
  sh = "\${./box}/bin/sh";
  mk = name: script: derivation {
    inherit name; system = builtins.currentSystem; builder = sh; args = [ "-ec" script ]; salt = "${salt}"; PATH = "\${./box}/bin";
  };
  leaf = i: mk "leaf\${toString i}" "mkdir $out; i=0; while [ $i -lt 40 ]; do echo ${salt} \${toString i} $i > $out/$i; i=$((i + 1)); done";
in mk "top" "echo \${toString (builtins.genList leaf 4)} \${./tree} > $out"`;

/** Numbers in [0, 1) that the seed decides (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export async function crashRun(rounds: number, seed: number): Promise<CrashReport> {
  const random = randomNumbers(seed);
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-crash-'));
  chmodSync(dir, 0o755);
  const root = join(dir, 'root');
  const kills: Record<string, number> = {};
  const problems: string[] = [];
  const env = { PATH: process.env['PATH'], HOME: join(dir, 'home'), NIX_REMOTE: root, NIX_CONF_DIR: dir };
  const tsnix = (...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(program, args, { cwd: dir, env, encoding: 'latin1' });
  const wrong = (round: number, what: string): void => void problems.push(`round ${round}: ${what}`);
  try {
    mkdirSync(join(dir, 'box/bin'), { recursive: true });
    copyFileSync(busybox, join(dir, 'box/bin/busybox'));
    for (const tool of ['sh', 'mkdir']) symlinkSync('busybox', join(dir, 'box/bin', tool));
    mkdirSync(join(dir, 'tree'));
    for (let round = 0; round < rounds; round++) {
      writeFileSync(join(dir, 'default.nix'), source(Math.floor(random() * 1e9)));
      // New contents, so that they have to be added.
      for (let i = 0; i < 60; i++) writeFileSync(join(dir, 'tree', String(i)), `${round} ${i} `.repeat(500));
      const what = ['build', 'build', 'instantiate', 'gc'][Math.floor(random() * 4)]!;
      // A collection has something to do.
      if (what === 'gc') tsnix('build', '--no-link');
      const args = what === 'gc' ? ['nix-store', '--gc'] : [what, ...(what === 'build' ? ['--no-link'] : [])];
      const child = spawn(program, args, { cwd: dir, env, stdio: 'ignore' });
      const ended = new Promise<boolean>((resolve) =>
        child.on('close', (_code, signal) => resolve(signal === 'SIGKILL')),
      );
      const longest = { build: 900, instantiate: 250, gc: 300 }[what]!;
      const timer = setTimeout(() => child.kill('SIGKILL'), 20 + random() * longest);
      const killed = await ended;
      clearTimeout(timer);
      const key = killed ? what : `${what}, late`;
      kills[key] = (kills[key] ?? 0) + 1;

      if (existsSync(join(root, 'nix/var/nix/db/db.sqlite'))) {
        const verify = spawnSync('nix-store', ['--store', root, '--verify', '--check-contents'], {
          encoding: 'latin1',
        });
        if (verify.status !== 0 || /error|disappeared|modified|not all/.test(verify.stderr))
          wrong(round, `verify: ${verify.stderr}`);
      }
      // Half of the time a collection comes first.
      if (random() < 0.5) collect(round);
      const next = tsnix('build', '--no-link');
      if (next.status !== 0) wrong(round, `the next build: ${String(next.stderr)}`);
      if (random() < 0.2 || round === rounds - 1) collect(round, true);
    }
  } finally {
    deletePath(dir);
  }
  return { seed, kills, problems };

  function collect(round: number, alone = false): void {
    const gc = tsnix('nix-store', '--gc');
    if (gc.status !== 0) wrong(round, `gc: ${String(gc.stderr)}`);
    if (!alone) return;
    // No root, so nothing may be left, valid or not.
    // But what other processes of this machine, in stores of theirs, run by the same path: the sandbox's shell.
    const left = readdirSync(join(root, 'nix/store')).filter((name) => !/^\.links$|-(glibc|dash)(\.drv)?$/.test(name));
    const builds = join(root, 'nix/var/nix/builds');
    const buildDirs = existsSync(builds) ? readdirSync(builds) : [];
    if (left.length + buildDirs.length > 0)
      wrong(round, `left after a collection: ${[...left, ...buildDirs].join(' ')}`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [rounds = '300', seed = String(Date.now() % 1e9)] = process.argv.slice(2);
  const report = await crashRun(Number(rounds), Number(seed));
  console.log(JSON.stringify(report, undefined, 2));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
