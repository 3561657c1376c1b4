// Git repositories, with the host's `git`: trees are read as git stores them (no line ending conversion, no filters),
// into a temporary directory. Synchronous, as evaluation is.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { filePathOfUrl } from './file-url.ts';
import { smudge } from './git-lfs.ts';
import type { HttpSettings } from './http-settings.ts';
import { verifyCommit, type PublicKey } from './git-signatures.ts';
import { parseSubmodules, resolveSubmoduleUrl, type Submodule } from './git-submodules.ts';
import { xdgHome } from '../util/user-dirs.ts';

export interface GitCheckout {
  /** Byte string. */
  readonly path: string;
  readonly tempDir: string;
  readonly rev: string | null;
  readonly revCount: number | null;
  readonly lastModified: number;
  readonly dirtyRev: string | null;
  readonly ref: string | null;
}

export interface GitSource {
  readonly url: string;
  readonly ref: string | null;
  readonly rev: string | null;
  readonly submodules: boolean;
  readonly shallow: boolean;
  readonly allRefs: boolean;
  readonly exportIgnore: boolean;
  /** Files that Git LFS keeps elsewhere are fetched. Work trees are as they are. */
  readonly lfs?: boolean;
  /** The commit must be signed with one of these. */
  readonly signedBy?: readonly PublicKey[] | undefined;
  /** Say which branch HEAD is, where there is no `ref`. */
  readonly needsRef?: boolean;
}

/** What was fetched from another machine before. */
export interface GitCaching {
  /** Seconds for which a server is not asked again what a branch or tag is; 0: it is asked each time. */
  readonly ttl: number;
  readonly warn: (message: string) => void;
  readonly http?: () => HttpSettings;
}

const NO_CACHING: GitCaching = { ttl: 0, warn: () => undefined };

/** Blobs read by one `git cat-file`. */
const BATCH = 500;
/** Submodules within submodules. */
const MAX_LEVEL = 50;
/** Mode of a submodule's entry. */
const GITLINK = '160000';

/** What says in git's hooks and aliases which repository is meant; not the one that is asked for here. */
const REPOSITORY_VARIABLES = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
  'GIT_DIR',
  'GIT_GRAFT_FILE',
  'GIT_INDEX_FILE',
  'GIT_NAMESPACE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
];

function runGit(args: readonly string[], input?: Buffer, indexFile?: string): SpawnSyncReturns<Buffer> {
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !REPOSITORY_VARIABLES.includes(name))),
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    LC_ALL: 'C',
    ...(indexFile === undefined ? {} : { GIT_INDEX_FILE: indexFile }),
  };
  const result = spawnSync('git', args, {
    ...(input === undefined ? { stdio: ['ignore', 'pipe', 'pipe'] } : { input }),
    maxBuffer: 2 ** 31 - 1,
    env,
  });
  if ((result.error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    throw new StoreError("fetching git repositories needs the program 'git' (Debian package git)");
  }
  return result;
}

/** Output of git, bytes. @throws StoreError with what git said */
function git(args: readonly string[], input?: Buffer, indexFile?: string): string {
  const result = runGit(args, input, indexFile);
  if (result.status !== 0) {
    const said = result.stderr.toString('latin1').trim();
    throw new StoreError(`program 'git' failed with exit code ${String(result.status ?? result.signal)}: ${said}`);
  }
  return result.stdout.toString('latin1');
}

/** @throws StoreError */
export function checkOutGit(source: GitSource, caching = NO_CACHING): GitCheckout {
  if (source.exportIgnore && source.submodules) {
    throw new StoreError('exportIgnore and submodules are not supported together yet');
  }
  const tempDir = mkdtempSync(join(tmpdir(), 'tsnix-git-'));
  try {
    const target = join(tempDir, 'source');
    mkdirSync(target);
    return { ...checkOutInto(target, { ...source, caching }, 0), path: utf8(target), tempDir };
  } catch (error) {
    rmSync(tempDir, { recursive: true, force: true });
    throw error;
  }
}

/** Of a repository, and of the submodules below it. */
interface CachedSource extends GitSource {
  readonly caching: GitCaching;
}

type Revision = Omit<GitCheckout, 'path' | 'tempDir'>;

function checkOutInto(target: string, source: CachedSource, level: number): Revision {
  if (level > MAX_LEVEL) throw new StoreError(`the submodules of '${source.url}' are nested too deeply`);
  const local = filePathOfUrl(source.url);
  const workTree = local === null ? null : fromUtf8(local);
  const isWorkTree = workTree !== null && existsSync(join(workTree, '.git'));
  if (workTree !== null && !existsSync(workTree)) throw new StoreError(`path '${local!}' does not exist`);
  if (isWorkTree && source.ref === null && source.rev === null) {
    return checkOutWorkTree(workTree, target, source, level);
  }
  const { repo, rev } = locate(source, workTree, isWorkTree);
  checkSignature(repo, rev, source);
  exportTree(repo, rev, target, source, level);
  const ref = source.ref ?? (source.needsRef === true ? headOf(source.url, workTree) : null);
  return { rev, dirtyRev: null, ref, ...describeRev(repo, rev) };
}

function checkSignature(repo: readonly string[], rev: string, { signedBy }: GitSource): void {
  if (signedBy !== undefined) verifyCommit((args) => runGit([...repo, ...args]), rev, signedBy);
}

/** The branch that HEAD of a repository is; null where it is detached. */
function headOf(url: string, local: string | null): string | null {
  if (local !== null) {
    const head = runGit(['-C', local, 'symbolic-ref', '--quiet', 'HEAD']);
    return head.status === 0 ? head.stdout.toString('latin1').trim() : null;
  }
  const listed = runGit(['ls-remote', '--symref', '--', fromUtf8(url), 'HEAD']);
  return /^ref: (\S+)\tHEAD$/m.exec(listed.stdout.toString('latin1'))?.[1] ?? null;
}

function describeRev(repo: readonly string[], rev: string): { revCount: number | null; lastModified: number } {
  const shallow = git([...repo, 'rev-parse', '--is-shallow-repository']).trim() === 'true';
  return {
    revCount: shallow ? null : Number(git([...repo, 'rev-list', '--count', rev]).trim()),
    lastModified: Number(git([...repo, 'log', '-1', '--format=%ct', '--no-show-signature', rev]).trim()),
  };
}

/** The files of the work tree that git knows, as they are; without submodules unless these are asked for. */
function checkOutWorkTree(dir: string, target: string, source: CachedSource, level: number): Revision {
  const repo = ['-C', dir];
  const head = runGit([...repo, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  const rev = head.status === 0 ? head.stdout.toString('latin1').trim() : null;
  let isDirty =
    rev === null || runGit([...repo, 'diff', '--quiet', '--ignore-submodules=all', 'HEAD', '--']).status !== 0;
  const files = trackedFiles(repo);
  const ignored = source.exportIgnore ? exportIgnored(repo, files) : new Set<string>();
  for (const name of files) if (!isIgnored(name, ignored)) copyTracked(dir, target, name);
  if (source.submodules && existsSync(join(dir, '.gitmodules'))) {
    for (const { path } of submodulesIn([...repo, 'config', '--file', join(dir, '.gitmodules')])) {
      const url = resolveSubmoduleUrl(`${utf8(dir)}/${path}`, '');
      const into = makeMountPoint(target, path);
      const found = checkOutInto(
        into,
        { ...source, url, ref: null, rev: null, allRefs: false, signedBy: undefined },
        level + 1,
      );
      if (found.rev === null) isDirty = true;
    }
  }
  if (rev !== null && !isDirty) {
    checkSignature(repo, rev, source);
    return { rev, dirtyRev: null, ref: headOf(source.url, dir), ...describeRev(repo, rev) };
  }
  return {
    rev: null,
    ref: null,
    revCount: null,
    dirtyRev: rev,
    lastModified: rev === null ? 0 : describeRev(repo, rev).lastModified,
  };
}

/** Paths of the index, without those of submodules. */
function trackedFiles(repo: readonly string[]): string[] {
  const files: string[] = [];
  for (const entry of git([...repo, 'ls-files', '-z', '--stage']).split('\0')) {
    const tab = entry.indexOf('\t');
    if (tab >= 0 && !entry.startsWith(GITLINK)) files.push(entry.slice(tab + 1));
  }
  // Each stage of a merge that has conflicts is an entry.
  return [...new Set(files)];
}

function copyTracked(dir: string, target: string, name: string): void {
  const from = Buffer.concat([Buffer.from(dir), Buffer.from(`/${name}`, 'latin1')]);
  const stat = lstatSync(from, { throwIfNoEntry: false });
  if (stat === undefined) return; // deleted, but not committed
  const to = prepare(target, name);
  if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from, 'buffer'), to);
  else if (stat.isFile()) {
    copyFileSync(from, to);
    chmodSync(to, (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
  } else if (stat.isDirectory()) mkdirSync(to, { recursive: true });
}

/** @param config a call of `git config` that reads .gitmodules */
function submodulesIn(config: readonly string[]): Submodule[] {
  const listed = runGit([...config, '-z', '--get-regexp', '^submodule\\..*\\.(path|url|branch)$']);
  return listed.status === 0 ? parseSubmodules(listed.stdout.toString('latin1')) : [];
}

function makeMountPoint(target: string, path: string): string {
  const into = prepare(target, path);
  const stat = lstatSync(into, { throwIfNoEntry: false });
  if (stat === undefined) mkdirSync(into);
  else if (!stat.isDirectory()) throw new StoreError(`the submodule '${path}' of a git tree is a file, too`);
  return into.toString();
}

/** Where the wanted commit is: the repository itself if it is here, else a cache of it. */
function locate(source: CachedSource, local: string | null, isWorkTree: boolean): { repo: string[]; rev: string } {
  const repo = local === null ? [`--git-dir=${cacheOf(source)}`] : isWorkTree ? ['-C', local] : [`--git-dir=${local}`];
  const wanted = source.ref === null ? 'HEAD' : source.ref;
  if (source.rev !== null) {
    if (!hasCommit(repo, source.rev)) {
      if (local === null) fetchRev(repo, source, source.rev);
      if (!hasCommit(repo, source.rev)) {
        throw new StoreError(
          `Cannot find Git revision '${source.rev}' in ref '${wanted}' of repository '${source.url}'! Please make sure that the rev exists on the ref you've specified or add allRefs = true; to fetchGit.`,
        );
      }
    }
    return { repo, rev: source.rev.toLowerCase() };
  }
  if (local === null) return { repo, rev: fetchRef(repo, source, wanted) };
  for (const candidate of refCandidates(wanted)) {
    const found = runGit([...repo, 'rev-parse', '--verify', '--quiet', `${candidate}^{commit}`]);
    if (found.status === 0) return { repo, rev: found.stdout.toString('latin1').trim() };
  }
  throw new StoreError(`resolving Git reference '${wanted}': revspec '${wanted}' not found`);
}

/** As git's command line takes them. */
function refCandidates(bytes: string): string[] {
  const ref = fromUtf8(bytes);
  return ref === 'HEAD' || ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
}

function hasCommit(repo: readonly string[], rev: string): boolean {
  return runGit([...repo, 'cat-file', '-e', `${rev}^{commit}`]).status === 0;
}

/** What was fetched without its history has a cache of its own: there, no later fetch would find it whole. */
function cacheOf({ url, shallow }: GitSource): string {
  const dir = join(
    xdgHome(process.env, 'CACHE'),
    'tsnix/git',
    createHash('sha256')
      .update(shallow ? `${url}\0shallow` : url, 'latin1')
      .digest('hex'),
  );
  if (!existsSync(join(dir, 'HEAD'))) {
    makeDirs(utf8(dir));
    git(['init', '--quiet', '--bare', dir]);
  }
  return dir;
}

/** Which commit a ref of another machine is. @throws StoreError */
function fetchRef(repo: readonly string[], source: CachedSource, ref: string): string {
  const { caching } = source;
  const url = fromUtf8(source.url);
  const depth = source.shallow ? ['--depth=1'] : [];
  const cache = cacheOf(source);
  // One for each ref: others may be fetching another one at the same time.
  const candidates = refCandidates(ref).map((remote) => {
    const local = `refs/tsnix/fetched-${createHash('sha256').update(remote).digest('hex')}`;
    return { remote, local, file: join(cache, local) };
  });
  const commitOf = (local: string): string => git([...repo, 'rev-parse', `${local}^{commit}`]).trim();
  for (const { local, file } of candidates) if (isYoung(file, caching.ttl)) return commitOf(local);
  for (const { remote, local, file } of candidates) {
    const result = runGit([...repo, 'fetch', '--quiet', '--force', ...depth, '--', url, `${remote}:${local}`]);
    const said = result.stderr.toString('latin1').trim();
    if (result.status === 0) {
      const now = new Date();
      // Git leaves the file alone where nothing has changed.
      if (existsSync(file)) utimesSync(file, now, now);
      return commitOf(local);
    }
    if (/couldn't find remote ref/.test(said)) continue;
    if (!existsSync(file)) throw new StoreError(`cannot fetch '${source.url}': ${said}`);
    caching.warn(
      `could not update local clone of Git repository '${source.url}'; continuing with the most recent version`,
    );
    return commitOf(local);
  }
  throw new StoreError(`cannot fetch '${source.url}': it has no ref '${ref}'`);
}

/** Written at most `ttl` seconds ago, and not in the future. */
function isYoung(file: string, ttl: number): boolean {
  const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity);
  return age >= 0 && age < ttl * 1000;
}

/** One commit. Servers that give out no single commits send all refs, or the one that is said to hold it. */
function fetchRev(repo: readonly string[], source: CachedSource, rev: string): void {
  const url = fromUtf8(source.url);
  const depth = source.shallow ? ['--depth=1'] : [];
  const one = runGit([...repo, 'fetch', '--quiet', ...depth, '--', url, `${rev}:refs/tsnix/${rev}`]);
  if (one.status === 0) return;
  // However young what is here: it has not got the commit.
  const now: CachedSource = { ...source, caching: { ...source.caching, ttl: 0 } };
  if (source.ref !== null && !source.allRefs) fetchRef(repo, now, source.ref);
  else git([...repo, 'fetch', '--quiet', '--force', '--', url, 'refs/*:refs/*']);
}

/** Names that .gitattributes (as of `indexFile`) marks export-ignore, of files and of directories above them. */
function exportIgnored(repo: readonly string[], files: readonly string[], indexFile?: string): Set<string> {
  return attributed(repo, files, 'export-ignore', 'set', indexFile);
}

/** Those of which an attribute has a value. */
function attributed(
  repo: readonly string[],
  files: readonly string[],
  attribute: string,
  value: string,
  indexFile?: string,
): Set<string> {
  const names = new Set(files);
  for (const file of files) {
    for (let slash = file.lastIndexOf('/'); slash > 0; slash = file.lastIndexOf('/', slash - 1))
      names.add(file.slice(0, slash));
  }
  const input = Buffer.from([...names].map((name) => `${name}\0`).join(''), 'latin1');
  const cached = indexFile === undefined ? [] : ['--cached'];
  const fields = git([...repo, 'check-attr', ...cached, '-z', '--stdin', attribute], input, indexFile).split('\0');
  const ignored = new Set<string>();
  for (let i = 0; i + 2 < fields.length; i += 3) if (fields[i + 2] === value) ignored.add(fields[i]!);
  return ignored;
}

function isIgnored(name: string, ignored: ReadonlySet<string>): boolean {
  if (ignored.size === 0) return false;
  for (let end = name.length; end > 0; end = name.lastIndexOf('/', end - 1)) {
    if (ignored.has(name.slice(0, end))) return true;
  }
  return false;
}

/** The place of a file below the target, its directories made. Git itself refuses `..` in trees; so do we. */
function prepare(target: string, name: string): Buffer {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git')) {
    throw new StoreError(`invalid file name '${name}' in a git tree`);
  }
  let dir = Buffer.from(target);
  for (const part of parts.slice(0, -1)) {
    dir = Buffer.concat([dir, Buffer.from(`/${part}`, 'latin1')]);
    const stat = lstatSync(dir, { throwIfNoEntry: false });
    if (stat === undefined) mkdirSync(dir);
    else if (!stat.isDirectory()) throw new StoreError(`'${name}' in a git tree lies below a file`);
  }
  return Buffer.concat([dir, Buffer.from(`/${parts.at(-1)!}`, 'latin1')]);
}

interface TreeEntry {
  readonly mode: string;
  readonly id: string;
  readonly name: string;
}

function exportTree(repo: readonly string[], rev: string, target: string, source: CachedSource, level: number): void {
  const entries: TreeEntry[] = [];
  for (const line of git([...repo, 'ls-tree', '-r', '-z', '--full-tree', rev]).split('\0')) {
    const [, mode, , id, name] = /^(\d+) (\w+) ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
    if (mode !== undefined) entries.push({ mode, id: id!, name: name! });
  }
  let kept: TreeEntry[] = entries;
  if (
    source.exportIgnore &&
    entries.some(({ name }) => name === '.gitattributes' || name.endsWith('/.gitattributes'))
  ) {
    const ignored = withAttributesOf(repo, rev, (indexFile) => exportIgnored(repo, namesOf(entries), indexFile));
    kept = entries.filter(({ name }) => !isIgnored(name, ignored));
  }
  const blobs = kept.filter(({ mode }) => mode !== GITLINK);
  const links = kept.filter(({ mode }) => mode === GITLINK);
  for (const { name } of links) mkdirSync(prepare(target, name));
  if (source.submodules && links.length > 0) {
    for (const { path, url, branch } of submodulesIn([...repo, 'config', '--blob', `${rev}:.gitmodules`])) {
      const link = links.find(({ name }) => name === path);
      if (link === undefined) continue;
      const from: CachedSource = {
        ...source,
        url: resolveSubmoduleUrl(url, originOf(repo, source)),
        ref: branch === '.' ? source.ref : branch,
        rev: link.id,
        allRefs: true,
        shallow: false,
        needsRef: false,
        signedBy: undefined,
      };
      checkOutInto(makeMountPoint(target, path), from, level + 1);
    }
  }
  for (let i = 0; i < blobs.length; i += BATCH) writeBlobs(repo, blobs.slice(i, i + BATCH), target);
  if (source.lfs === true) fetchLarge(repo, rev, blobs, target, source);
}

/** What Git LFS keeps elsewhere. */
function fetchLarge(
  repo: readonly string[],
  rev: string,
  blobs: readonly TreeEntry[],
  target: string,
  source: CachedSource,
): void {
  const files = namesOf(blobs.filter(({ mode }) => mode !== '120000'));
  const large = withAttributesOf(repo, rev, (indexFile) => attributed(repo, files, 'filter', 'lfs', indexFile));
  const here = files.filter((name) => large.has(name)).map((name) => ({ name, path: prepare(target, name) }));
  if (here.length === 0) return;
  const explicit = runGit([...repo, 'config', '--get', 'lfs.url']);
  const url = explicit.status === 0 ? explicit.stdout.toString('latin1').trim() : originOf(repo, source);
  smudge(here, url, source.caching.http?.());
}

function namesOf(entries: readonly TreeEntry[]): string[] {
  return entries.map(({ name }) => name);
}

/** What relative URLs of submodules are relative to. */
function originOf(repo: readonly string[], source: GitSource): string {
  const local = filePathOfUrl(source.url);
  if (local === null) return source.url;
  const origin = runGit([...repo, 'config', '--get', 'remote.origin.url']);
  return origin.status === 0 ? origin.stdout.toString('latin1').trim() : local;
}

/** Attributes as of a commit: read through an index of their own. */
function withAttributesOf<T>(repo: readonly string[], rev: string, use: (indexFile: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-index-'));
  const indexFile = join(dir, 'index');
  try {
    git([...repo, 'read-tree', rev], undefined, indexFile);
    return use(indexFile);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function writeBlobs(repo: readonly string[], entries: readonly TreeEntry[], target: string): void {
  const input = Buffer.from(entries.map(({ id }) => `${id}\n`).join(''));
  const result = runGit([...repo, 'cat-file', '--batch'], input);
  if (result.status !== 0) throw new StoreError(`cannot read git objects: ${result.stderr.toString('latin1').trim()}`);
  const out = result.stdout;
  let at = 0;
  for (const { mode, id, name } of entries) {
    const end = out.indexOf(10, at);
    const [found, type, size] = out.toString('latin1', at, end).split(' ');
    if (found !== id || type !== 'blob') throw new StoreError(`git object ${id} ('${name}') is missing or no file`);
    const contents = out.subarray(end + 1, end + 1 + Number(size));
    at = end + 1 + Number(size) + 1;
    const path = prepare(target, name);
    if (mode === '120000') symlinkSync(contents, path);
    else writeFileSync(path, contents, { flag: 'wx', mode: mode === '100755' ? 0o755 : 0o644 });
  }
}
