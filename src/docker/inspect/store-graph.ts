// The store paths of an image and what refers to what among them, found where Nix finds references: in the bytes. So it
// works for any image, wherever it was made.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ReferenceScanner } from '../../store/references.ts';
import type { StorePath } from '../../store/store.ts';
import { utf8 } from '../../util/bytes.ts';
import { regionChunks } from '../write-file.ts';
import { storePathOf } from './image-contents.ts';
import type { ImageContents, ImageFile } from './image-contents.ts';

export interface ImagePath {
  readonly path: StorePath;
  /** Bytes of its files. */
  readonly size: number;
  readonly files: number;
  /** Layers that hold some of it, the first one first. */
  readonly layers: readonly number[];
  /** Sorted; not itself. Those that are not in the image are in `missing`. */
  readonly references: readonly StorePath[];
}

/** Something of the image that is no store path and mentions some: the configuration, a file. */
export interface ImageRoot {
  /** `config`, or the path of a file; byte string. */
  readonly name: string;
  readonly references: readonly StorePath[];
}

export interface StoreGraph {
  /** By store path, sorted. */
  readonly paths: ReadonlyMap<StorePath, ImagePath>;
  readonly roots: readonly ImageRoot[];
  /** What is mentioned as a whole store path, and is not in the image: by who mentions it. */
  readonly missing: ReadonlyMap<string, string>;
  /** Bytes of files that are in no store path. */
  readonly otherSize: number;
}

const WHOLE_PATH = /\/nix\/store\/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+\-._?=]+/g;
/** So much is read before others get a turn. */
const TURN_BYTES = 8 * 1024 * 1024;

class Mentions {
  #sinceTurn = 0;
  readonly #known: readonly StorePath[];
  readonly #signal: AbortSignal | undefined;

  constructor(known: readonly StorePath[], signal: AbortSignal | undefined) {
    this.#known = known;
    this.#signal = signal;
  }

  /** Store paths of the image that the files mention, in contents, targets and names. */
  async of(files: readonly ImageFile[]): Promise<StorePath[]> {
    const scanner = new ReferenceScanner(this.#known);
    const separator = Buffer.from('\n');
    for (const file of files) {
      scanner.write(Buffer.from(`${file.path.replace(/^\/nix\/store\/[^/]+/, '')}\n${file.target}`, 'latin1'));
      scanner.write(separator);
      if (file.contents === undefined) continue;
      for (const chunk of regionChunks(file.contents)) {
        scanner.write(chunk);
        this.#sinceTurn += chunk.length;
        if (this.#sinceTurn < TURN_BYTES) continue;
        this.#sinceTurn = 0;
        this.#signal?.throwIfAborted();
        await nextTurn();
      }
      scanner.write(separator);
    }
    return scanner.result();
  }
}

/** Files of each store path, and all others. */
function byStorePath(image: ImageContents): { paths: Map<StorePath, ImageFile[]>; others: ImageFile[] } {
  const paths = new Map<StorePath, ImageFile[]>();
  const others: ImageFile[] = [];
  for (const file of image.files.values()) {
    const path = storePathOf(file.path) as StorePath | undefined;
    if (path === undefined) others.push(file);
    else {
      const list = paths.get(path);
      if (list === undefined) paths.set(path, [file]);
      else list.push(file);
    }
  }
  return { paths, others };
}

function totalSize(files: readonly ImageFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

export async function storeGraph(image: ImageContents, signal?: AbortSignal): Promise<StoreGraph> {
  const { paths, others } = byStorePath(image);
  const known = [...paths.keys()].sort();
  const mentions = new Mentions(known, signal);
  const graph = new Map<StorePath, ImagePath>();
  const missing = new Map<string, string>();
  const noteMissing = (text: string, who: string): void => {
    for (const [path] of text.matchAll(WHOLE_PATH)) {
      if (!paths.has(path as StorePath) && !missing.has(path)) missing.set(path, who);
    }
  };
  for (const path of known) {
    const files = paths.get(path)!;
    for (const { target, path: from } of files) noteMissing(target, from);
    const references = await mentions.of(files);
    graph.set(path, {
      path,
      size: totalSize(files),
      files: files.length,
      layers: [...new Set(files.map(({ layer }) => layer))].sort((a, b) => a - b),
      references: references.filter((reference) => reference !== path).sort(),
    });
  }
  const { config = {} } = image.config;
  const text = utf8(JSON.stringify(config));
  noteMissing(text, 'config');
  const scanner = new ReferenceScanner(known);
  scanner.write(Buffer.from(text, 'latin1'));
  const roots: ImageRoot[] = [{ name: 'config', references: scanner.result().sort() }];
  for (const file of others) {
    noteMissing(file.target, file.path);
    const target = storePathOf(file.target) as StorePath | undefined;
    const references =
      file.type === 'file' ? await mentions.of([file]) : target !== undefined && paths.has(target) ? [target] : [];
    if (references.length > 0) roots.push({ name: file.path, references });
  }
  return { paths: graph, roots, missing, otherSize: totalSize(others) };
}
