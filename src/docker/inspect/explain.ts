// Why an image is as it is: which chain of references brought each store path in, in which layer it lies, and what the
// layering costs when something changes.
import type { StorePath } from '../../store/store.ts';
import { orderByPopularity } from '../../build/builtin/popularity.ts';
import { splitIntoLayers } from '../store-members.ts';
import type { ImageContents } from './image-contents.ts';
import { storeGraph } from './store-graph.ts';
import type { ImagePath, StoreGraph } from './store-graph.ts';

export interface ExplainedPath extends ImagePath {
  /** How it came in: what mentions it first (`config`, or a file), then store path by store path down to itself. */
  readonly chain: readonly string[];
  /** Bytes of itself and all that it refers to. */
  readonly closureSize: number;
  /** Bytes that nothing but it needs: what the image would lose with it. */
  readonly ownedSize: number;
}

/** What a way of layering costs. */
export interface LayeringCost {
  readonly name: string;
  readonly layers: number;
  /** Bytes to send again when a path that the image asks for itself changes: the mean of these. */
  readonly afterTopChange: number;
  /** The same for any of the paths, with all that refer to it. */
  readonly afterAnyChange: number;
}

export interface ExplainedLayer {
  readonly index: number;
  readonly diffId: string;
  /** Bytes of the plain archive. */
  readonly size: number;
  readonly storedSize: number | undefined;
  readonly files: number;
  readonly whiteouts: number;
  /** Store paths with files in it. */
  readonly paths: readonly StorePath[];
  /** Bytes of files that are in no store path. */
  readonly otherSize: number;
}

export interface Explanation {
  readonly what: string;
  readonly config: ImageContents['config'];
  readonly layers: readonly ExplainedLayer[];
  /** The largest first. */
  readonly paths: readonly ExplainedPath[];
  readonly graph: StoreGraph;
  /** Of files, all layers applied. */
  readonly size: number;
  /** The chosen layering first. */
  readonly layerings: readonly LayeringCost[];
}

/** The shortest chain from a root to each path. */
function chains(graph: StoreGraph): Map<StorePath, readonly string[]> {
  const found = new Map<StorePath, readonly string[]>();
  const queue: StorePath[] = [];
  const reach = (path: StorePath, chain: readonly string[]): void => {
    if (found.has(path) || !graph.paths.has(path)) return;
    found.set(path, [...chain, path]);
    queue.push(path);
  };
  for (const { name, references } of graph.roots) for (const path of references) reach(path, [name]);
  for (let at = 0; at < queue.length; at++) {
    const path = queue[at]!;
    for (const reference of graph.paths.get(path)!.references) reach(reference, found.get(path)!);
  }
  return found;
}

/** A path and all that it refers to, near or far. */
function reachable(graph: StoreGraph, from: StorePath): Set<StorePath> {
  const seen = new Set<StorePath>();
  const queue = [from];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    queue.push(...(graph.paths.get(path)?.references ?? []));
  }
  return seen;
}

function sizeOf(graph: StoreGraph, paths: Iterable<StorePath>): number {
  let sum = 0;
  for (const path of paths) sum += graph.paths.get(path)?.size ?? 0;
  return sum;
}

function referrersOf(graph: StoreGraph): Map<StorePath, StorePath[]> {
  const referrers = new Map<StorePath, StorePath[]>([...graph.paths.keys()].map((path) => [path, []]));
  for (const { path, references } of graph.paths.values()) {
    for (const reference of references) referrers.get(reference)?.push(path);
  }
  return referrers;
}

/** Paths after all that refer to them; those of cycles, which no store has, last. */
function referrersFirst(graph: StoreGraph): StorePath[] {
  const open = new Map([...referrersOf(graph)].map(([path, list]) => [path, list.length]));
  const order = [...open].filter(([, count]) => count === 0).map(([path]) => path);
  for (let at = 0; at < order.length; at++) {
    for (const to of graph.paths.get(order[at]!)!.references) {
      const left = (open.get(to) ?? 0) - 1;
      open.set(to, left);
      if (left === 0) order.push(to);
    }
  }
  return [...order, ...[...open].filter(([, count]) => count > 0).map(([path]) => path)];
}

/** More changes than these are not tried out; they are taken evenly from all. */
const MAX_CHANGES = 400;

/** What changes together: a path with all that refer to it, near or far. */
function changesOf(paths: readonly StorePath[], referrers: ReadonlyMap<StorePath, readonly StorePath[]>) {
  const step = Math.max(1, paths.length / MAX_CHANGES);
  const changes: ReadonlySet<StorePath>[] = [];
  for (let i = 0; Math.floor(i) < paths.length; i += step) {
    const seen = new Set<StorePath>();
    const queue: StorePath[] = [paths[Math.floor(i)]!];
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      queue.push(...referrers.get(at)!);
    }
    changes.push(seen);
  }
  return changes;
}

interface Changes {
  readonly any: readonly ReadonlySet<StorePath>[];
  readonly top: readonly ReadonlySet<StorePath>[];
}

/**
 * Bytes of each path and all that is there for its sake alone: what it dominates. A path's immediate dominator is the
 * nearest that all ways to it from the roots have in common; paths come after all that refer to them.
 */
function ownedSizes(graph: StoreGraph, rooted: ReadonlySet<StorePath>): Map<StorePath, number> {
  const referrers = referrersOf(graph);
  const order = referrersFirst(graph);
  const depth = new Map<StorePath, number>();
  const dominator = new Map<StorePath, StorePath | undefined>();
  const common = (a: StorePath | undefined, b: StorePath | undefined): StorePath | undefined => {
    let [x, y] = [a, b];
    while (x !== y) {
      if (x === undefined || y === undefined) return undefined;
      if (depth.get(x)! >= depth.get(y)!) x = dominator.get(x);
      else y = dominator.get(y);
    }
    return x;
  };
  for (const path of order) {
    const from = referrers.get(path)!;
    const nearest =
      rooted.has(path) || from.length === 0 ? undefined : from.reduce<StorePath | undefined>(common, from[0]);
    dominator.set(path, nearest);
    depth.set(path, nearest === undefined ? 0 : depth.get(nearest)! + 1);
  }
  const owned = new Map([...graph.paths.values()].map(({ path, size }) => [path, size]));
  for (const path of order.reverse()) {
    const above = dominator.get(path);
    if (above !== undefined) owned.set(above, owned.get(above)! + owned.get(path)!);
  }
  return owned;
}

/** @param layers each with the bytes that it holds and the paths; a changed path sends its layers again */
function costOf(
  name: string,
  layers: readonly { readonly size: number; readonly paths: readonly StorePath[] }[],
  changes: Changes,
): LayeringCost {
  const layersOf = new Map<StorePath, number[]>();
  layers.forEach(({ paths }, i) => {
    for (const path of paths) {
      const list = layersOf.get(path);
      if (list === undefined) layersOf.set(path, [i]);
      else list.push(i);
    }
  });
  const resent = (changed: ReadonlySet<StorePath>): number => {
    const touched = new Set<number>();
    for (const path of changed) for (const layer of layersOf.get(path) ?? []) touched.add(layer);
    return [...touched].reduce((sum, layer) => sum + layers[layer]!.size, 0);
  };
  const mean = (all: readonly ReadonlySet<StorePath>[]): number =>
    all.length === 0 ? 0 : Math.round(all.reduce((sum, changed) => sum + resent(changed), 0) / all.length);
  return {
    name,
    layers: layers.length,
    afterTopChange: mean(changes.top),
    afterAnyChange: mean(changes.any),
  };
}

/** Ways in which the same store paths could lie in layers; the topmost layer of other files stays as it is. */
function alternatives(
  graph: StoreGraph,
  top: number,
): { name: string; layers: { size: number; paths: StorePath[] }[] }[] {
  const nodes = [...graph.paths.values()];
  if (nodes.length === 0) return [];
  const popular = orderByPopularity(nodes);
  const bySize = [...nodes].sort((a, b) => b.size - a.size).map(({ path }) => path);
  const plan = (order: readonly StorePath[], most: number) => [
    ...splitIntoLayers(order, most).map((paths) => ({ size: sizeOf(graph, paths), paths: [...paths] })),
    { size: top, paths: [] },
  ];
  return [
    { name: 'one layer for all store paths', layers: plan(popular, 1) },
    { name: 'by popularity, 24 layers', layers: plan(popular, 23) },
    { name: 'by popularity, 100 layers', layers: plan(popular, 99) },
    { name: 'by size, 24 layers', layers: plan(bySize, 23) },
    { name: 'one layer per store path', layers: plan(popular, nodes.length + 1) },
  ];
}

/** @throws whatever reading the image's files throws */
export async function explainImage(image: ImageContents, signal?: AbortSignal): Promise<Explanation> {
  const graph = await storeGraph(image, signal);
  const how = chains(graph);
  const rooted = new Set(graph.roots.flatMap(({ references }) => references));
  const owned = ownedSizes(graph, rooted);
  const paths = [...graph.paths.values()].map((path): ExplainedPath => ({
    ...path,
    chain: how.get(path.path) ?? [path.path],
    closureSize: sizeOf(graph, reachable(graph, path.path)),
    ownedSize: owned.get(path.path)!,
  }));
  const layers = image.layers.map((layer): ExplainedLayer => {
    const inStore = new Set([...graph.paths.values()].filter((p) => p.layers.includes(layer.index)).map((p) => p.path));
    const others = [...image.files.values()].filter(
      (file) => file.layer === layer.index && !/^\/nix\/store\/./.test(file.path),
    );
    return {
      index: layer.index,
      diffId: layer.diffId,
      size: layer.size,
      storedSize: layer.storedSize,
      files: layer.files.length,
      whiteouts: layer.whiteouts.length,
      paths: [...inStore],
      otherSize: others.reduce((sum, { size }) => sum + size, 0),
    };
  });
  const referrers = referrersOf(graph);
  const changes: Changes = {
    any: changesOf([...graph.paths.keys()], referrers),
    top: changesOf([...rooted], referrers),
  };
  const topSize = layers.at(-1)?.paths.length === 0 ? layers.at(-1)!.size : graph.otherSize;
  return {
    what: image.what,
    config: image.config,
    layers,
    paths: paths.sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1)),
    graph,
    size: [...image.files.values()].reduce((sum, { size }) => sum + size, 0),
    layerings: [
      costOf('as it is', layers, changes),
      ...alternatives(graph, topSize).map(({ name, layers: plan }) => costOf(name, plan, changes)),
    ],
  };
}
