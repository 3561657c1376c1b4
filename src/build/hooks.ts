// Programs of the user that run beside builds: pre-build-hook may show a sandbox more of this machine, post-build-hook is
// told what was built (and may upload it), diff-hook compares outputs that should be the same. They run as the caller,
// outside of any sandbox, and only settings name them, never a derivation.
import { spawn, spawnSync } from 'node:child_process';
import { fromBuffer, fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { LineSplitter } from '../util/line-splitter.ts';
import type { StorePath } from '../store/store.ts';
import type { HostIds } from './host-ids.ts';
import type { SandboxPath } from './sandbox/layout.ts';

/**
 * Paths that pre-build-hook adds to a sandbox.
 * @throws StoreError where it fails or says what we don't know
 */
export function runPreBuildHook(hook: string, drvPath: StorePath, root: string | undefined): SandboxPath[] {
  const run = spawnSync(hook, [drvPath, ...(root === undefined ? [] : [fromUtf8(root)])], {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: Infinity,
  });
  if (run.error !== undefined) throw new StoreError(`executing '${utf8(hook)}': ${utf8(run.error.message)}`);
  if (run.status !== 0) throw new StoreError(`program "${utf8(hook)}" ${ending(run.status, run.signal)}`);
  const paths: SandboxPath[] = [];
  let listing = false;
  for (const line of fromBuffer(run.stdout).split('\n').slice(0, -1)) {
    if (!listing) {
      if (line !== 'extra-sandbox-paths' && line !== 'extra-chroot-dirs') {
        throw new StoreError(`unknown pre-build hook command '${line}'`);
      }
      listing = true;
    } else if (line === '') listing = false;
    else {
      const equals = line.indexOf('=');
      const target = equals < 0 ? line : line.slice(0, equals);
      paths.push({ target, source: equals < 0 ? line : line.slice(equals + 1), optional: false });
    }
  }
  return paths;
}

/** Runs post-build-hook to its end. @throws StoreError where it fails: then the build has failed */
export async function runPostBuildHook(
  hook: string,
  drvPath: StorePath,
  outputs: readonly StorePath[],
  env: Readonly<Record<string, string | undefined>>,
  onLine: (line: string) => void,
): Promise<void> {
  const child = spawn(hook, [], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, DRV_PATH: drvPath, OUT_PATHS: outputs.join(' ') },
  });
  const lines = new LineSplitter();
  const take = (chunk: Buffer): void => lines.push(fromBuffer(chunk)).forEach((line) => onLine(line));
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const problem = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(`executing '${utf8(hook)}': ${utf8(error.message)}`));
    child.on('close', (status, signal) =>
      resolve(status === 0 ? undefined : `program "${utf8(hook)}" ${ending(status, signal)}`),
    );
  });
  const rest = lines.end();
  if (rest !== '') onLine(rest);
  if (problem !== undefined) throw new StoreError(problem);
}

/** What diff-hook has to say of two objects; its failures are no one's problem. */
export function runDiffHook(hook: string, args: readonly string[], ids: HostIds | undefined): string {
  const run = spawnSync(hook, args.map(fromUtf8), {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    maxBuffer: Infinity,
    ...(ids === undefined ? {} : { uid: ids.uid, gid: ids.gid }),
  });
  if (run.error !== undefined) return `error: diff hook execution failed: ${utf8(run.error.message)}`;
  const said = fromBuffer(run.stdout).replace(/\n+$/, '');
  if (run.status === 0) return said;
  return `error: diff hook execution failed: diff-hook program "${utf8(hook)}" ${ending(run.status, run.signal)}`;
}

function ending(status: number | null, signal: string | null): string {
  return signal === null ? `failed with exit code ${status}` : `failed due to signal ${signal}`;
}
