// What differs between two images: configuration, layers, store paths, and every file of the file systems that the layers
// make, down to modes, owners and times. Contents are compared, not dates.
import { openSync, closeSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseDrvName } from '../../util/drv-name.ts';
import { fsPath } from '../../util/bytes.ts';
import type { Region } from '../archive.ts';
import { packageName, storePathOf } from './image-contents.ts';
import type { ImageContents, ImageFile, LayerContents } from './image-contents.ts';
import { printMode, printTime } from './attributes.ts';

/** One value that is another; null: there is none. Values are as people read them. */
export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface FileChange {
  /** Byte string. */
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly fields: readonly FieldChange[];
  /** Layers that it is in, from 0; null where it is not. */
  readonly layers: readonly [number | null, number | null];
  /** Bytes more than before. */
  readonly sizeDifference: number;
}

export interface LayerChange {
  readonly change: 'same' | 'added' | 'removed' | 'changed';
  /** Numbers in the two images, from 0. */
  readonly before: number | null;
  readonly after: number | null;
  readonly beforeSize: number;
  readonly afterSize: number;
}

export interface PathChange {
  readonly name: string;
  /** Store paths; null where there is none. */
  readonly before: string | null;
  readonly after: string | null;
  readonly beforeSize: number;
  readonly afterSize: number;
}

export interface ImageDiff {
  readonly same: boolean;
  readonly config: readonly FieldChange[];
  /** Bottom one first; layers that both have in the same place are `same`. */
  readonly layers: readonly LayerChange[];
  readonly paths: readonly PathChange[];
  /** In order of their paths. */
  readonly files: readonly FileChange[];
}

export interface DiffOptions {
  /** Leave times out. */
  readonly ignoreTimes?: boolean;
  /** Leave out files of store paths that only one image has. */
  readonly hideNewPaths?: boolean;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Differences of two JSON values, each by its place: `config.Env[2]`. */
export function compareJson(before: unknown, after: unknown, field = ''): FieldChange[] {
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => {
      const name = /^[A-Za-z_][\w-]*$/.test(key) ? key : JSON.stringify(key);
      return compareJson(before[key], after[key], field === '' ? name : `${field}.${name}`);
    });
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, i) => compareJson(before[i], after[i], `${field}[${i}]`)).flat();
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  return [{ field, before: before ?? null, after: after ?? null }];
}

const CHUNK_BYTES = 256 * 1024;

/** Whether two parts of files hold the same bytes; they have the same size. */
async function sameContents(a: Region, b: Region, signal?: AbortSignal): Promise<boolean> {
  if (a.path === b.path && a.offset === b.offset) return true;
  const [one, two] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  const fdA = openSync(fsPath(a.path), 'r');
  const fdB = openSync(fsPath(b.path), 'r');
  try {
    for (let at = 0; at < a.size; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, a.size - at);
      if (readSync(fdA, one, 0, length, a.offset + at) !== length) return false;
      if (readSync(fdB, two, 0, length, b.offset + at) !== length) return false;
      if (one.compare(two, 0, length, 0, length) !== 0) return false;
      if (at % (32 * CHUNK_BYTES) === 0) {
        signal?.throwIfAborted();
        await nextTurn();
      }
    }
    return true;
  } finally {
    closeSync(fdA);
    closeSync(fdB);
  }
}

function owner(id: number, name: string): string {
  return name === '' ? String(id) : `${id} (${name})`;
}

async function compareFiles(
  before: ImageFile,
  after: ImageFile,
  options: DiffOptions,
  signal?: AbortSignal,
): Promise<FieldChange[]> {
  const fields: FieldChange[] = [];
  const field = (name: string, a: unknown, b: unknown): void => {
    if (a !== b) fields.push({ field: name, before: a, after: b });
  };
  field('type', before.type, after.type);
  field('mode', printMode(before.mode), printMode(after.mode));
  field('owner', owner(before.uid, before.owner), owner(after.uid, after.owner));
  field('group', owner(before.gid, before.group), owner(after.gid, after.group));
  if (options.ignoreTimes !== true) field('time', printTime(before.mtime), printTime(after.mtime));
  if (before.type !== after.type) return fields;
  field('target', before.target, after.target);
  field('device', before.device, after.device);
  field('size', before.size, after.size);
  if (before.size === after.size && before.contents !== undefined && after.contents !== undefined) {
    if (!(await sameContents(before.contents, after.contents, signal))) {
      fields.push({ field: 'content', before: null, after: null });
    }
  }
  return fields;
}

/** Longest common subsequence of the layers by digest: pairs of numbers. */
function commonLayers(before: readonly LayerContents[], after: readonly LayerContents[]): [number, number][] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        before[i]!.diffId === after[j]!.diffId
          ? lengths[i + 1]![j + 1]! + 1
          : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < before.length && j < after.length;) {
    if (before[i]!.diffId === after[j]!.diffId) pairs.push([i++, j++]);
    else if (lengths[i + 1]![j]! >= lengths[i]![j + 1]!) i++;
    else j++;
  }
  return pairs;
}

function compareLayers(before: readonly LayerContents[], after: readonly LayerContents[]): LayerChange[] {
  const changes: LayerChange[] = [];
  let [i, j] = [0, 0];
  for (const [a, b] of [...commonLayers(before, after), [before.length, after.length] as const]) {
    // Between layers that both have, the first of one is taken for the first of the other.
    while (i < a || j < b) {
      const [old, made] = [i < a ? before[i] : undefined, j < b ? after[j] : undefined];
      changes.push({
        change: old === undefined ? 'added' : made === undefined ? 'removed' : 'changed',
        before: old?.index ?? null,
        after: made?.index ?? null,
        beforeSize: old?.size ?? 0,
        afterSize: made?.size ?? 0,
      });
      if (old !== undefined) i++;
      if (made !== undefined) j++;
    }
    if (a < before.length) {
      changes.push({ change: 'same', before: a, after: b, beforeSize: before[a]!.size, afterSize: after[b]!.size });
      i = a + 1;
      j = b + 1;
    }
  }
  return changes;
}

function storePaths(image: ImageContents): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const file of image.files.values()) {
    const path = storePathOf(file.path);
    if (path !== undefined) sizes.set(path, (sizes.get(path) ?? 0) + file.size);
  }
  return sizes;
}

/** Store paths that only one has; those of one package are one change. */
function comparePaths(before: ImageContents, after: ImageContents): PathChange[] {
  const [old, made] = [storePaths(before), storePaths(after)];
  const gone = [...old.keys()]
    .filter((path) => !made.has(path))
    .sort((a, b) => (packageName(a) < packageName(b) ? -1 : 1));
  const come = new Set([...made.keys()].filter((path) => !old.has(path)));
  const take = (test: (path: string) => boolean): string | undefined => {
    const found = [...come].find(test);
    if (found !== undefined) come.delete(found);
    return found;
  };
  const baseName = (path: string): string => parseDrvName(packageName(path)).name;
  const change = (a: string | undefined, b: string | undefined): PathChange => ({
    name: baseName((a ?? b)!),
    before: a ?? null,
    after: b ?? null,
    beforeSize: a === undefined ? 0 : old.get(a)!,
    afterSize: b === undefined ? 0 : made.get(b)!,
  });
  const exact = new Map(gone.map((path) => [path, take((other) => packageName(other) === packageName(path))]));
  const changes = gone.map((path) =>
    change(path, exact.get(path) ?? take((other) => baseName(other) === baseName(path))),
  );
  return [...changes, ...[...come].sort().map((path) => change(undefined, path))].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
  );
}

/** Compares two images. */
export async function diffImages(
  before: ImageContents,
  after: ImageContents,
  options: DiffOptions = {},
  signal?: AbortSignal,
): Promise<ImageDiff> {
  // What layers there are is told below.
  const told = ({ config }: ImageContents): object => ({ ...config, rootfs: undefined, history: undefined });
  const paths = comparePaths(before, after);
  const moved = new Set(paths.flatMap((change) => [change.before, change.after]));
  const hidden = (path: string): boolean => {
    const storePath = storePathOf(path);
    return options.hideNewPaths === true && storePath !== undefined && moved.has(storePath);
  };
  const files: FileChange[] = [];
  for (const path of [...new Set([...before.files.keys(), ...after.files.keys()])].sort()) {
    if (hidden(path)) continue;
    const [old, made] = [before.files.get(path), after.files.get(path)];
    const fields = old === undefined || made === undefined ? [] : await compareFiles(old, made, options, signal);
    if (old !== undefined && made !== undefined && fields.length === 0) continue;
    files.push({
      path,
      change: old === undefined ? 'added' : made === undefined ? 'removed' : 'changed',
      fields,
      layers: [old?.layer ?? null, made?.layer ?? null],
      sizeDifference: (made?.size ?? 0) - (old?.size ?? 0),
    });
  }
  const config = compareJson(told(before), told(after));
  const layers = compareLayers(before.layers, after.layers);
  const same = config.length === 0 && files.length === 0 && paths.length === 0;
  // Times are in the layers' digests.
  const sameLayers = options.ignoreTimes === true || layers.every((layer) => layer.change === 'same');
  return { same: same && sameLayers, config, layers, paths, files };
}
