// Programs of others that hold or run containers.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { utf8 } from '../../../util/bytes.ts';
import { StoreError } from '../../../util/errors.ts';

export function findOnPath(name: string): string | undefined {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    if (dir === '') continue;
    const file = join(dir, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here: look on
    }
  }
  return undefined;
}

/** Runs a program with our own standard streams. @returns its exit status, as a shell has it */
export function runInForeground(program: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' });
  // It is asked to end as we are, and we end when it has.
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  signal.addEventListener('abort', stop);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new StoreError(`cannot run '${utf8(program)}': ${utf8(error.message)}`, { cause: error }));
    });
    child.once('close', (status, killedBy) => {
      signal.removeEventListener('abort', stop);
      const signals: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143 };
      resolve(status ?? signals[killedBy ?? ''] ?? 1);
    });
  });
}
