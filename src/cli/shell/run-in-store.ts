// Runs a program of the store for the user, in the foreground, where store paths are at their logical place: a store that
// lies elsewhere is shown there (enter-store.pl). This process stays: its temporary roots keep what the program uses from
// a collector.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { SyncStore } from '../../store/store.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { findExecutable } from '../../build/sandbox/detect.ts';
import { StoreError } from '../../util/errors.ts';
import { programFile } from '../../util/program-files.ts';
import { callersStack } from '../../build/sandbox/stack-limit.ts';
import { callersFolder } from '../callers-folder.ts';

export interface ForegroundCommand {
  readonly argv0: string;
  /** A path, or a name to look for on the PATH of `env`. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The exit status, as a shell has it.
 * @throws StoreError where the store can't be shown
 */
export async function runInStore(store: SyncStore, command: ForegroundCommand): Promise<number> {
  const { argv0, program, args, env } = command;
  const real = store.realPath(store.storeDir);
  let words: string[] = [program, ...args];
  let variables = env;
  if (real !== store.storeDir) {
    const perl = findExecutable('perl');
    if (perl === undefined) {
      throw new StoreError(
        `the store lies in '${real}'; showing it at '${store.storeDir}' takes perl (Debian: perl-base)`,
      );
    }
    const helper = programFile('src/cli/shell/enter-store.pl');
    words = [perl, helper, fromUtf8(store.storeDir), fromUtf8(real), argv0, ...words];
    variables = { ...env, TSNIX_ROOT_PLACE: `${fromUtf8(real)}/../.root` };
  }
  const stack = callersStack();
  if (stack !== undefined) {
    // The launcher raised it for the evaluator.
    words = ['/bin/sh', '-c', `ulimit -S -s ${stack}; exec "$@"`, 'sh', ...words];
  }
  const { TSNIX_STACK_LIMIT: _, ...rest } = variables;
  const ignore = (): void => undefined; // Ctrl-C is the program's to handle
  process.on('SIGINT', ignore);
  process.on('SIGQUIT', ignore);
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = spawn(words[0]!, words.slice(1), {
        stdio: 'inherit',
        cwd: callersFolder(),
        env: rest,
        ...(stack === undefined && real === store.storeDir ? { argv0 } : {}),
      });
      const pass = (signal: NodeJS.Signals): void => {
        child.kill(signal);
      };
      process.on('SIGTERM', pass);
      process.on('SIGHUP', pass);
      child.on('error', (error) => reject(new StoreError(`executing '${utf8(program)}': ${utf8(error.message)}`)));
      child.on('close', (code, signal) => {
        process.removeListener('SIGTERM', pass);
        process.removeListener('SIGHUP', pass);
        resolve(code ?? 128 + constants.signals[signal!]);
      });
    });
  } finally {
    process.removeListener('SIGINT', ignore);
    process.removeListener('SIGQUIT', ignore);
  }
}
