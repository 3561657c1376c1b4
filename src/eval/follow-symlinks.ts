// The path behind all symlinks, component by component as Nix resolves it; what is not there stands for itself.
import { EvalError } from '../util/errors.ts';

/** As many as Nix follows. */
const MAX_SYMLINKS = 1024;

/**
 * `target` gives what a path links to, undefined for anything but a symlink.
 * @throws EvalError for a circle
 */
export function followSymlinks(path: string, target: (path: string) => string | undefined): string {
  const todo = path.split('/').reverse();
  let current = '';
  let links = 0;
  while (todo.length > 0) {
    const component = todo.pop()!;
    if (component === '' || component === '.') continue;
    if (component === '..') {
      current = current.slice(0, Math.max(0, current.lastIndexOf('/')));
      continue;
    }
    const next = `${current}/${component}`;
    const link = target(next);
    if (link === undefined) {
      current = next;
      continue;
    }
    if (++links > MAX_SYMLINKS) throw new EvalError(`infinite symlink recursion in path '${path}'`);
    if (link.startsWith('/')) current = '';
    for (const part of link.split('/').reverse()) todo.push(part);
  }
  return current === '' ? '/' : current;
}
