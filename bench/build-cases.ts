// Builds of trivial derivations: a chain (each waits for the one before) and a layered graph, in sandboxes and without,
// two at a time. Evaluation and instantiation are in the figures; the store is new each time.
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Case, Program } from './cases.ts';

const shell = '/bin/busybox';
const width = 50;

function makeExpression(dir: string): void {
  mkdirSync(join(dir, 'box/bin'), { recursive: true });
  copyFileSync(shell, join(dir, 'box/bin/busybox'));
  symlinkSync('busybox', join(dir, 'box/bin/sh'));
  writeFileSync(
    join(dir, 'default.nix'),
    `{ n }: let
      mk = name: inputs: derivation {
        inherit name; system = builtins.currentSystem; builder = "\${./box}/bin/sh";
        args = [ "-c" "echo \${toString inputs} > $out" ];
      };
      at = k: i: builtins.elemAt (builtins.elemAt rows k) i;
      rows = builtins.genList (k: builtins.genList (i: mk "r\${toString k}-\${toString i}"
        (if k == 0 then "" else [ (at (k - 1) i) (at (k - 1) (if i == 0 then ${width - 1} else i - 1)) ])) ${width}) (n / ${width});
    in {
      chain = builtins.foldl' (before: i: mk "c\${toString i}" before) "" (builtins.genList (i: i) n);
      layered = mk "top" (builtins.elemAt rows (n / ${width} - 1));
    }`,
  );
}

export function buildCases(work: string): Case[] {
  const dir = join(work, 'builds');
  const store = (who: Program): string => join(dir, `store-${who}`);
  const prepare = (): void => {
    if (!existsSync(dir)) makeExpression(dir);
    for (const who of ['ours', 'theirs'] as const) {
      spawnSync('chmod', ['-R', 'u+w', store(who)], { stdio: 'ignore' });
      rmSync(store(who), { recursive: true, force: true });
    }
  };
  const env = (who: Program, sandbox: boolean): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: dir,
    NIX_CONFIG: `build-users-group =\nsubstitute = false\nsandbox-paths =\nsandbox = ${sandbox}`,
    ...(sandbox
      ? { NIX_REMOTE: store(who) }
      : {
          NIX_STORE_DIR: `${store(who)}/store`,
          NIX_STATE_DIR: `${store(who)}/state`,
          NIX_LOG_DIR: `${store(who)}/log`,
        }),
  });
  const built = (graph: string, sandbox: boolean, count: number): Case => ({
    name: `build: ${graph} of ${count}, ${sandbox ? 'sandboxed' : 'open'}`,
    sized: true,
    missing: existsSync(shell) ? undefined : shell,
    make: (scale) => ({
      program: 'nix-build',
      args: [dir, '-A', graph, '--arg', 'n', String(Math.round(count * scale)), '--no-out-link', '-j2'],
      env: (who) => env(who, sandbox),
      prepare,
      sameOutput: sandbox, // else the stores differ
    }),
  });
  return [
    built('chain', true, 200),
    built('layered', true, 200),
    built('chain', false, 200),
    built('layered', false, 200),
    built('layered', false, 10000),
  ];
}
