// builtin:buildenv (Nix's own, for user environments) and builtin:tsnix-build-env (buildEnv): a tree of symlinks to
// packages. A directory that only one package has is one symlink; where several have it, a real directory with the
// links of all. Smaller priorities win; equal ones that collide are an error.
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
import type { BuiltinJob } from '../builtin-builder.ts';
import { checkInside, flag, InputFiles, onlyOutput, wanted, words } from './job-files.ts';

export interface EnvPackage {
  /** Logical path. */
  readonly path: string;
  readonly priority: number;
}

/** Not part of a profile. */
const HIDDEN = /\/(propagated-build-inputs|nix-support|perllocal\.pod|info\/dir|log|manifest\.nix|manifest\.json)$/;

class EnvBuilder {
  readonly #job: BuiltinJob;
  readonly #files: InputFiles;
  readonly #out: string;
  readonly #ignoreCollisions: boolean;
  /** Of the packages whose links lie in the output, by path of the link. */
  readonly #priorities = new Map<string, number>();
  readonly #done = new Set<string>();
  #postponed = new Set<string>();

  constructor(job: BuiltinJob, out: string, roots: readonly string[], ignoreCollisions: boolean) {
    this.#job = job;
    this.#out = out;
    this.#files = new InputFiles(job, roots);
    this.#ignoreCollisions = ignoreCollisions;
  }

  #isDirectory(path: string): boolean {
    const real = this.#files.realPath(path);
    return real !== undefined && statSync(fsPath(real)).isDirectory();
  }

  #link(source: string, target: string, priority: number): void {
    symlinkSync(fsPath(source), fsPath(target));
    this.#priorities.set(target, priority);
  }

  #directory(source: string, target: string, priority: number): void {
    const real = this.#files.realPath(source);
    if (real === undefined) throw new BuildError(`'${source}' is not a directory`);
    for (const name of readdirSync(fsPath(real), 'latin1').sort()) {
      const from = `${source}/${name}`;
      const to = `${target}/${name}`;
      if (name.startsWith('.') || HIDDEN.test(from)) continue;
      if (this.#files.realPath(from) === undefined) {
        this.#job.log(`warning: skipping dangling symlink '${from}'`);
        continue;
      }
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
    const target = readlinkSync(fsPath(to), 'latin1');
    if (!this.#isDirectory(target)) {
      throw new BuildError(`collision between directory '${from}' and non-directory '${target}'`);
    }
    const earlier = this.#priorities.get(to) ?? priority;
    unlinkSync(fsPath(to));
    mkdirSync(fsPath(to));
    this.#directory(target, to, earlier);
    this.#directory(from, to, priority);
  }

  #file(from: string, to: string, priority: number, exists: boolean, isDirectory: boolean): void {
    if (exists) {
      if (isDirectory) throw new BuildError(`collision between non-directory '${from}' and directory '${to}'`);
      const earlier = this.#priorities.get(to) ?? priority;
      const target = readlinkSync(fsPath(to), 'latin1');
      if (earlier === priority && !this.#ignoreCollisions) {
        throw new BuildError(
          `packages '${target}' and '${from}' have the same priority ${priority}; use 'nix-env --set-flag priority NUMBER INSTALLED_PKGNAME' to change the priority of one of the conflicting packages (0 being the highest priority)`,
        );
      }
      if (earlier <= priority) return;
      unlinkSync(fsPath(to));
    }
    this.#link(from, to, priority);
  }

  #package(path: string, priority: number, subDirs: readonly string[]): void {
    if (this.#done.has(path)) return;
    this.#done.add(path);
    for (const sub of subDirs) {
      if (sub === '') this.#directory(path, this.#out, priority);
      else if (this.#isDirectory(`${path}/${sub}`)) {
        mkdirSync(fsPath(`${this.#out}/${sub}`), { recursive: true });
        this.#directory(`${path}/${sub}`, `${this.#out}/${sub}`, priority);
      }
    }
    const propagated = this.#files.realPath(`${path}/nix-support/propagated-user-env-packages`);
    if (propagated !== undefined) {
      for (const other of words(fromBuffer(readFileSync(fsPath(propagated))))) {
        if (!this.#done.has(other)) this.#postponed.add(other);
      }
    }
  }

  /** @param subDirs parts of packages to link, '' for all */
  build(packages: readonly EnvPackage[], subDirs: readonly string[]): void {
    const sorted = [...packages].sort((a, b) => a.priority - b.priority || (a.path < b.path ? -1 : 1));
    for (const { path, priority } of sorted) this.#package(path, priority, subDirs);
    // Packages that the chosen ones propagate come last, each behind the one before.
    let priority = 1000;
    while (this.#postponed.size > 0) {
      const now = [...this.#postponed].sort();
      this.#postponed = new Set();
      for (const path of now) this.#package(path, priority++, subDirs);
    }
  }
}

/** `derivations`: for each package "ACTIVE PRIORITY NUMBER-OF-OUTPUTS OUTPUT…"; `manifest`. */
export function buildenv(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const packages: EnvPackage[] = [];
  const all = words(wanted(job, 'derivations'));
  for (let i = 0; i < all.length;) {
    const [active, priority, count] = [all[i]!, Number(all[i + 1]), Number(all[i + 2])];
    if (!Number.isSafeInteger(priority) || !Number.isSafeInteger(count) || i + 3 + count > all.length) {
      throw new BuildError("the attribute 'derivations' is malformed");
    }
    for (const path of all.slice(i + 3, i + 3 + count)) if (active !== 'false') packages.push({ path, priority });
    i += 3 + count;
  }
  mkdirSync(fsPath(out));
  new EnvBuilder(
    job,
    out,
    packages.map(({ path }) => path),
    false,
  ).build(packages, ['']);
  const manifest = wanted(job, 'manifest');
  symlinkSync(fsPath(manifest), fsPath(`${out}/manifest.nix`));
  return Promise.resolve();
}

/** `chosenPaths`: JSON [{paths, priority}]; `pathsToLink`; `extraPrefix`; `ignoreCollisions`. */
export function buildEnv(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const chosen = JSON.parse(wanted(job, 'chosenPaths')) as { paths: string[]; priority: number }[];
  const packages = chosen.flatMap(({ paths, priority }) => paths.map((path) => ({ path, priority })));
  const prefix = (job.env.get('extraPrefix') ?? '').replace(/^\/+/, '');
  mkdirSync(fsPath(out));
  const target = prefix === '' ? out : `${out}/${checkInside(prefix)}`;
  mkdirSync(fsPath(target), { recursive: true });
  const subDirs = words(job.env.get('pathsToLink') ?? '/').map((path) => {
    const inside = path.replace(/^\/+/, '').replace(/\/+$/, '');
    return inside === '' ? '' : checkInside(inside);
  });
  const builder = new EnvBuilder(
    job,
    target,
    packages.map(({ path }) => path),
    flag(job, 'ignoreCollisions'),
  );
  builder.build(packages, subDirs);
  return Promise.resolve();
}
