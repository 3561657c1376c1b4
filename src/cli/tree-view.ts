// A file system object to look at by paths in it: one on disk, or one in a NAR file (read once, contents left where
// they are).
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { ioError } from '../store/nar-dump.ts';
import { NarParser, type NarVisitor } from '../store/nar-parse.ts';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';

export type TreeEntry =
  | { readonly type: 'regular'; readonly size: number; readonly executable: boolean; readonly narOffset?: number }
  | { readonly type: 'directory' }
  | { readonly type: 'symlink'; readonly target: string };

/** Paths are '' for the root, else `/a/b`; byte strings. */
export interface TreeView {
  /** @throws StoreError where there is none */
  entry(path: string): TreeEntry;
  /** Names in a directory, sorted. */
  names(path: string): readonly string[];
  /** Contents of a regular file; chunks are valid during the call. */
  read(path: string, sink: (chunk: Buffer) => void): void;
}

export class DiskTree implements TreeView {
  private readonly root: string;
  /** How the root is called in messages. */
  private readonly label: string;

  constructor(root: string, label = root) {
    this.root = root;
    this.label = label;
  }

  entry(path: string): TreeEntry {
    const file = fsPath(this.root + path);
    const stat = lstatSync(file, { throwIfNoEntry: false });
    if (stat === undefined) throw new StoreError(`path '${this.label}${path}' does not exist`);
    if (stat.isDirectory()) return { type: 'directory' };
    if (stat.isSymbolicLink()) return { type: 'symlink', target: readlinkSync(file, { encoding: 'latin1' }) };
    return { type: 'regular', size: stat.size, executable: (stat.mode & 0o100) !== 0 };
  }

  names(path: string): string[] {
    return readdirSync(fsPath(this.root + path), { encoding: 'latin1' }).sort();
  }

  read(path: string, sink: (chunk: Buffer) => void): void {
    readRange(this.root + path, 0, Infinity, sink);
  }
}

const padded = (length: number): number => (length + 7) & ~7;
/** Bytes of a token. */
const token = (text: string): number => 8 + padded(text.length);
const total = (...texts: string[]): number => texts.reduce((sum, text) => sum + token(text), 0);

/** Notes every entry, and where in the archive contents start. */
class Indexer implements NarVisitor {
  readonly entries = new Map<string, TreeEntry>();
  readonly names = new Map<string, string[]>();
  private readonly open: string[] = [];
  private offset = token('nix-archive-1');
  private closing = 0;

  private start(name: string): string {
    const parent = this.open.at(-1);
    if (parent === undefined) return '';
    this.names.get(parent)!.push(name);
    this.offset += total('entry', '(', 'name', name, 'node');
    return `${parent}/${name}`;
  }

  private end(): void {
    this.offset += token(')') + (this.open.length > 0 ? token(')') : 0);
  }

  enterDirectory(name: string): void {
    const path = this.start(name);
    this.offset += total('(', 'type', 'directory');
    this.entries.set(path, { type: 'directory' });
    this.names.set(path, []);
    this.open.push(path);
  }

  leaveDirectory(): void {
    this.open.pop();
    this.end();
  }

  enterFile(name: string, executable: boolean, size: number): void {
    const path = this.start(name);
    this.offset += total('(', 'type', 'regular', ...(executable ? ['executable', ''] : []), 'contents') + 8;
    this.entries.set(path, { type: 'regular', size, executable, narOffset: this.offset });
    this.closing = padded(size);
  }

  contents(): void {
    // left where they are
  }

  leaveFile(): void {
    this.offset += this.closing;
    this.end();
  }

  symlink(name: string, target: string): void {
    const path = this.start(name);
    this.offset += total('(', 'type', 'symlink', 'target', target);
    this.entries.set(path, { type: 'symlink', target });
    this.end();
  }
}

export class NarTree implements TreeView {
  private readonly file: string;
  private readonly index = new Indexer();

  /** @throws StoreError, CorruptNarError */
  constructor(file: string) {
    this.file = file;
    const parser = new NarParser(this.index);
    readRange(file, 0, Infinity, (chunk) => {
      parser.writeAll(chunk);
    });
    parser.end();
  }

  entry(path: string): TreeEntry {
    const entry = this.index.entries.get(path);
    if (entry === undefined) throw new StoreError(`NAR file does not contain path '${path === '' ? '/' : path}'`);
    return entry;
  }

  names(path: string): readonly string[] {
    return this.index.names.get(path) ?? [];
  }

  read(path: string, sink: (chunk: Buffer) => void): void {
    const entry = this.entry(path);
    if (entry.type === 'regular') readRange(this.file, entry.narOffset!, entry.size, sink);
  }
}

/**
 * Finds one regular file in a NAR while the archive is read, which may come through a pipe.
 * @throws StoreError where there is none, CorruptNarError
 */
export function readFromNar(file: string, path: string, sink: (chunk: Uint8Array) => void): void {
  const finder = new FileFinder(path, sink);
  const parser = new NarParser(finder);
  readRange(file, 0, Infinity, (chunk) => {
    parser.writeAll(chunk);
  });
  parser.end();
  if (!finder.found) throw new StoreError(`NAR does not contain regular file '${path === '' ? '/' : path}'`);
}

class FileFinder implements NarVisitor {
  found = false;
  private readonly open: string[] = [];
  private inside = false;
  private readonly wanted: string;
  private readonly sink: (chunk: Uint8Array) => void;

  constructor(wanted: string, sink: (chunk: Uint8Array) => void) {
    this.wanted = wanted;
    this.sink = sink;
  }

  private pathOf(name: string): string {
    const parent = this.open.at(-1);
    return parent === undefined ? '' : `${parent}/${name}`;
  }

  enterDirectory(name: string): void {
    this.open.push(this.pathOf(name));
  }

  leaveDirectory(): void {
    this.open.pop();
  }

  enterFile(name: string): void {
    this.inside = this.pathOf(name) === this.wanted;
    this.found ||= this.inside;
  }

  contents(chunk: Uint8Array): void {
    if (this.inside) this.sink(chunk);
  }

  leaveFile(): void {
    this.inside = false;
  }

  symlink(): void {
    // no contents
  }
}

function readRange(file: string, start: number, length: number, sink: (chunk: Buffer) => void): void {
  let fd: number;
  try {
    fd = openSync(fsPath(file), 'r');
  } catch (error) {
    throw ioError('opening file', file, error);
  }
  try {
    const buffer = Buffer.allocUnsafeSlow(256 * 1024);
    // A pipe can be read from its start only.
    let position = start === 0 ? null : start;
    for (let left = length; left > 0;) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, left), position);
      if (count === 0) break;
      sink(buffer.subarray(0, count));
      if (position !== null) position += count;
      left -= count;
    }
  } catch (error) {
    throw ioError('reading file', file, error);
  } finally {
    closeSync(fd);
  }
}
