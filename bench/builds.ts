// Builds of trivial derivations beside real Nix's: `node bench/builds.ts [COUNT] [PAIRS]`, as root. A chain (each waits for
// the one before) and a layered graph, in sandboxes and without, with -j2; prints wall and CPU time and their ratios.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deletePath } from '../src/store/delete-path.ts';

const [count = '200', pairs = '3'] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'tsnix-bench-'));
chmodSync(dir, 0o755);
mkdirSync(join(dir, 'box/bin'), { recursive: true });
copyFileSync('/bin/busybox', join(dir, 'box/bin/busybox'));
symlinkSync('busybox', join(dir, 'box/bin/sh'));
writeFileSync(
  join(dir, 'default.nix'),
  `{ n, salt }: let
    mk = name: inputs: derivation { inherit name salt; system = builtins.currentSystem; builder = "\${./box}/bin/sh"; args = [ "-c" "echo \${toString inputs} > $out" ]; };
    chain = builtins.foldl' (before: i: mk "c\${toString i}" before) "" (builtins.genList (i: i) n);
    rows = builtins.genList (k: builtins.genList (i: mk "r\${toString k}-\${toString i}" (if k == 0 then "" else [ (at (k - 1) i) (at (k - 1) (if i == 0 then 49 else i - 1)) ])) 50) (n / 50);
    at = k: i: builtins.elemAt (builtins.elemAt rows k) i;
  in { inherit chain; layered = mk "top" (builtins.concatLists rows); }`,
);

interface Time {
  readonly wall: number;
  readonly cpu: number;
}

function build(program: string, graph: string, sandbox: boolean, salt: string): Time {
  const store = join(dir, program === 'nix-build' ? 'nix' : 'tsnix', String(sandbox));
  const options = `build-users-group =\nsubstitute = false\nsandbox-paths =\nsandbox = ${sandbox}`;
  const env = sandbox
    ? { NIX_REMOTE: store }
    : { NIX_STORE_DIR: `${store}/store`, NIX_STATE_DIR: `${store}/state`, NIX_LOG_DIR: `${store}/log` };
  const words = ['-A', graph, '--arg', 'n', count, '--argstr', 'salt', salt, '--no-out-link', '-j2'];
  const before = process.hrtime.bigint();
  // The shell tells the CPU time of everything that was waited for.
  const run = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="cpu %U %S"; time "$@" >/dev/null 2>/dev/null', 'sh', program, ...words],
    {
      cwd: dir,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: dir, NIX_CONFIG: options, ...env },
    },
  );
  const wall = Number(process.hrtime.bigint() - before) / 1e9;
  if (run.status !== 0) throw new Error(`${program} failed for ${graph}`);
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(run.stderr)!;
  return { wall, cpu: Number(user) + Number(system) };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
try {
  for (const sandbox of [true, false]) {
    for (const graph of ['chain', 'layered']) {
      const ratios: Time[] = [];
      for (let i = 0; i < Number(pairs); i++) {
        const theirs = build('nix-build', graph, sandbox, `${i}`);
        const ours = build(join(import.meta.dirname, '../libexec/nix-build'), graph, sandbox, `${i}`);
        ratios.push({ wall: ours.wall / theirs.wall, cpu: ours.cpu / theirs.cpu });
        console.log(
          `${graph}, ${sandbox ? 'sandboxed' : 'not sandboxed'}: Nix ${theirs.wall.toFixed(1)} s, tsnix ${ours.wall.toFixed(1)} s`,
        );
      }
      console.log(
        `  median ratio: wall ${median(ratios.map((r) => r.wall)).toFixed(2)}, CPU ${median(ratios.map((r) => r.cpu)).toFixed(2)}`,
      );
    }
  }
} finally {
  deletePath(dir);
}
