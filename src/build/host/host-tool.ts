// Describes a program of the host by its contents: every file that a self-contained copy of it is made of, with its
// sha256. lib/host.nix turns the description into derivations, so their hashes change exactly when the tool does;
// ../builtin/host-tool.ts makes the copy. Nothing is written here except the cache of descriptions.
import { posix } from 'node:path';
import type { HostFile, HostLibrary, HostTool, HostToolRequest, HostTree } from '../../util/host-tool.ts';
import { EvalError } from '../../util/errors.ts';
import { DescriptionCache } from './cache.ts';
import { ElfError, isElf } from './elf.ts';
import { HostFiles, type Look } from './host-files.ts';
import { LibraryFinder, type Asker, type LoaderFamily } from './libraries.ts';
import { listTree, hashTree } from './tree.ts';

export interface HostToolsOptions {
  /** Directory for descriptions, `~/.cache/tsnix`; null keeps none. */
  readonly cacheDir: string | null;
  /** PATH, searched after the system's own directories. */
  readonly searchPath: string;
}

/** First, so that neither node_modules/.bin nor a version manager's shims decide what a package is. */
const SYSTEM_DIRS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];

/** `#!INTERPRETER [ARGUMENT]`, as the kernel reads it (256 bytes). */
export function parseShebang(bytes: Buffer): { interpreter: string; argument: string } | null {
  if (bytes.length < 3 || bytes[0] !== 0x23 || bytes[1] !== 0x21) return null;
  const end = bytes.subarray(0, 256).indexOf(0x0a);
  const match = /^#![ \t]*([^ \t]+)(?:[ \t]+(.*?))?[ \t]*$/s.exec(
    bytes.toString('latin1', 0, end < 0 ? Math.min(bytes.length, 256) : end),
  );
  return match === null ? null : { interpreter: match[1]!, argument: match[2] ?? '' };
}

/** Name of the program that runs a script: `env` is looked through. */
function interpreterName(shebang: { interpreter: string; argument: string }): string {
  const name = posix.basename(shebang.interpreter);
  if (name !== 'env') return name;
  return shebang.argument.split(/[ \t]+/).find((word) => !word.startsWith('-') && !word.includes('=')) ?? name;
}

class Describer {
  readonly #files = new HostFiles();
  readonly #finder = new LibraryFinder(this.#files);
  readonly #request: HostToolRequest;
  readonly #dirs: readonly string[];
  readonly #libraries = new Map<string, HostLibrary>();
  /** Library file → its key. */
  readonly #keys = new Map<string, string>();
  /** Keys of those whose own libraries are being looked up. */
  readonly #open = new Set<string>();
  readonly #cyclic = new Set<string>();
  #loader: LoaderFamily | null = null;

  constructor(request: HostToolRequest, searchPath: string) {
    this.#request = request;
    this.#dirs = [...SYSTEM_DIRS, ...searchPath.split(':').filter((dir) => dir.startsWith('/'))];
  }

  get looks(): HostFiles['looks'] {
    return this.#files.looks;
  }

  #missing(what: string): EvalError {
    return new EvalError(`tsnix: the host has no '${what}'; install the Debian package ${this.#request.package}`);
  }

  /** `@multiarch@` is Debian's name of this machine's kind; `*` stands for any name, greatest first. */
  #candidates(patterns: readonly string[]): string[] {
    const expand = (dir: string, rest: readonly string[]): string[] => {
      const [first, ...others] = rest;
      if (first === undefined) return [dir];
      if (!first.includes('*')) return expand(`${dir}/${first}`, others);
      if (!this.#files.isDirectory(dir === '' ? '/' : dir)) return [];
      const regex = new RegExp(`^${first.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
      const names = this.#files.readDir(dir === '' ? '/' : dir).filter((name) => regex.test(name));
      return names.reverse().flatMap((name) => expand(`${dir}/${name}`, others));
    };
    const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
    return patterns.flatMap((pattern) => expand('', pattern.replaceAll('@multiarch@', multiarch).split('/').slice(1)));
  }

  #findProgram(name: string): string | undefined {
    for (const dir of this.#dirs) {
      const stats = this.#files.stat(posix.join(dir, name));
      if (stats?.isFile() === true && (stats.mode & 0o111n) !== 0n) return posix.join(dir, name);
    }
    return undefined;
  }

  /** Keys of the libraries that a file asks for, which are described too. */
  #needed(path: string): string[] {
    const elf = this.#finder.elf(path);
    if (elf.interpreter !== null) this.#useLoader(path);
    const keys = this.#librariesOf(path, null);
    // Libraries that ask for each other can't name each other's store paths: the program names them for all.
    return [...keys, ...[...this.#cyclic].filter((key) => !keys.includes(key))];
  }

  #librariesOf(path: string, parent: Asker | null): string[] {
    const keys: string[] = [];
    for (const library of this.#finder.direct(path, parent)) {
      let key = this.#keys.get(library.path);
      if (key === undefined) {
        // The same name for two files is rare (a private copy by RUNPATH); they must not become one.
        key = library.name;
        while (this.#libraries.has(key) || this.#open.has(key)) key += '+';
        this.#keys.set(library.path, key);
        this.#open.add(key);
        const asker = { path, elf: this.#finder.elf(path), parent };
        const needed = this.#librariesOf(library.path, asker);
        this.#open.delete(key);
        this.#libraries.set(key, {
          name: library.name,
          from: library.path,
          sha256: this.#files.hash(library.path),
          needed,
        });
      }
      if (this.#open.has(key)) this.#cyclic.add(key);
      else keys.push(key);
    }
    return keys;
  }

  #useLoader(path: string): void {
    const family = this.#finder.loaderFamily(path);
    if (this.#loader === null) this.#loader = family;
    else if (this.#loader.loader !== family.loader) {
      throw new ElfError(`${path} wants the loader ${family.loader}, others of the same tool ${this.#loader.loader}`);
    }
  }

  #file(to: string, path: string): HostFile {
    const from = this.#files.realPath(path);
    const bytes = this.#files.read(from);
    const sha256 = this.#files.hash(from);
    const executable = (this.#files.stat(from)!.mode & 0o111n) !== 0n;
    if (isElf(bytes)) {
      const needed = this.#needed(from);
      const kind = this.#finder.elf(from).dynamic.length === 0 ? 'data' : 'elf';
      return { to, from, sha256, executable, kind, needed, interpreter: null };
    }
    const shebang = executable ? parseShebang(bytes) : null;
    if (shebang === null) return { to, from, sha256, executable, kind: 'data', needed: [], interpreter: null };
    return { to, from, sha256, executable, kind: 'script', needed: [], interpreter: interpreterName(shebang) };
  }

  #tree(wanted: HostToolRequest['trees'][number]): HostTree | null {
    const from = this.#candidates(wanted.from).find((dir) => this.#files.isDirectory(dir));
    if (from === undefined) {
      if (wanted.optional) return null;
      throw this.#missing(wanted.from[0] ?? wanted.to);
    }
    const entries = listTree(this.#files, from, wanted.exclude);
    const sha256 = hashTree(this.#files, entries);
    // Programs inside must find loader and libraries too.
    const files = entries.flatMap((entry) => {
      if (entry.kind !== 'file') return [];
      const library = /\.so(\.|$)/.test(entry.path);
      if (!entry.executable && !library) return [];
      const file = this.#file(entry.path, entry.source);
      return file.kind === 'data' ? [] : [file];
    });
    return { to: wanted.to, from, sha256, exclude: wanted.exclude, files };
  }

  describe(): HostTool {
    const request = this.#request;
    const files: HostFile[] = [];
    for (const name of request.programs) {
      const path = this.#findProgram(name);
      if (path === undefined) throw this.#missing(name);
      files.push(this.#file(`bin/${name}`, path));
    }
    for (const name of request.optional) {
      const path = this.#findProgram(name);
      if (path !== undefined) files.push(this.#file(`bin/${name}`, path));
    }
    for (const { to, from } of request.files) {
      const path = this.#candidates(from).find((candidate) => this.#files.isFile(candidate));
      if (path === undefined) throw this.#missing(from[0] ?? to);
      files.push(this.#file(to, path));
    }
    const trees = request.trees.map((tree) => this.#tree(tree)).filter((tree) => tree !== null);
    const loader = this.#loader;
    return {
      files,
      trees,
      libraries: Object.fromEntries(this.#libraries),
      loader:
        loader === null
          ? null
          : {
              name: loader.loader,
              files: loader.files.map(({ name, path }) => ({ name, from: path, sha256: this.#files.hash(path) })),
            },
    };
  }
}

/** The `hostTool` of an EvalIo: describes host programs, from the cache where nothing has changed. */
export class HostTools {
  readonly #options: HostToolsOptions;
  readonly #cache: DescriptionCache | null;
  readonly #known = new Map<string, HostTool | null>();

  constructor(options: HostToolsOptions) {
    this.#options = options;
    this.#cache = options.cacheDir === null ? null : new DescriptionCache(posix.join(options.cacheDir, 'host-tools'));
  }

  #key(request: HostToolRequest): string {
    return JSON.stringify([request, this.#options.searchPath]);
  }

  /** What the answer to a request depends on; undefined where that is not kept. */
  looks(request: HostToolRequest): readonly Look[] | undefined {
    return this.#cache?.looks(this.#key(request));
  }

  /**
   * Null where the host lacks a program and the request says that it need not have it.
   * @throws EvalError naming the Debian package to install; ElfError for a program that can't be copied
   */
  hostTool(request: HostToolRequest): HostTool | null {
    const key = this.#key(request);
    let tool = this.#known.has(key) ? this.#known.get(key) : this.#cache?.get(key);
    if (tool === undefined) {
      const describer = new Describer(request, this.#options.searchPath);
      try {
        tool = describer.describe();
      } catch (error) {
        if (!(error instanceof EvalError) || request.required) throw error;
        tool = null;
      }
      this.#cache?.set(key, tool, describer.looks);
    }
    this.#known.set(key, tool);
    return tool;
  }
}
