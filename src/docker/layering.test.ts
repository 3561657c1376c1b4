import { describe, expect, it } from 'vitest';
import type { StorePath } from '../store/store.ts';
import { LayeringGraph, planLayers } from './layering.ts';

const path = (name: string): StorePath => `/nix/store/${name.padStart(32, '0')}-${name}` as StorePath;

/** As in nixpkgs' manual: two roots over a common base. Sizes grow with the letters. */
const EDGES: Readonly<Record<string, string>> = { a: '', b: 'a', c: 'a', d: 'bc', e: 'c', f: 'de' };

function graph(edges: Readonly<Record<string, string>> = EDGES): LayeringGraph {
  const nodes = Object.entries(edges).map(([name, to], i) => ({
    path: path(name),
    narSize: 100 + i,
    references: [name, ...Array.from(to)].map(path),
  }));
  return LayeringGraph.of(nodes.reverse(), new Set());
}

function plan(pipeline: unknown, edges?: Readonly<Record<string, string>>): string[] {
  return planLayers(graph(edges), pipeline).map((layer) => layer.map((p) => p.slice(-1)).join(''));
}

describe('planLayers()', () => {
  it('makes one layer of all, the smallest first, where nothing is asked', () => {
    expect(plan([])).toEqual(['abcdef']);
  });
  it('orders by popularity, and limits', () => {
    expect(plan([['popularity_contest']])).toEqual(['a', 'c', 'b', 'd', 'e', 'f']);
    expect(plan([['popularity_contest'], ['limit_layers', 3]])).toEqual(['a', 'c', 'bdef']);
    expect(plan([['popularity_contest'], ['limit_layers', 9]])).toHaveLength(6);
    expect(plan([['popularity_contest'], ['reverse'], ['limit_layers', 2]])).toEqual(['f', 'edbca']);
  });
  it('splits every so many', () => {
    expect(plan([['split_every', 4]])).toEqual(['abcd', 'ef']);
  });
  it('takes what a path needs, or what needs it', () => {
    expect(plan([['subcomponent_out', [path('d')]], ['flatten']])).toEqual(['abcd', 'ef']);
    expect(plan([['subcomponent_in', path('d')]])).toEqual(['df', 'abce']);
    expect(plan([['subcomponent_out', [path('x')]]])).toEqual(['abcdef']);
  });
  it('splits off paths, what they share, and the rest', () => {
    expect(plan([['split_paths', [path('d')]]])).toEqual(['bd', 'ac', 'ef']);
    expect(plan([['split_paths', [{ children_of: path('f') }]]])).toEqual(['abcde', 'f']);
    expect(plan([['split_paths', [path('x')]]])).toEqual(['abcdef']);
    expect(plan([['split_paths', [path('f')]]])).toEqual(['abcdef']);
    expect(plan([['split_paths', [path('p')]]], { a: '', p: 'a', q: 'a' })).toEqual(['p', 'a', 'q']);
  });
  it('works on parts, and on each of a list', () => {
    expect(
      plan([
        ['subcomponent_out', [path('d')]],
        ['over', 'main', ['pipe', [['popularity_contest'], ['limit_layers', 2]]]],
        ['over', 'rest', ['split_every', 1]],
      ]),
    ).toEqual(['a', 'bcd', 'e', 'f']);
    expect(
      plan([
        ['split_every', 3],
        ['map', ['split_every', 2]],
      ]),
    ).toEqual(['ab', 'c', 'de', 'f']);
    expect(
      plan([
        ['remove_paths', path('c')],
        ['split_every', 3],
      ]),
    ).toEqual(['abd', 'ef']);
  });
  it.each([
    [{}, 'a pipeline is a list of steps'],
    [['flatten'], 'a step is a list that begins with a name'],
    [[['no_such']], "'no_such': there is no such step; there are flatten, limit_layers, map"],
    [[['toString']], "'toString': there is no such step"],
    [[['limit_layers', 2]], "'limit_layers': expects a list of graphs"],
    [[['split_every', 0]], "'split_every': expects a number above 0"],
    [[['over', 'main', ['flatten']]], "'over': expects a name and a dictionary"],
    [
      [
        ['subcomponent_out', [path('d')]],
        ['over', 'common', ['flatten']],
      ],
      "'over': there is no 'common' here",
    ],
    [[['popularity_contest'], ['popularity_contest']], "'popularity_contest': expects one graph of store paths"],
    [[['split_paths', [{ parents_of: 'x' }]]], 'expects store paths and sets with children_of'],
  ])('refuses %j', (pipeline, message) => {
    expect(() => plan(pipeline)).toThrow(message);
  });
});
