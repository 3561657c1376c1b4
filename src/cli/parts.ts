// Parts: modules of the program that most runs do not need. They are not in the start-up snapshot, whose size every start
// pays for, but in one file beside it, and each is compiled when something that it exports is first used. scripts/parts.ts
// writes that file, and puts calls of `part` in the place of imports.
import { closeSync, openSync, readSync } from 'node:fs';

type Exports = Record<string, unknown>;

/** Where in the file a part's code lies, in bytes, and what the part exports. */
type Entry = readonly [at: number, length: number, names: readonly string[]];

interface PartsFile {
  readonly fd: number;
  readonly path: string;
  /** What `import.meta.url` is in parts. */
  readonly url: string;
  index: Readonly<Record<string, Entry>> | undefined;
}

let file: PartsFile | undefined;
let linked: Readonly<Record<string, () => unknown>> = {};
const loaded = new Map<string, { exports: Exports }>();

/** The file is held open: a program that is replaced while it runs goes on with its own parts. */
export function openParts(path: string, url: string): void {
  file = { fd: openSync(path, 'r'), path, url, index: undefined };
}

export function closeParts(): void {
  closeSync(file!.fd);
  file = undefined;
}

/** @param modules what parts can import but what is none, by the paths that they import it by */
export function setLinked(modules: Readonly<Record<string, () => unknown>>): void {
  linked = modules;
}

/** The parts that were used so far. */
export function loadedParts(): string[] {
  return [...loaded.keys()];
}

/** What a part exports. The part is loaded when any of that is asked for. */
export function part(id: string, names: readonly string[]): Exports {
  const exports: Exports = {};
  for (const name of names) {
    Object.defineProperty(exports, name, {
      enumerable: true,
      configurable: true,
      get: () => {
        const value = load(id)[name];
        // Undefined where parts import each other, and this one is still at its beginning.
        if (value !== undefined) Object.defineProperty(exports, name, { value });
        return value;
      },
    });
  }
  return exports;
}

function load(id: string): Exports {
  const known = loaded.get(id);
  if (known !== undefined) return known.exports;
  const [at, length] = entry(id);
  const { path, url } = file!;
  const { compileFunction } = process.getBuiltinModule('node:vm');
  const run = compileFunction(read(at, length), ['require', 'module', 'importMetaUrl'], { filename: `${path}/${id}` });
  const module = { exports: {} };
  loaded.set(id, module);
  (run as (...args: unknown[]) => void)(imported, module, url);
  return module.exports;
}

/** What `require` gives in a part. */
function imported(id: string): unknown {
  if (!id.startsWith('src/')) return process.getBuiltinModule(id);
  return linked[id]?.() ?? loaded.get(id)?.exports ?? part(id, entry(id)[2]);
}

function entry(id: string): Entry {
  // The length of the index comes first, in 8 digits.
  file!.index ??= JSON.parse(read(8, Number(read(0, 8)))) as Readonly<Record<string, Entry>>;
  return file!.index[id]!;
}

function read(at: number, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const count = readSync(file!.fd, bytes, done, length - done, at + done);
    if (count === 0) throw new Error(`tsnix: the package folder is incomplete: ${file!.path} is too short`);
    done += count;
  }
  return bytes.toString('latin1');
}
