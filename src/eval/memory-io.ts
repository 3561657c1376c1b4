// EvalIo without a machine: files are a map, store paths are only computed. For tests and for embedding the evaluator
// where there is no file system. Nothing here needs more of Node than hashes.
import { hashBytes, hashString } from '../store/hash.ts';
import { defaultStoreDir, makeFixedOutputPath, makeTextPath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { toBuffer } from '../util/bytes.ts';
import { EvalError, NotImplementedError, StoreError } from '../util/errors.ts';
import { followSymlinks } from './follow-symlinks.ts';
import { internalFiles, isInternalPath } from './internal-files.ts';
import type { AddPathOptions, EvalIo, FetchedFile, FileType } from './io.ts';
import { canonicalPath } from './search-path.ts';

/** Contents of a file (byte string), or something else than a plain file. Directories exist by what they hold. */
export type MemoryFile =
  | string
  | { readonly contents: string; readonly executable: true }
  | { readonly symlink: string }
  | { readonly directory: true };

export interface MemoryEvalIoOptions {
  /** Absolute path → what is there. */
  readonly files?: Readonly<Record<string, MemoryFile>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly storeDir?: string;
  readonly system?: string;
  /** Unix seconds. */
  readonly currentTime?: number;
  /** What relative search path entries are relative to. */
  readonly cwd?: string;
  readonly log?: (line: string) => void;
}

type Node =
  | { readonly kind: 'directory'; readonly entries: Map<string, Node> }
  | { readonly kind: 'regular'; readonly contents: string; readonly executable: boolean }
  | { readonly kind: 'symlink'; readonly target: string };

export class MemoryEvalIo implements EvalIo {
  readonly storeDir: string;
  readonly system: string;
  readonly currentTime: number;
  /** Lines of `trace:` and `warning:`. */
  readonly lines: string[] = [];
  private readonly options: MemoryEvalIoOptions;
  private readonly root: Node = { kind: 'directory', entries: new Map() };
  private readonly objects = new Map<string, readonly string[]>();

  constructor(options: MemoryEvalIoOptions = {}) {
    this.options = options;
    this.storeDir = options.storeDir ?? defaultStoreDir;
    this.system = options.system ?? 'x86_64-linux';
    this.currentTime = options.currentTime ?? 0;
    for (const [path, file] of Object.entries(options.files ?? {})) this.put(canonicalPath(path), nodeOf(file));
  }

  private put(path: string, node: Node): void {
    let at = this.root;
    const parts = path.split('/').filter((part) => part !== '');
    const last = parts.pop();
    for (const part of parts) {
      if (at.kind !== 'directory') throw new EvalError(`'${path}' lies below a file`);
      let next = at.entries.get(part);
      if (next === undefined) at.entries.set(part, (next = { kind: 'directory', entries: new Map() }));
      at = next;
    }
    if (at.kind !== 'directory') throw new EvalError(`'${path}' lies below a file`);
    if (last !== undefined && !(node.kind === 'directory' && at.entries.has(last))) at.entries.set(last, node);
  }

  /** What lies at a canonical path; symlinks above it are not followed. */
  private find(path: string): Node | null {
    let at: Node | undefined = this.root;
    for (const part of path.split('/')) {
      if (part === '') continue;
      if (at?.kind !== 'directory') return null;
      at = at.entries.get(part);
    }
    return at ?? null;
  }

  private get(path: string): Node {
    const node = this.find(this.realPath(path));
    if (node === null) throw new EvalError(`path '${path}' does not exist`);
    return node;
  }

  readFile(path: string): string {
    const internal = internalFiles.get(path);
    if (internal !== undefined) return internal;
    const node = this.get(path);
    if (node.kind !== 'regular') throw new EvalError(`file '${path}' is not a regular file`);
    return node.contents;
  }

  readDir(path: string): readonly (readonly [string, FileType])[] {
    const node = this.get(path);
    if (node.kind !== 'directory') throw new EvalError(`'${path}' is not a directory`);
    return [...node.entries].map(([name, entry]) => [name, entry.kind]);
  }

  fileType(path: string): FileType | null {
    if (isInternalPath(path)) return internalFiles.has(path) ? 'regular' : null;
    return this.find(path)?.kind ?? null;
  }

  readLink(path: string): string {
    const node = this.find(path);
    if (node?.kind !== 'symlink') throw new EvalError(`file '${path}' is not a symlink`);
    return node.target;
  }

  realPath(path: string): string {
    if (isInternalPath(path)) return path;
    return followSymlinks(path, (at) => {
      const node = this.find(at);
      return node?.kind === 'symlink' ? node.target : undefined;
    });
  }

  absolutePath(path: string): string {
    return canonicalPath(`${this.options.cwd ?? ''}/${path}`);
  }

  getEnv(name: string): string | undefined {
    const env = this.options.env ?? {};
    return Object.hasOwn(env, name) ? env[name] : undefined;
  }

  addText(name: string, contents: string, references: readonly string[]): string {
    const refs = references as readonly StorePath[];
    const path = makeTextPath(name, hashString('sha256', contents), refs, this.storeDir);
    this.put(path, { kind: 'regular', contents, executable: false });
    this.objects.set(path, [...new Set(references)].sort());
    return path;
  }

  addPath(path: string, { name, method, filter, sha256, references = [] }: AddPathOptions): string {
    const node = this.find(path);
    if (node === null) throw new EvalError(`path '${path}' does not exist`);
    const kept = filter === undefined ? node : filterNode(node, path, filter);
    let bytes: Uint8Array;
    if (method === 'flat') {
      if (kept.kind !== 'regular') throw new StoreError(`path '${path}' is not a regular file`);
      bytes = toBuffer(kept.contents);
    } else {
      const parts: Buffer[] = [];
      narString(parts, 'nix-archive-1');
      narNode(parts, kept);
      bytes = Buffer.concat(parts);
    }
    const fixed = { name, method, algorithm: 'sha256' as const, references: references as readonly StorePath[] };
    const added = makeFixedOutputPath({ ...fixed, hash: hashBytes('sha256', bytes) }, this.storeDir);
    if (sha256 !== undefined && added !== makeFixedOutputPath({ ...fixed, hash: sha256 }, this.storeDir)) {
      throw new EvalError(`store path mismatch in (possibly filtered) path added from '${path}'`);
    }
    this.put(added, kept);
    this.objects.set(added, references);
    return added;
  }

  addDerivation(name: string, aterm: string, references: readonly string[]): string {
    return this.addText(`${name}.drv`, aterm, references);
  }

  hasDerivation(drvPath: string): boolean {
    return this.isValidPath(drvPath);
  }

  readDerivation(drvPath: string): string {
    this.ensurePath(drvPath);
    return this.readFile(drvPath);
  }

  isValidPath(storePath: string): boolean {
    return this.objects.has(storePath);
  }

  ensurePath(storePath: string): void {
    if (!this.isValidPath(storePath)) throw new StoreError(`path '${storePath}' is not valid`);
  }

  references(storePath: string): readonly string[] {
    return this.objects.get(storePath) ?? [];
  }

  closure(storePath: string): readonly string[] {
    const seen = new Set<string>([storePath]);
    for (const path of seen) {
      this.ensurePath(path);
      for (const reference of this.references(path)) seen.add(reference);
    }
    return [...seen];
  }

  realise(): never {
    throw new EvalError('cannot build derivations during evaluation: there is no store to build in');
  }

  fetchUrl({ url }: { url: string }): FetchedFile {
    throw new NotImplementedError(`fetching '${url}' without a store`);
  }

  log(line: string): void {
    if (this.options.log === undefined) this.lines.push(line);
    else this.options.log(line);
  }
}

function nodeOf(file: MemoryFile): Node {
  if (typeof file === 'string') return { kind: 'regular', contents: file, executable: false };
  if ('symlink' in file) return { kind: 'symlink', target: file.symlink };
  if ('directory' in file) return { kind: 'directory', entries: new Map() };
  return { kind: 'regular', contents: file.contents, executable: true };
}

function filterNode(node: Node, path: string, filter: NonNullable<AddPathOptions['filter']>): Node {
  if (node.kind !== 'directory') return node;
  const entries = new Map<string, Node>();
  for (const name of [...node.entries.keys()].sort()) {
    const entry = node.entries.get(name)!;
    if (filter(`${path}/${name}`, entry.kind)) entries.set(name, filterNode(entry, `${path}/${name}`, filter));
  }
  return { kind: 'directory', entries };
}

function narString(parts: Buffer[], text: string): void {
  const length = Buffer.alloc(8);
  length.writeUInt32LE(text.length);
  parts.push(length, toBuffer(text), Buffer.alloc(-text.length & 7));
}

function narNode(parts: Buffer[], node: Node): void {
  const strings = (...texts: readonly string[]): void => {
    for (const text of texts) narString(parts, text);
  };
  strings('(', 'type', node.kind);
  if (node.kind === 'symlink') strings('target', node.target);
  else if (node.kind === 'regular') {
    if (node.executable) strings('executable', '');
    strings('contents', node.contents);
  } else {
    for (const name of [...node.entries.keys()].sort()) {
      strings('entry', '(', 'name', name, 'node');
      narNode(parts, node.entries.get(name)!);
      strings(')');
    }
  }
  strings(')');
}
