// What tests that kill at random moments have in common: ending a program some time after its start, and looking at
// what it left with real Nix.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { program } from './cli.ts';

export interface CrashReport {
  readonly seed: number;
  /** Kills by what was going on; a run that ended before its kill counts as `late`. */
  readonly kills: Record<string, number>;
  /** What was found wrong; empty is good. */
  readonly problems: string[];
}

export interface Crashed {
  readonly killed: boolean;
  readonly status: number;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs tsnix, and kills it (SIGKILL) after `killMs`, if that is given and it still runs. */
export function runTsnix(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly killMs?: number },
): Promise<Crashed> {
  const started = performance.now();
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString('latin1')));
  const { killMs } = options;
  const timer = killMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killMs);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ killed: signal === 'SIGKILL', status: code ?? -1, stderr, ms: performance.now() - started });
    });
  });
}

/** What real Nix finds wrong with the store in `root`, all contents read; empty where nothing is. */
export function verifiedByNix(root: string): string {
  if (!existsSync(join(root, 'nix/var/nix/db/db.sqlite'))) return '';
  const { status, stderr } = spawnSync('nix-store', ['--store', root, '--verify', '--check-contents'], {
    encoding: 'latin1',
  });
  return status !== 0 || /error|disappeared|modified|not all/.test(stderr) ? `verify: ${stderr}` : '';
}

/** What lies in a store's folders that should be empty but for `allowed` names. */
export function leftIn(root: string, allowed: RegExp): string[] {
  const names = (dir: string): string[] => (existsSync(join(root, dir)) ? readdirSync(join(root, dir)) : []);
  return [...names('nix/store').filter((name) => !allowed.test(name)), ...names('nix/var/nix/builds')];
}
