// What the builders of this folder share: their one output and their inputs' files.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fsPath, toBuffer } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import { resolveInStore } from '../../store/resolve-in-store.ts';
import { splitStorePath } from '../../store/store-path.ts';
import type { BuiltinJob } from '../builtin-builder.ts';

/** Where to write the output `out` on this machine. @throws BuildError for a derivation with others */
export function onlyOutput(job: BuiltinJob): string {
  const out = job.outputs.get('out');
  if (out === undefined || job.outputs.size !== 1) throw new BuildError("this builder makes just the output 'out'");
  return out;
}

/** A variable that must be there. @throws BuildError */
export function wanted(job: BuiltinJob, name: string): string {
  const value = job.env.get(name);
  if (value === undefined) throw new BuildError(`the derivation lacks the attribute '${name}'`);
  return value;
}

/** What passAsFile names lies in files for other builders; here it is just a variable. */
export function flag(job: BuiltinJob, name: string): boolean {
  const value = job.env.get(name) ?? '';
  return value !== '' && value !== '0';
}

export function words(text: string): string[] {
  return text.split(/[ \t\n\r]+/).filter((word) => word !== '');
}

/** Names of a path inside an output. @throws BuildError for one that leads out of it */
export function checkInside(path: string): string {
  if (path === '' || path.split('/').some((name) => name === '' || name === '.' || name === '..')) {
    throw new BuildError(`'${path}' is not a path inside the output`);
  }
  return path;
}

export async function writeOutputFile(path: string, bytes: string, executable: boolean): Promise<void> {
  await mkdir(fsPath(dirname(path)), { recursive: true });
  await writeFile(fsPath(path), toBuffer(bytes), { flag: 'wx', mode: executable ? 0o755 : 0o644 });
}

/** Logical paths as a builder sees them: only the input closure exists. */
export class InputFiles {
  readonly #job: BuiltinJob;
  readonly #visible: ReadonlySet<string>;

  /** @param roots logical paths (or paths below them) that the builder was given */
  constructor(job: BuiltinJob, roots: readonly string[]) {
    this.#job = job;
    const storeDir = job.store.storeDir;
    this.#visible = new Set(job.store.closure(roots.map((path) => splitStorePath(path, storeDir).storePath)));
  }

  /** Where a logical path really lies, symlinks followed; undefined where it leads out of the inputs. */
  realPath(path: string): string | undefined {
    const resolved = this.resolve(path);
    return resolved === undefined ? undefined : this.#job.store.realPath(resolved);
  }

  /** The logical path, symlinks followed; undefined where it leads out of the inputs. */
  resolve(path: string): string | undefined {
    const { store } = this.#job;
    return resolveInStore(store, path, (at) => this.#visible.has(splitStorePath(at, store.storeDir).storePath));
  }
}
