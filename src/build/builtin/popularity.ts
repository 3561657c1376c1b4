// builtin:tsnix-popularity (referencesByPopularity): the closure of a path, the most used store paths first, one a
// line. Layers of images are cut along this list, so paths that many images share come first and stay together.
//
// nixpkgs counts by unfolding the graph into a tree below its roots; a path's popularity is the sum, over all its
// ancestors and itself, of how many ways lead from a root to that ancestor. Numbers grow exponentially with depth, and
// are exact here as they are there: each is cut into limbs, small enough that sums of limbs stay exact doubles.
import { writeFile } from 'node:fs/promises';
import { fsPath } from '../../util/bytes.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { exportedRoots, sortedClosure } from './graph.ts';

type GraphNode = Pick<PathInfo, 'path' | 'references'>;

/** Node numbers in an order in which every node comes after all that refer to it, with references as numbers. */
interface Graph {
  readonly paths: readonly StorePath[];
  readonly references: readonly (readonly number[])[];
}

function sortTopologically(closure: readonly GraphNode[]): Graph {
  const numbers = new Map(closure.map(({ path }, i) => [path, i]));
  const references = closure.map(({ path, references: all }) =>
    all.filter((reference) => reference !== path).map((reference) => numbers.get(reference)!),
  );
  const referrers = new Uint32Array(closure.length);
  for (const list of references) for (const to of list) referrers[to]!++;
  const order: number[] = [];
  for (let i = 0; i < closure.length; i++) if (referrers[i] === 0) order.push(i);
  // A store's graph has no cycles but self-references.
  for (let at = 0; at < order.length; at++) {
    for (const to of references[order[at]!]!) if (--referrers[to]! === 0) order.push(to);
  }
  const place = new Map(order.map((node, i) => [node, i]));
  return {
    paths: order.map((node) => closure[node]!.path),
    references: order.map((node) => references[node]!.map((to) => place.get(to)!)),
  };
}

/** How many ways lead to each node from the nodes that nothing refers to. */
function countWays({ references }: Graph): bigint[] {
  const isRoot = new Uint8Array(references.length).fill(1);
  for (const list of references) for (const to of list) isRoot[to] = 0;
  const ways = Array.from(isRoot, (root) => BigInt(root));
  for (let node = 0; node < references.length; node++) for (const to of references[node]!) ways[to]! += ways[node]!;
  return ways;
}

/** For each node the sum of `weights` over its ancestors and itself. */
function sumOverAncestors({ references }: Graph, weights: readonly bigint[]): bigint[] {
  const count = references.length;
  // Sums of at most `count` limbs must stay below 2^53.
  const limbBits = 52 - Math.ceil(Math.log2(count + 1));
  const largest = weights.reduce((max, weight) => (weight > max ? weight : max), 0n);
  const limbs = Math.max(1, Math.ceil(largest.toString(2).length / limbBits));
  const mask = (1n << BigInt(limbBits)) - 1n;
  const limbsOf = new Float64Array(count * limbs);
  const usedLimbs = new Uint32Array(count);
  weights.forEach((weight, node) => {
    let rest = weight;
    for (let i = 0; rest !== 0n; i++) {
      limbsOf[node * limbs + i] = Number(rest & mask);
      rest >>= BigInt(limbBits);
      usedLimbs[node] = i + 1;
    }
  });
  // Ancestors as bit sets; a node's is complete when its turn comes.
  const words = Math.ceil(count / 32);
  const ancestors = new Uint32Array(count * words);
  const sums: bigint[] = [];
  const total = new Float64Array(limbs);
  for (let node = 0; node < count; node++) {
    const base = node * words;
    ancestors[base + (node >>> 5)]! |= 1 << (node & 31);
    const used = (node >>> 5) + 1;
    for (const to of references[node]!) {
      const target = to * words;
      for (let word = 0; word < used; word++) ancestors[target + word]! |= ancestors[base + word]!;
    }
    total.fill(0);
    for (let word = 0; word < used; word++) {
      let bits = ancestors[base + word]!;
      while (bits !== 0) {
        const low = bits & -bits;
        const ancestor = (word << 5) + 31 - Math.clz32(low);
        const at = ancestor * limbs;
        for (let i = 0, end = usedLimbs[ancestor]!; i < end; i++) total[i]! += limbsOf[at + i]!;
        bits ^= low;
      }
    }
    let sum = 0n;
    for (let i = limbs - 1; i >= 0; i--) sum = (sum << BigInt(limbBits)) + BigInt(total[i]!);
    sums.push(sum);
  }
  return sums;
}

/** The path with its hash part moved to the end: equally popular paths are sorted by name first. */
function nameFirst(path: string): string {
  const [start, ...rest] = path.split('-');
  return [...rest, start].join('-');
}

/** Paths of a closure, the most popular first. */
export function orderByPopularity(closure: readonly GraphNode[]): StorePath[] {
  const graph = sortTopologically(closure);
  const popularity = sumOverAncestors(graph, countWays(graph));
  return graph.paths
    .map((path, i) => ({ path, popularity: popularity[i]!, key: nameFirst(path) }))
    .sort((a, b) =>
      a.popularity !== b.popularity
        ? a.popularity > b.popularity
          ? -1
          : 1
        : a.key < b.key
          ? -1
          : a.key > b.key
            ? 1
            : 0,
    )
    .map(({ path }) => path);
}

/** `exportReferencesGraph`: the path; out: the list. */
export async function popularity(job: BuiltinJob): Promise<void> {
  const order = orderByPopularity(sortedClosure(job.store, exportedRoots(job)));
  await writeFile(fsPath(job.outputs.get('out')!), order.map((path) => `${path}\n`).join(''), 'latin1');
}
