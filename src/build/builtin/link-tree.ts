// A tree of symlinks to packages: user environments, profiles, buildEnv. A directory that only one package has is one
// symlink; where several have it, a real directory with the links of all. Smaller priorities win; equal ones that
// collide are an error.
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { fromBuffer, fsPath } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import { words } from './job-files.ts';

export interface EnvPackage {
  /** Logical path. */
  readonly path: string;
  readonly priority: number;
}

/** The packages' files by their logical paths. */
export interface PackageFiles {
  /** Where a path really lies, symlinks followed; undefined where there is nothing. */
  realPath(path: string): string | undefined;
  /** The logical path, free of symlinks. */
  resolve(path: string): string | undefined;
}

export interface LinkTreeOptions {
  readonly files: PackageFiles;
  /** An empty directory on this machine. */
  readonly out: string;
  /** What messages call it; default: `out`. */
  readonly shownOut?: string;
  /** Of two files with one priority the first stays. */
  readonly ignoreCollisions?: boolean;
  /** As nixpkgs' buildEnv: links go through links of the packages, and what is no directory is an error. */
  readonly asBuildEnv?: boolean;
  readonly warn: (message: string) => void;
}

/** Two files of one name and one priority. */
export class EnvConflictError extends BuildError {
  readonly fileA: string;
  readonly fileB: string;
  readonly priority: number;
  constructor(fileA: string, fileB: string, priority: number) {
    super(`Unable to build profile. There is a conflict for the following files:\n\n  "${fileA}"\n  "${fileB}"`);
    this.fileA = fileA;
    this.fileB = fileB;
    this.priority = priority;
  }
}

/** Not part of a profile. */
const HIDDEN = /\/(propagated-build-inputs|nix-support|perllocal\.pod|info\/dir|log|manifest\.nix|manifest\.json)$/;

/** Of packages that others propagate: behind all that were chosen. */
const FIRST_PROPAGATED_PRIORITY = 1000;

export class LinkTree {
  readonly #options: LinkTreeOptions;
  readonly #files: PackageFiles;
  /** Of the packages whose links lie in the output, by path of the link. */
  readonly #priorities = new Map<string, number>();
  readonly #done = new Set<string>();
  #postponed = new Set<string>();

  constructor(options: LinkTreeOptions) {
    this.#options = options;
    this.#files = options.files;
  }

  /**
   * @param subDirs parts of packages to link, '' for all
   * @throws EnvConflictError, BuildError
   */
  build(packages: readonly EnvPackage[], subDirs: readonly string[] = ['']): void {
    const sorted = packages.toSorted((a, b) => a.priority - b.priority || (a.path < b.path ? -1 : 1));
    for (const { path, priority } of sorted) this.#package(path, priority, subDirs);
    // Packages that the chosen ones propagate come last, each behind the one before.
    let priority = FIRST_PROPAGATED_PRIORITY;
    while (this.#postponed.size > 0) {
      const now = [...this.#postponed].sort();
      this.#postponed = new Set();
      for (const path of now) this.#package(path, priority++, subDirs);
    }
  }

  #isDirectory(path: string): boolean {
    const real = this.#files.realPath(path);
    return real !== undefined && statSync(fsPath(real)).isDirectory();
  }

  #shown(target: string): string {
    const { out, shownOut = out } = this.#options;
    return shownOut + target.slice(out.length);
  }

  #link(source: string, target: string, priority: number): void {
    symlinkSync(fsPath(source), fsPath(target));
    this.#priorities.set(target, priority);
  }

  #directory(source: string, target: string, priority: number): void {
    const real = this.#files.realPath(source);
    if (real === undefined) throw new BuildError(`reading directory "${source}": No such file or directory`);
    if (!statSync(fsPath(real)).isDirectory()) {
      if (this.#options.asBuildEnv === true) throw new BuildError(`'${source}' is not a directory`);
      this.#options.warn(`not including "${source}" in the user environment because it's not a directory`);
      return;
    }
    for (const name of readdirSync(fsPath(real), 'latin1').sort()) {
      const from = `${source}/${name}`;
      const to = `${target}/${name}`;
      if (name.startsWith('.')) continue;
      if (this.#files.realPath(from) === undefined) {
        this.#options.warn(`skipping dangling symlink '${this.#shown(to)}'`);
        continue;
      }
      if (HIDDEN.test(from)) continue;
      const existing = lstatSync(fsPath(to), { throwIfNoEntry: false });
      if (this.#isDirectory(from)) {
        if (existing === undefined) this.#link(from, to, priority);
        else if (existing.isDirectory()) this.#directory(from, to, priority);
        else this.#openLink(from, to, priority);
      } else {
        this.#file(from, to, priority, existing !== undefined, existing?.isDirectory() === true);
      }
    }
  }

  /** A directory that was one link so far becomes a real one with the links of both packages. */
  #openLink(from: string, to: string, priority: number): void {
    const link = readlinkSync(fsPath(to), 'latin1');
    const target = this.#options.asBuildEnv === true ? link : (this.#files.resolve(link) ?? link);
    if (!this.#isDirectory(target)) throw new BuildError(`collision between "${from}" and non-directory "${target}"`);
    const earlier = this.#priorities.get(to) ?? priority;
    unlinkSync(fsPath(to));
    mkdirSync(fsPath(to));
    this.#directory(target, to, earlier);
    this.#directory(from, to, priority);
  }

  #file(from: string, to: string, priority: number, exists: boolean, isDirectory: boolean): void {
    if (exists) {
      if (isDirectory) {
        throw new BuildError(`collision between non-directory '${from}' and directory '${this.#shown(to)}'`);
      }
      const earlier = this.#priorities.get(to) ?? priority;
      if (earlier === priority && this.#options.ignoreCollisions !== true) {
        throw new EnvConflictError(readlinkSync(fsPath(to), 'latin1'), from, priority);
      }
      if (earlier <= priority) return;
      unlinkSync(fsPath(to));
    }
    this.#link(from, to, priority);
  }

  #package(path: string, priority: number, subDirs: readonly string[]): void {
    if (this.#done.has(path)) return;
    this.#done.add(path);
    const { out } = this.#options;
    for (const sub of subDirs) {
      if (sub === '') this.#directory(path, out, priority);
      else if (this.#isDirectory(`${path}/${sub}`)) {
        mkdirSync(fsPath(`${out}/${sub}`), { recursive: true });
        this.#directory(`${path}/${sub}`, `${out}/${sub}`, priority);
      }
    }
    const propagated = this.#files.realPath(`${path}/nix-support/propagated-user-env-packages`);
    if (propagated !== undefined) {
      for (const other of words(fromBuffer(readFileSync(fsPath(propagated))))) {
        if (!this.#done.has(other)) this.#postponed.add(other);
      }
    }
  }
}
