// Path literals → absolute paths.
import { RestrictedError } from '../util/errors.ts';

/**
 * Resolves `.`, `..` and doubled slashes against `baseDir`; nothing is looked up. A literal that ends with `/`, as
 * before an interpolation, keeps it.
 */
export function resolvePath(literal: string, baseDir: string): string {
  const path = canonical(literal.startsWith('/') ? literal : `${baseDir}/${literal}`);
  return literal.length > 1 && literal.endsWith('/') ? `${path}/` : path;
}

/** @throws RestrictedError where there is no home to speak of */
export function resolveHomePath(literal: string, homeDir: string | null): string {
  if (homeDir === null) throw new RestrictedError(`the path '${literal}' can not be resolved in pure mode`);
  return homeDir + literal.slice(1);
}

function canonical(path: string): string {
  const out: string[] = [];
  for (const step of path.split('/')) {
    if (step === '' || step === '.') continue;
    if (step === '..') out.pop();
    else out.push(step);
  }
  return `/${out.join('/')}`;
}
