// Environments are arrays made at their full size: V8 keeps such arrays packed and of one kind.
import type { Env } from './lambda.ts';

/** Environments by size: copying one keeps V8's elements packed. */
const blankEnvs: Env[] = [];

/** [up, undefined…] of `size` words. */
export function newEnv(size: number, up: Env | null): Env {
  switch (size) {
    case 1:
      return [up];
    case 2:
      return [up, undefined];
    case 3:
      return [up, undefined, undefined];
    case 4:
      return [up, undefined, undefined, undefined];
    case 5:
      return [up, undefined, undefined, undefined, undefined];
    case 6:
      return [up, undefined, undefined, undefined, undefined, undefined];
    default: {
      const env = (blankEnvs[size] ??= blankEnv(size)).slice();
      env[0] = up;
      return env;
    }
  }
}

function blankEnv(size: number): Env {
  const env: Env = [null];
  for (let i = 1; i < size; i++) env.push(undefined);
  return env;
}
