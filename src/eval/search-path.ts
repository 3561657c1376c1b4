// `<name>`: finding files in the search path of -I and NIX_PATH, and in lists given to builtins.findFile.
// See the Nix manual, "Lookup path".
import { EvalError, NixError, SearchPathError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { corepkgsDir } from './internal-files.ts';
import type { EvalIo } from './io.ts';
import type { EvalSettings } from './settings.ts';

export interface SearchPathEntry {
  readonly prefix: string;
  readonly path: string;
}

/** What a search needs of an evaluator. */
export interface SearchPathHost {
  readonly io: EvalIo;
  readonly settings: EvalSettings;
  /** Where the tree lies that a flake reference means. @throws NixError */
  flakeTree?(reference: string): string;
}

/** Entry paths → where they are; null: not there (and that was said). Per EvalIo: fetched at most once. */
const resolvedEntries = new WeakMap<EvalIo, Map<string, string | null>>();

/**
 * The path of `name` in the first entry that has it.
 * @throws SearchPathError where none has
 */
export function findFile(
  host: SearchPathHost,
  entries: readonly SearchPathEntry[],
  name: string,
  pos: Pos = 0,
): string {
  for (const entry of entries) {
    const suffix = suffixOf(entry.prefix, name);
    if (suffix === null) continue;
    const base = resolveEntry(host, entry.path);
    if (base === null) continue;
    const found = host.io.realPath(canonicalPath(suffix === '' ? base : `${base}/${suffix}`));
    if (host.io.fileType(found) !== null) return found;
    host.io.checkAccess?.(found);
  }
  if (name.startsWith('nix/')) return canonicalPath(corepkgsDir + name.slice(3));
  throw new SearchPathError(
    host.settings.pureEval
      ? `cannot look up '<${name}>' in pure evaluation mode (use '--impure' to override)`
      : `file '${name}' was not found in the Nix search path (add it using $NIX_PATH or -I)`,
    { pos },
  );
}

/** What remains of `name` after a prefix of whole components; null where the prefix is another. */
function suffixOf(prefix: string, name: string): string | null {
  if (prefix === '') return name;
  if (!name.startsWith(prefix)) return null;
  if (name.length === prefix.length) return '';
  return name[prefix.length] === '/' ? name.slice(prefix.length + 1) : null;
}

/** The unpacked tree of a tarball. @throws NixError */
export function fetchPseudoUrl(io: EvalIo, url: string): string {
  return io.fetchUrl({ url: resolvePseudoUrl(url), name: 'source', unpack: true }).storePath;
}

export function isPseudoUrl(path: string): boolean {
  if (path.startsWith('channel:')) return true;
  const end = path.indexOf('://');
  return end > 0 && ['http', 'https', 'file', 'channel', 'git', 's3', 'ssh'].includes(path.slice(0, end));
}

/** `channel:NAME` → the tarball of that channel; other URLs unchanged. */
export function resolvePseudoUrl(url: string): string {
  return url.startsWith('channel:')
    ? `https://channels.nixos.org/${url.slice('channel:'.length)}/nixexprs.tar.xz`
    : url;
}

function resolveEntry(host: SearchPathHost, path: string): string | null {
  let known = resolvedEntries.get(host.io);
  if (known === undefined) resolvedEntries.set(host.io, (known = new Map<string, string | null>()));
  let resolved = known.get(path);
  if (resolved === undefined) known.set(path, (resolved = lookUpEntry(host, path)));
  return resolved;
}

function lookUpEntry(host: SearchPathHost, path: string): string | null {
  const { io } = host;
  if (isPseudoUrl(path)) {
    try {
      return fetchPseudoUrl(io, path);
    } catch (error) {
      if (!(error instanceof NixError)) throw error;
      io.log(`warning: Nix search path entry '${path}' cannot be downloaded, ignoring: ${error.message}`);
      return null;
    }
  }
  if (path.startsWith('flake:') && host.flakeTree !== undefined) return host.flakeTree(path.slice('flake:'.length));
  const absolute = path.startsWith('/') ? canonicalPath(path) : io.absolutePath(path);
  if (io.fileType(io.realPath(absolute)) !== null) return absolute;
  io.checkAccess?.(absolute);
  io.log(`warning: Nix search path entry '${path}' does not exist, ignoring`);
  return null;
}

/** Removes empty, `.` and `..` components of an absolute path. */
export function canonicalPath(path: string): string {
  if (!/\/(?:\/|\.|$)/.test(path)) return path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

const MAX_SYMLINKS = 1024;

/**
 * The file that `import path` reads: a final symlink is followed, so that relative paths in the file mean what they
 * mean beside it; a directory stands for its default.nix.
 */
export function resolveExprPath(io: EvalIo, path: string): string {
  let current = path;
  for (let followed = 0; current !== '/'; followed++) {
    if (followed >= MAX_SYMLINKS) {
      throw new EvalError(`too many symbolic links encountered while traversing the path '${path}'`);
    }
    const slash = current.lastIndexOf('/');
    const parent = slash <= 0 ? '/' : current.slice(0, slash);
    const real = canonicalPath(`${io.realPath(parent)}/${current.slice(slash + 1)}`);
    const type = io.fileType(real);
    if (type === null) {
      io.checkAccess?.(real);
      throw new EvalError(`path '${real}' does not exist`);
    }
    if (type !== 'symlink') break;
    const target = io.readLink(real);
    current = canonicalPath(target.startsWith('/') ? target : `${parent}/${target}`);
  }
  return io.fileType(io.realPath(current)) === 'directory' ? canonicalPath(`${current}/default.nix`) : current;
}
