// Environments are arrays made at their full size: V8 keeps such arrays packed and of one kind.
import type { Env, Lambda } from './lambda.ts';
import type { Slot } from './value.ts';

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

/** Where a call of `fn` puts its arguments, of `size` words: what it shares with the lambdas around it is there. */
export function newFrame(fn: Lambda, size: number): Env {
  const { base } = fn.record;
  if (base === 1) return newEnv(size, fn.env);
  const env = newEnv(size, fn.env[0] as Env);
  for (let i = 1; i < base; i++) env[i] = fn.env[i];
  return env;
}

function blankEnv(size: number): Env {
  const env: Env = [null];
  for (let i = 1; i < size; i++) env.push(undefined);
  return env;
}

const MAX_BLANK = 256;
const MAX_FAST = 1 << 25;
const blankSlots: Slot[][] = [];

/**
 * `size` slots that the caller fills at once, none left out. What grows by `push` has room for 17 from the first on,
 * and most sets and lists are small. (Arrays of constants V8 would share until they are written to; so nobody gives
 * another `filler`.)
 */
export function newSlots(size: number, filler: Slot = null): Slot[] {
  switch (size) {
    case 0:
      return [];
    case 1:
      return [filler];
    case 2:
      return [filler, filler];
    case 3:
      return [filler, filler, filler];
    case 4:
      return [filler, filler, filler, filler];
    case 5:
      return [filler, filler, filler, filler, filler];
    case 6:
      return [filler, filler, filler, filler, filler, filler];
    default:
      // A long one has holes until it is filled; V8 makes no fast array that is longer than MAX_FAST.
      if (size >= MAX_BLANK && size < MAX_FAST) return new Array<Slot>(size);
      return size < MAX_BLANK ? (blankSlots[size] ??= blank(size)).slice() : blank(size);
  }
}

function blank(size: number): Slot[] {
  const slots: Slot[] = [];
  for (let i = 0; i < size; i++) slots.push(null);
  return slots;
}
