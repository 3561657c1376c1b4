// How store paths become layers: nixpkgs' layering pipelines. A pipeline is a list of steps, each a list of a function's
// name and arguments; data flows through it that is a graph of store paths, a list of such, or a dictionary of `main`,
// `common` and `rest`. What is left at the end is flattened: each graph is a layer.
// @see nixpkgs manual, dockerTools, `layeringPipeline`
import { BuildError } from '../util/errors.ts';
import { orderByPopularity } from '../build/builtin/popularity.ts';
import type { StorePath } from '../store/store.ts';

export interface LayeringNode {
  readonly path: StorePath;
  /** Bytes. */
  readonly narSize: number;
  /** Of the graph it is in; not the path itself. */
  readonly references: readonly StorePath[];
}

/** Nodes in their order: the smallest first, as nixpkgs has them. */
export class LayeringGraph {
  readonly nodes: readonly LayeringNode[];
  readonly #byPath: ReadonlyMap<string, LayeringNode>;

  constructor(nodes: readonly LayeringNode[]) {
    this.nodes = nodes;
    this.#byPath = new Map(nodes.map((node) => [node.path, node]));
  }

  static of(closure: readonly LayeringNode[], exclude: ReadonlySet<string>): LayeringGraph {
    const nodes = closure.filter(({ path }) => !exclude.has(path)).sort((a, b) => a.narSize - b.narSize);
    return LayeringGraph.#induced(nodes, new Set(nodes.map(({ path }) => path)));
  }

  static #induced(nodes: readonly LayeringNode[], kept: ReadonlySet<string>): LayeringGraph {
    return new LayeringGraph(
      nodes.map((node) => ({
        ...node,
        references: node.references.filter((reference) => reference !== node.path && kept.has(reference)),
      })),
    );
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** The graph of those of its nodes that are in `paths`. */
  restrictedTo(paths: ReadonlySet<string>): LayeringGraph {
    return LayeringGraph.#induced(
      this.nodes.filter(({ path }) => paths.has(path)),
      paths,
    );
  }

  without(paths: ReadonlySet<string>): LayeringGraph {
    return this.restrictedTo(new Set(this.nodes.map(({ path }) => path).filter((path) => !paths.has(path))));
  }

  /** All that `roots` lead to, themselves included; no edge into `cut` is followed. */
  reachable(roots: Iterable<string>, cut: ReadonlySet<string> = new Set<string>()): Set<string> {
    return this.#walk(roots, (path) => this.#byPath.get(path)!.references.filter((to) => !cut.has(to)));
  }

  /** All that lead to `targets`, themselves included. */
  reaching(targets: Iterable<string>): Set<string> {
    const referrers = new Map<string, string[]>(this.nodes.map(({ path }) => [path, []]));
    for (const { path, references } of this.nodes) for (const to of references) referrers.get(to)!.push(path);
    return this.#walk(targets, (path) => referrers.get(path)!);
  }

  #walk(from: Iterable<string>, next: (path: string) => readonly string[]): Set<string> {
    const seen = new Set<string>();
    const queue = [...from];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      queue.push(...next(path));
    }
    return seen;
  }

  referencesOf(path: string): readonly string[] {
    return this.#byPath.get(path)?.references ?? [];
  }

  /** Nodes that nothing refers to. */
  roots(): string[] {
    const referred = new Set<string>(this.nodes.flatMap(({ references }) => references));
    return this.nodes.map(({ path }) => path).filter((path) => !referred.has(path));
  }
}

type Data = LayeringGraph | readonly Data[] | ReadonlyMap<string, Data>;
type Step = (data: Data) => Data;

function bad(step: string, reason: string): BuildError {
  return new BuildError(`layeringPipeline: '${step}': ${reason}`);
}

function expectGraph(step: string, data: Data): LayeringGraph {
  if (!(data instanceof LayeringGraph)) throw bad(step, 'expects one graph of store paths');
  return data;
}

function expectList(step: string, data: Data): readonly Data[] {
  if (!Array.isArray(data)) throw bad(step, 'expects a list of graphs');
  return data as readonly Data[];
}

function expectCount(step: string, argument: unknown): number {
  if (!Number.isSafeInteger(argument) || (argument as number) < 1) throw bad(step, 'expects a number above 0');
  return argument as number;
}

function flatten(data: Data): LayeringGraph[] {
  if (data instanceof LayeringGraph) return [data];
  return [...data.values()].flatMap(flatten);
}

function pathsOf(step: string, argument: unknown): string[] {
  const list: unknown[] = Array.isArray(argument) ? argument : [argument];
  return list.map((path) => {
    if (typeof path !== 'string') throw bad(step, 'expects store paths');
    return path;
  });
}

/** By who is used most, each a layer. */
function popularityContest(graph: LayeringGraph): LayeringGraph[] {
  return orderByPopularity(graph.nodes).map((path) => graph.restrictedTo(new Set([path])));
}

/** At most `count` graphs: all from that one on are one. */
function limitLayers(count: number, graphs: readonly LayeringGraph[]): LayeringGraph[] {
  if (graphs.length <= count) return [...graphs];
  const rest = graphs.slice(count - 1).flatMap(({ nodes }) => nodes);
  return [...graphs.slice(0, count - 1), new LayeringGraph(rest)];
}

function splitEvery(count: number, graph: LayeringGraph): LayeringGraph[] {
  const graphs: LayeringGraph[] = [];
  for (let i = 0; i < graph.nodes.length; i += count) {
    graphs.push(graph.restrictedTo(new Set(graph.nodes.slice(i, i + count).map(({ path }) => path))));
  }
  return graphs;
}

/** What `paths` lead to (or what leads to them) as `main`, all else as `rest`. */
function subcomponent(graph: LayeringGraph, paths: readonly string[], mode: 'in' | 'out'): Map<string, LayeringGraph> {
  const known = paths.filter((path) => graph.has(path));
  const main = mode === 'out' ? graph.reachable(known) : graph.reaching(known);
  return new Map([
    ['main', graph.restrictedTo(main)],
    ['rest', graph.without(main)],
  ]);
}

function splitTargets(graph: LayeringGraph, specs: readonly unknown[]): string[] {
  return specs.flatMap((spec) => {
    if (typeof spec === 'string') return graph.has(spec) ? [spec] : [];
    const parents = (spec as { readonly children_of?: unknown } | null)?.children_of;
    if (parents === undefined) throw bad('split_paths', 'expects store paths and sets with children_of');
    return pathsOf('split_paths', parents).flatMap((parent) => graph.referencesOf(parent));
  });
}

/** `main`: what only the named paths need; `common`: what others need too; `rest`. Empty ones are left out. */
function splitPaths(graph: LayeringGraph, specs: readonly unknown[]): Map<string, LayeringGraph> {
  const targets = new Set(splitTargets(graph, specs));
  if (targets.size === 0) return new Map([['rest', graph]]);
  const roots = graph.roots();
  if (roots.length === 1 && targets.has(roots[0]!)) return new Map([['main', graph]]);
  const split = graph.reachable(targets);
  const others = graph.reachable(
    roots.filter((root) => !targets.has(root)),
    targets,
  );
  const pick = (test: (path: string) => boolean): LayeringGraph =>
    graph.restrictedTo(new Set(graph.nodes.map(({ path }) => path).filter(test)));
  const parts: [string, LayeringGraph][] = [
    ['main', pick((path) => split.has(path) && !others.has(path))],
    ['common', pick((path) => split.has(path) && others.has(path))],
    ['rest', pick((path) => !split.has(path) && others.has(path))],
  ];
  return new Map(parts.filter(([, part]) => part.nodes.length > 0));
}

const STEPS: Readonly<Record<string, (args: readonly unknown[]) => Step>> = {
  flatten: () => flatten,
  limit_layers: ([count]) => {
    const most = expectCount('limit_layers', count);
    return (data) => limitLayers(most, flatten(expectList('limit_layers', data)));
  },
  map: ([step]) => {
    const each = toStep(step);
    return (data) => expectList('map', data).map(each);
  },
  over: ([name, step]) => {
    const change = toStep(step);
    return (data) => {
      if (!(data instanceof Map) || typeof name !== 'string') throw bad('over', 'expects a name and a dictionary');
      const part = (data as ReadonlyMap<string, Data>).get(name);
      if (part === undefined) throw bad('over', `there is no '${name}' here`);
      return new Map<string, Data>([...(data as ReadonlyMap<string, Data>), [name, change(part)]]);
    };
  },
  pipe: ([steps]) => toPipeline(steps),
  popularity_contest: () => (data) => popularityContest(expectGraph('popularity_contest', data)),
  remove_paths: ([paths]) => {
    const removed = new Set(pathsOf('remove_paths', paths));
    return (data) => expectGraph('remove_paths', data).without(removed);
  },
  reverse: () => (data) => [...expectList('reverse', data)].reverse(),
  split_every: ([count]) => {
    const size = expectCount('split_every', count);
    return (data) => splitEvery(size, expectGraph('split_every', data));
  },
  split_paths: ([specs]) => {
    const list = Array.isArray(specs) ? (specs as unknown[]) : [specs];
    return (data) => splitPaths(expectGraph('split_paths', data), list);
  },
  subcomponent_in: ([paths]) => {
    const targets = pathsOf('subcomponent_in', paths);
    return (data) => subcomponent(expectGraph('subcomponent_in', data), targets, 'in');
  },
  subcomponent_out: ([paths]) => {
    const roots = pathsOf('subcomponent_out', paths);
    return (data) => subcomponent(expectGraph('subcomponent_out', data), roots, 'out');
  },
};

function toStep(step: unknown): Step {
  const [name, ...args] = Array.isArray(step) ? (step as unknown[]) : [];
  if (typeof name !== 'string') throw new BuildError('layeringPipeline: a step is a list that begins with a name');
  if (!Object.hasOwn(STEPS, name)) {
    throw bad(name, `there is no such step; there are ${Object.keys(STEPS).join(', ')}`);
  }
  return STEPS[name]!(args);
}

function toPipeline(steps: unknown): Step {
  if (!Array.isArray(steps)) throw new BuildError('layeringPipeline: a pipeline is a list of steps');
  const all = (steps as unknown[]).map(toStep);
  return (data) => all.reduce((value, step) => step(value), data);
}

/**
 * Store paths of each layer, bottom one first.
 * @param pipeline as JSON gives it
 * @throws BuildError for a pipeline that is none, or whose steps don't fit together
 */
export function planLayers(graph: LayeringGraph, pipeline: unknown): StorePath[][] {
  const layers = flatten(toPipeline(pipeline)(graph)).map(({ nodes }) => nodes.map(({ path }) => path));
  const seen = new Set<string>();
  for (const path of layers.flat()) {
    if (seen.has(path)) throw new BuildError(`layeringPipeline puts '${path}' into two layers`);
    seen.add(path);
  }
  return layers.filter((layer) => layer.length > 0);
}
