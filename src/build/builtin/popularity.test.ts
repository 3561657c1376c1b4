import { describe, expect, it } from 'vitest';
import type { StorePath } from '../../store/store.ts';
import { orderByPopularity } from './popularity.ts';

function closure(graph: Readonly<Record<string, readonly string[]>>) {
  const path = (name: string) => `/nix/store/${name}` as StorePath;
  return Object.entries(graph).map(([name, references]) => ({ path: path(name), references: references.map(path) }));
}

function order(graph: Readonly<Record<string, readonly string[]>>): string[] {
  return orderByPopularity(closure(graph)).map((path) => path.slice('/nix/store/'.length));
}

/** The definition that nixpkgs states, literally: a tree of dictionaries, counted from the leaves. */
function contest(graph: ReadonlyMap<string, readonly string[]>, nodes: readonly string[]): Map<string, bigint> {
  const popularity = new Map<string, bigint>();
  const add = (path: string, count: bigint) => popularity.set(path, (popularity.get(path) ?? 0n) + count);
  for (const node of nodes) {
    add(node, 1n);
    const below = graph.get(node)!.filter((reference) => reference !== node);
    for (const [path, count] of contest(graph, below)) add(path, count + 1n);
  }
  return popularity;
}

describe('orderByPopularity()', () => {
  it('orders the example of nixpkgs', () => {
    const graph = { A: ['B', 'G'], B: ['C', 'E'], C: ['D', 'E'], D: ['F'], E: ['F'], F: [], G: [] };
    expect(order(graph)).toEqual(['F', 'E', 'D', 'C', 'B', 'G', 'A']);
  });
  it('ignores references of a path to itself', () => {
    expect(order({ a: ['a', 'b'], b: ['b'] })).toEqual(['b', 'a']);
  });
  it('sorts equally popular paths by name, then by hash', () => {
    expect(order({ '1-b': [], '3-a': [], '2-a': [], '0-a-x': [] })).toEqual(['2-a', '3-a', '0-a-x', '1-b']);
  });
  it('gives nothing for nothing', () => {
    expect(order({})).toEqual([]);
  });
  it('agrees with the literal definition on random graphs', () => {
    let state = 1;
    const random = (below: number) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % below;
    for (let round = 0; round < 40; round++) {
      const size = 2 + random(40);
      const graph: Record<string, string[]> = {};
      for (let i = 0; i < size; i++) {
        const references = new Set<string>();
        for (let j = random(4); j > 0 && i > 0; j--) references.add(`h${random(i)}-n${random(1)}`);
        graph[`h${i}-n0`] = [...references].filter((name) => name !== `h${i}-n0`);
      }
      const map = new Map(Object.entries(graph));
      const roots = [...map.keys()].filter((name) => ![...map.values()].some((list) => list.includes(name)));
      const counts = contest(map, roots);
      const key = (name: string) => name.split('-').reverse().join('-');
      const expected = [...counts.keys()].sort((a, b) => {
        const [x, y] = [counts.get(a)!, counts.get(b)!];
        return x !== y
          ? x > y
            ? -1
            : 1
          : key(a).replace('-', '-/nix/store/') < key(b).replace('-', '-/nix/store/')
            ? -1
            : 1;
      });
      expect(order(graph)).toEqual(expected);
    }
  });
  it('stays exact where counts need hundreds of bits', () => {
    // Between neighbours of a ladder there are two ways, so counts double at each step.
    const graph: Record<string, string[]> = { 'h-0': [], 'h-almost': [] };
    for (let i = 1; i <= 400; i++) {
      graph[`a-${i}`] = i === 1 ? ['h-0'] : [`a-${i - 1}`, `b-${i - 1}`];
      graph[`b-${i}`] = i === 1 ? ['h-0', 'h-almost'] : [`a-${i - 1}`, `b-${i - 1}`];
    }
    graph['b-400'] = [...graph['b-400']!, 'h-almost'];
    // One way more leads to h-0 than to h-almost at the bottom of 2^399.
    expect(order(graph).slice(0, 2)).toEqual(['h-0', 'h-almost']);
  });
  it('orders ten thousand paths in about a second', () => {
    const graph: Record<string, string[]> = {};
    for (let i = 0; i < 10_000; i++) {
      const level = Math.floor(i / 250);
      const references = new Set<string>();
      for (let j = 1; j <= 8 && level > 0; j++) references.add(`h-${(level - 1) * 250 + ((i * j * 7) % 250)}`);
      graph[`h-${i}`] = [...references];
    }
    const start = performance.now();
    expect(order(graph)).toHaveLength(10_000);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
