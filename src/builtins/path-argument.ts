// Paths that builtins are given: coerced, built if they are outputs of derivations, symlinks followed.
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import type { Slot } from '../eval/value.ts';

/** Which symlinks of a path are followed: all, all but a final one, none. */
export type SymlinkResolution = 'full' | 'ancestors' | 'none';

/** `/a/b` of `/a/b/c`; `/` of `/a` and `/`. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** `c` of `/a/b/c`; empty for `/`. */
export function baseNameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function resolveSymlinks(ev: Evaluator, path: string, resolution: SymlinkResolution): string {
  if (resolution === 'none' || path === '/') return path;
  if (resolution === 'full') return ev.io.realPath(path);
  const parent = ev.io.realPath(parentOf(path));
  return parent === '/' ? `/${baseNameOf(path)}` : `${parent}/${baseNameOf(path)}`;
}

/** The canonical path that `slot` means, with everything in its context built (import from derivation). */
export function realisePath(ev: Evaluator, slot: Slot, resolution: SymlinkResolution = 'full'): string {
  const context = new ContextBuilder();
  const path = ev.coerceToPath(slot, 0, context, 'while realising the context of a path');
  try {
    const real = context.get() === null ? path : ev.realiseContext(context, path);
    return resolveSymlinks(ev, real, resolution);
  } catch (error) {
    throw ev.frame(error, `while realising the context of path '${path}'`, 0);
  }
}
