// builtin:tsnix-symlink-join (symlinkJoin): one directory tree made of the directories of several store paths, with
// symlinks to their files, as `lndir -silent` makes it for one path after the other: the first path that has a file
// wins, a relative or absolute symlink is copied as it is, a symlink to a directory counts as that directory.
import { lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { fsPath } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import { resolveInStore } from '../../store/resolve-in-store.ts';
import { splitStorePath } from '../../store/store-path.ts';
import type { SyncStore } from '../../store/store.ts';
import type { BuiltinJob } from '../builtin-builder.ts';

interface Source {
  /** Logical path that links shall name. */
  readonly path: string;
  /** Logical path without symlinks on the way: tells whether a symlink leads round. */
  readonly resolved: string;
  readonly above: readonly string[];
}

class Join {
  readonly #store: SyncStore;
  readonly #visible: ReadonlySet<string>;
  readonly #log: (line: string) => void;

  constructor(store: SyncStore, paths: readonly string[], log: (line: string) => void) {
    this.#store = store;
    this.#visible = new Set(store.closure(paths.map((path) => splitStorePath(path, store.storeDir).storePath)));
    this.#log = log;
  }

  resolve(path: string): string | undefined {
    const { storeDir } = this.#store;
    return resolveInStore(this.#store, path, (at) => this.#visible.has(splitStorePath(at, storeDir).storePath));
  }

  #linkFile(source: string, target: string, to: string): void {
    try {
      symlinkSync(fsPath(target), fsPath(to));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const existing = lstatSync(fsPath(to));
      if (existing.isSymbolicLink() && readlinkSync(fsPath(to), { encoding: 'latin1' }) === target) return;
      this.#log(`not linked, there is an earlier file of this name: ${source}`);
    }
  }

  directory(source: Source, to: string): void {
    const real = this.#store.realPath(source.resolved);
    const entries = readdirSync(fsPath(real), { encoding: 'latin1' });
    // Byte strings: the default order, by UTF-16 units, is the order of bytes.
    for (const name of entries.sort()) {
      const path = `${source.path}/${name}`;
      const inner = `${source.resolved}/${name}`;
      const target = `${to}/${name}`;
      const stats = lstatSync(fsPath(`${real}/${name}`));
      const resolved = stats.isDirectory() ? inner : stats.isSymbolicLink() ? this.resolve(inner) : undefined;
      const isDirectory =
        resolved !== undefined &&
        !source.above.includes(resolved) &&
        (stats.isDirectory() || statSync(fsPath(this.#store.realPath(resolved))).isDirectory());
      if (isDirectory) {
        const existing = lstatSync(fsPath(target), { throwIfNoEntry: false });
        if (existing === undefined) mkdirSync(fsPath(target));
        else if (!existing.isDirectory()) {
          this.#log(`not merged, there is an earlier file of this name: ${path}`);
          continue;
        }
        this.directory({ path, resolved, above: [...source.above, resolved] }, target);
      } else if (stats.isSymbolicLink()) {
        this.#linkFile(path, readlinkSync(fsPath(`${real}/${name}`), { encoding: 'latin1' }), target);
      } else {
        this.#linkFile(path, path, target);
      }
    }
  }
}

/** `paths`: store paths (or directories below), in order of precedence. Async for the interface's sake alone. */
export function symlinkJoin(job: BuiltinJob): Promise<void> {
  const out = job.outputs.get('out')!;
  const paths = (job.env.get('paths') ?? '').split(/\s+/).filter((path) => path !== '');
  const join = new Join(job.store, paths, (line) => {
    job.log(line);
  });
  mkdirSync(fsPath(out));
  for (const path of paths) {
    const resolved = join.resolve(path);
    if (resolved === undefined) throw new BuildError(`path '${path}' does not exist`);
    if (!statSync(fsPath(job.store.realPath(resolved))).isDirectory()) {
      throw new BuildError(`'${path}' is not a directory`);
    }
    join.directory({ path: path.replace(/\/+$/, ''), resolved, above: [resolved] }, out);
  }
  return Promise.resolve();
}
