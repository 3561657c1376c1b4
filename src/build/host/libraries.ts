// Which library files a program loads, found as ld.so finds them (ld.so(8)): DT_RPATH up the chain of those that ask,
// DT_RUNPATH, ld.so.cache, then the directories. LD_LIBRARY_PATH is not looked at: the result is to be the host's,
// not this shell's.
import { posix } from 'node:path';
import { fromBuffer } from '../../util/bytes.ts';
import { EM_AARCH64, EM_X86_64, ElfError, isElf, parseElf, type ElfFile } from './elf.ts';
import type { HostFiles } from './host-files.ts';
import { defaultLibraryDirs, parseLdCache, parseLdConf } from './ld-cache.ts';

/** Libraries that belong to the loader: they only work with exactly this loader, so they travel together. */
const LOADER_FAMILY = new Set([
  'libc.so.6',
  'libm.so.6',
  'libpthread.so.0',
  'libdl.so.2',
  'librt.so.1',
  'libresolv.so.2',
  'libutil.so.1',
  'libanl.so.1',
  'libnss_compat.so.2',
  'libnss_files.so.2',
  'libnss_dns.so.2',
]);

export interface Library {
  /** The name it is asked for by (DT_NEEDED). */
  readonly name: string;
  /** The file, without symlinks. */
  readonly path: string;
  readonly elf: ElfFile;
}

export interface LoaderFamily {
  /** File name of the loader: `ld-linux-x86-64.so.2`. */
  readonly loader: string;
  readonly files: readonly { readonly name: string; readonly path: string }[];
}

/** Who asks for a library, and who asked for that. */
export interface Asker {
  readonly path: string;
  readonly elf: ElfFile;
  readonly parent: Asker | null;
}

function multiarchOf(machine: number): string {
  if (machine === EM_X86_64) return 'x86_64-linux-gnu';
  if (machine === EM_AARCH64) return 'aarch64-linux-gnu';
  throw new ElfError(`programs for ELF machine ${machine} are not supported`);
}

function expand(list: string | null, asker: Asker, multiarch: string): string[] {
  if (list === null) return [];
  const origin = posix.dirname(asker.path);
  return list
    .split(':')
    .filter((dir) => dir !== '')
    .map((dir) =>
      dir
        .replaceAll(/\$ORIGIN|\$\{ORIGIN\}/g, () => origin)
        .replaceAll(/\$LIB|\$\{LIB\}/g, () => `lib/${multiarch}`)
        .replaceAll(/\$PLATFORM|\$\{PLATFORM\}/g, () => (multiarch.startsWith('x86') ? 'x86_64' : 'aarch64')),
    );
}

export class LibraryFinder {
  readonly #files: HostFiles;
  readonly #elfs = new Map<string, ElfFile>();
  #cache: Map<string, string[]> | undefined;
  #confDirs: string[] | undefined;

  constructor(files: HostFiles) {
    this.#files = files;
  }

  /** @throws ElfError with the file's name */
  elf(path: string): ElfFile {
    let elf = this.#elfs.get(path);
    if (elf === undefined) {
      try {
        elf = parseElf(this.#files.read(path));
      } catch (error) {
        throw error instanceof ElfError ? new ElfError(`${path}: ${error.message}`) : error;
      }
      this.#elfs.set(path, elf);
    }
    return elf;
  }

  /** The libraries that `path` asks for itself, by name. The loader's family is left out. */
  direct(path: string, parent: Asker | null = null): Library[] {
    const elf = this.elf(path);
    const asker: Asker = { path, elf, parent };
    return elf.needed.filter((name) => !this.isLoaderFamily(name)).map((name) => this.find(name, asker));
  }

  isLoaderFamily(name: string): boolean {
    return LOADER_FAMILY.has(name) || /^ld-(linux|musl)|^libc\.musl-/.test(name);
  }

  /** @throws ElfError where there is none for this machine type */
  find(name: string, asker: Asker): Library {
    const { machine } = asker.elf;
    for (const candidate of this.#candidates(name, asker)) {
      if (!this.#files.isFile(candidate)) continue;
      const path = this.#files.realPath(candidate);
      if (!isElf(this.#files.read(path))) continue;
      const elf = this.elf(path);
      if (elf.machine === machine) return { name, path, elf };
    }
    throw new ElfError(`${asker.path} needs the library ${name}, which the host does not have`);
  }

  *#candidates(name: string, asker: Asker): Generator<string> {
    if (name.includes('/')) {
      yield name;
      return;
    }
    const multiarch = multiarchOf(asker.elf.machine);
    if (asker.elf.runpath === null) {
      for (let at: Asker | null = asker; at !== null; at = at.parent) {
        if (at.elf.runpath !== null) continue;
        for (const dir of expand(at.elf.rpath, at, multiarch)) yield posix.join(dir, name);
      }
    }
    for (const dir of expand(asker.elf.runpath, asker, multiarch)) yield posix.join(dir, name);
    yield* this.#ldCache().get(name) ?? [];
    for (const dir of this.#ldConfDirs()) yield posix.join(dir, name);
    for (const dir of defaultLibraryDirs(multiarch)) yield posix.join(dir, name);
  }

  #ldCache(): Map<string, string[]> {
    if (this.#cache === undefined) {
      this.#cache = new Map();
      const path = '/etc/ld.so.cache';
      try {
        if (this.#files.isFile(path)) this.#cache = parseLdCache(this.#files.read(path));
      } catch (error) {
        // an older or foreign cache: the directories say the same
        if (!(error instanceof ElfError)) throw error;
      }
    }
    return this.#cache;
  }

  #ldConfDirs(): string[] {
    if (this.#confDirs === undefined) {
      const read = (path: string): string => (this.#files.isFile(path) ? fromBuffer(this.#files.read(path)) : '');
      this.#confDirs = parseLdConf(read('/etc/ld.so.conf'), (pattern) => {
        const absolute = posix.resolve('/etc', pattern);
        const dir = posix.dirname(absolute);
        if (!this.#files.isDirectory(dir)) return [];
        const name = new RegExp(
          `^${posix
            .basename(absolute)
            .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
            .replaceAll('*', '.*')
            .replaceAll('?', '.')}$`,
        );
        return this.#files
          .readDir(dir)
          .filter((entry) => name.test(entry))
          .map((entry) => read(posix.join(dir, entry)));
      });
    }
    return this.#confDirs;
  }

  /** The loader that `elf` names, with those of its family that lie beside the C library. */
  loaderFamily(path: string): LoaderFamily {
    const elf = this.elf(path);
    const { interpreter } = elf;
    if (interpreter === null) throw new ElfError(`${path} names no loader`);
    const loader = posix.basename(interpreter);
    const loaderPath = this.#files.realPath(interpreter);
    const files = [{ name: loader, path: loaderPath }];
    if (loader.startsWith('ld-musl')) {
      // musl's loader is its C library too.
      const libc = elf.needed.find((name) => name.startsWith('libc.'));
      return { loader, files: libc === undefined ? files : [...files, { name: libc, path: loaderPath }] };
    }
    const libc = this.find('libc.so.6', { path, elf, parent: null });
    const dir = posix.dirname(libc.path);
    for (const name of LOADER_FAMILY) {
      const candidate = posix.join(dir, name);
      if (this.#files.isFile(candidate)) files.push({ name, path: this.#files.realPath(candidate) });
    }
    return { loader, files };
  }
}
