// Parts: modules of the program that most runs do not need. They are not in the start-up snapshot, whose size every start
// pays for, but in one file beside it, and each is compiled when something that it exports is first used. scripts/parts.ts
// writes that file, and puts calls of `part` in the place of imports.
import { closeSync, openSync, readSync } from 'node:fs';

type Exports = Record<string, unknown>;

/** Where in the file a part's code lies, in bytes. */
type Entry = readonly [at: number, length: number];

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
/** What stands for parts that are not loaded, and for linked modules, by their paths. */
const stands = new Map<string, Exports>();

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

/** What all objects that stand for parts share: each has one object of its own, not one a name, for all are in the heap. */
class Names {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** Asked for a name that the object which stands for the part has not yet. */
  get(_: object, name: string | symbol, exports: Exports): unknown {
    if (name === '__esModule') return true;
    if (typeof name === 'symbol' || name === 'then') return undefined; // asked of what `import()` gives
    const value = load(this.id)[name];
    // Undefined where parts import each other, and this one is still at its beginning.
    if (value !== undefined) Object.defineProperty(exports, name, { value, enumerable: true });
    return value;
  }
}

/** What a part exports, by its names. The part is loaded when any of them is asked for. */
export function part(id: string): Exports {
  let exports = stands.get(id);
  if (exports === undefined) {
    exports = Object.create(new Proxy({}, new Names(id))) as Exports;
    stands.set(id, exports);
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
  const known = loaded.get(id)?.exports ?? stands.get(id);
  if (known !== undefined) return known;
  const exports = linked[id]?.();
  if (exports === undefined) return part(id);
  stands.set(id, exports as Exports);
  return exports;
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
