// Parts: modules of the program that most runs do not need. They are not in the start-up snapshot, whose size every start
// pays for, but in one file beside it, and each is compiled when something that it exports is first used. scripts/parts.ts
// writes that file, and puts calls of `part` in the place of imports. Beside the snapshot may lie what V8 compiles of the
// parts (parts-code.ts); where there is none, or V8 does not want it, they are compiled anew.
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Script } from 'node:vm';

type Exports = Record<string, unknown>;

/** Where in a file what belongs to a part lies, in bytes. */
type Entry = readonly [at: number, length: number];

/** The length of the index comes first, in 8 digits, then the index, then what it tells of. */
interface IndexedFile {
  readonly fd: number;
  readonly path: string;
  index: Readonly<Record<string, Entry>> | undefined;
}

let file: IndexedFile | undefined;
/** What V8 made of the parts: null where there is no use for it, undefined where it is not open yet. */
let code: IndexedFile | null | undefined = null;
let codePath = '';
/** What `import.meta.url` is in parts. */
let partsUrl = '';
let linked: Readonly<Record<string, () => unknown>> = {};
const loaded = new Map<string, { exports: Exports }>();
/** What stands for parts that are not loaded, and for linked modules, by their paths. */
const stands = new Map<string, Exports>();

/**
 * The file is held open: a program that is replaced while it runs goes on with its own parts.
 * @param compiled the file of what V8 makes of them, which need not be there
 * @returns its descriptor
 */
export function openParts(path: string, url: string, compiled?: string): number {
  file = open(path);
  partsUrl = url;
  code = compiled === undefined ? null : undefined;
  codePath = compiled ?? '';
  return file.fd;
}

function open(path: string): IndexedFile {
  return { fd: openSync(path, 'r'), path, index: undefined };
}

export function closeParts(): void {
  closeSync(file!.fd);
  file = undefined;
}

/** @param modules what parts can import but what is none, by the paths that they import it by */
export function setLinked(modules: Readonly<Record<string, () => unknown>>): void {
  linked = modules;
}

/** Of the file, which is named after what it holds. */
export function partsName(): string {
  return basename(file!.path);
}

/** The paths of all parts. */
export function allParts(): string[] {
  return Object.keys(indexOf(file!));
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
  const script = partScript(id, compiled(id));
  if (script.cachedDataRejected === true) code = null;
  const run = script.runInThisContext() as (...args: unknown[]) => void;
  const module = { exports: {} };
  loaded.set(id, module);
  run(imported, module, partsUrl);
  return module.exports;
}

/** A part as V8 has it: a function that is to be called. */
export function partScript(id: string, cachedData?: Buffer): Script {
  const { Script } = process.getBuiltinModule('node:vm');
  const options = { filename: `${file!.path}/${id}` };
  return new Script(
    read(file!, id).toString('latin1'),
    cachedData === undefined ? options : { ...options, cachedData },
  );
}

function compiled(id: string): Buffer | undefined {
  if (code === null) return undefined;
  try {
    if (code === undefined) {
      code = open(codePath);
      // V8 compares no more than lengths: where the program was replaced since, this may be the code of other parts.
      if (indexOf(code)[partsName()] === undefined) throw new Error('other parts');
      settleFlags();
    }
    return indexOf(code)[id] === undefined ? undefined : read(code, id);
  } catch {
    code = null;
    return undefined;
  }
}

/** Of bin/tsnix; some depend on the machine. */
const READ_ONCE = [
  'max-old-space-size',
  'initial-old-space-size',
  'min-semi-space-size',
  'max-semi-space-size',
  'stack-size',
] as const;

/**
 * V8 takes compiled code only with the very flags that it was made with. These it reads when it begins, so that it makes no
 * difference what they are from now on.
 */
export function settleFlags(): void {
  for (const flag of READ_ONCE) setFlagsFromString(`--${flag}=1000`);
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

function indexOf(of: IndexedFile): Readonly<Record<string, Entry>> {
  of.index ??= JSON.parse(readAt(of, 8, Number(readAt(of, 0, 8))).toString('latin1')) as Readonly<
    Record<string, Entry>
  >;
  return of.index;
}

function read(of: IndexedFile, id: string): Buffer {
  const [at, length] = indexOf(of)[id]!;
  return readAt(of, at, length);
}

function readAt({ fd, path }: IndexedFile, at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const count = readSync(fd, bytes, done, length - done, at + done);
    if (count === 0) throw new Error(`tsnix: the package folder is incomplete: ${path} is too short`);
    done += count;
  }
  return bytes;
}
