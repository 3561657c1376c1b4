// What `nix-store --query` answers, as data or as the lines that it prints. Order is Nix's: dependencies first, ties by
// path.
import { StoreError } from '../util/errors.ts';
import { compareBytes, utf8 } from '../util/bytes.ts';
import type { Derivation } from './derivation.ts';
import { staticOutputPath } from './derivation.ts';
import { printDigest } from './hash.ts';
import { topologicalSort } from './references.ts';
import { baseName, isDerivationPath, storePathName } from './store-path.ts';
import type { PathInfo, StorePath } from './store.ts';

/** The part of a store that queries need. */
export interface QueryStore {
  readonly storeDir: string;
  isValidPath(path: StorePath): boolean;
  pathInfo(path: StorePath): PathInfo | undefined;
  referrers(path: StorePath): StorePath[];
  validDerivers(path: StorePath): StorePath[];
  derivationOutputs(drvPath: StorePath): Map<string, StorePath>;
  readDerivation(drvPath: StorePath): Derivation;
  /** Paths and all that they refer to, with the references of each, at once; undefined where one is not valid. */
  referenceGraph?(paths: readonly StorePath[]): ReadonlyMap<StorePath, readonly StorePath[]> | undefined;
}

/** @throws StoreError where the path is not valid */
export function requirePathInfo(store: Pick<QueryStore, 'pathInfo'>, path: StorePath): PathInfo {
  const info = store.pathInfo(path);
  if (info === undefined) throw new StoreError(`path '${path}' is not valid`);
  return info;
}

/** @throws StoreError where the derivation is not valid */
export function requireDerivation(
  store: Pick<QueryStore, 'isValidPath' | 'readDerivation'>,
  drvPath: StorePath,
): Derivation {
  if (!store.isValidPath(drvPath)) throw new StoreError(`path '${drvPath}' does not exist and cannot be created`);
  return store.readDerivation(drvPath);
}

export interface ClosureOptions {
  /** Follow referrers in place of references. */
  readonly flip?: boolean;
  readonly includeOutputs?: boolean;
  readonly includeDerivers?: boolean;
}

/** Everything reachable, the paths themselves too; as Nix's computeFSClosure(). */
export function computeClosure(
  store: QueryStore,
  paths: Iterable<StorePath>,
  options: ClosureOptions = {},
): Set<StorePath> {
  const { flip = false, includeOutputs = false, includeDerivers = false } = options;
  const seen = new Set(paths);
  if (!flip && !includeOutputs && !includeDerivers) {
    const graph = store.referenceGraph?.([...seen]);
    if (graph !== undefined) return new Set(graph.keys());
  }
  const outputsOf = (drvPath: StorePath): StorePath[] => [...store.derivationOutputs(drvPath).values()];
  for (const path of seen) {
    if (flip) {
      for (const referrer of store.referrers(path)) seen.add(referrer);
      if (includeOutputs) for (const deriver of store.validDerivers(path)) seen.add(deriver);
      if (includeDerivers && isDerivationPath(path)) {
        for (const output of outputsOf(path)) if (store.pathInfo(output)?.deriver === path) seen.add(output);
      }
      continue;
    }
    const info = requirePathInfo(store, path);
    for (const reference of info.references) seen.add(reference);
    if (includeOutputs && isDerivationPath(path)) {
      for (const output of outputsOf(path)) if (store.isValidPath(output)) seen.add(output);
    }
    if (includeDerivers && info.deriver !== null && store.isValidPath(info.deriver)) seen.add(info.deriver);
  }
  return seen;
}

/** Valid paths in the order that nix-store prints them. */
export function sortPaths(store: QueryStore, paths: Iterable<StorePath>): StorePath[] {
  const sorted = [...new Set(paths)].sort();
  // Worth it for many: their closure may be larger than they are.
  const graph = sorted.length > 100 ? store.referenceGraph?.(sorted) : undefined;
  return topologicalSort(sorted, (path) => graph?.get(path) ?? requirePathInfo(store, path).references);
}

/** Closures in the order of sortPaths(), found and sorted in one go. */
function sortedClosure(store: QueryStore, paths: readonly StorePath[]): StorePath[] {
  const graph = store.referenceGraph?.(paths);
  if (graph === undefined) return sortPaths(store, computeClosure(store, paths));
  return topologicalSort([...graph.keys()].sort(), (path) => graph.get(path)!);
}

export type SetQuery = 'references' | 'referrers' | 'referrersClosure' | 'requisites' | 'validDerivers';

/** `-q --references`, `--referrers`, `--referrers-closure`, `--requisites`, `--valid-derivers`. */
export function querySet(
  store: QueryStore,
  query: SetQuery,
  paths: readonly StorePath[],
  includeOutputs = false,
): StorePath[] {
  if (query === 'requisites' && !includeOutputs) return sortedClosure(store, paths);
  const found = new Set<StorePath>();
  const add = (more: Iterable<StorePath>): void => {
    for (const path of more) found.add(path);
  };
  for (const path of paths) {
    switch (query) {
      case 'references':
        add(requirePathInfo(store, path).references);
        break;
      case 'referrers':
        add(store.referrers(path));
        break;
      case 'referrersClosure':
        add(computeClosure(store, [path], { flip: true }));
        break;
      case 'requisites':
        add(computeClosure(store, [path], { includeOutputs }));
        break;
      case 'validDerivers':
        add(store.validDerivers(path));
        break;
    }
  }
  return sortPaths(store, found);
}

/** `-q --outputs`: of a derivation its outputs, of anything else itself. */
export function queryOutputs(store: QueryStore, path: StorePath): StorePath[] {
  if (!isDerivationPath(path)) return [path];
  return [...requireDerivation(store, path).outputs.values()]
    .map((output) => {
      const output_ = staticOutputPath(output);
      if (output_ === undefined) {
        throw new StoreError(
          'Cannot use output path of floating content-addressing derivation until we know what it is (e.g. by building it)',
        );
      }
      return output_;
    })
    .sort();
}

/** `-q --deriver`. */
export function queryDeriver(store: QueryStore, path: StorePath): string {
  return requirePathInfo(store, path).deriver ?? 'unknown-deriver';
}

/** `-q --hash`. */
export function queryHash(store: QueryStore, path: StorePath): string {
  return `sha256:${printDigest(requirePathInfo(store, path).narHash, 'nix32')}`;
}

/** `-q --binding NAME`: a variable of the derivation, or of the path's deriver. */
export function queryBinding(store: QueryStore, path: StorePath, name: string): string {
  let drvPath = path;
  if (!isDerivationPath(path)) {
    const { deriver } = requirePathInfo(store, path);
    if (deriver === null) throw new StoreError(`deriver of path '${path}' is not known`);
    drvPath = deriver;
  }
  const value = requireDerivation(store, drvPath).env.get(name);
  if (value === undefined) {
    throw new StoreError(`derivation '${drvPath}' has no environment binding named '${name}'`);
  }
  return value;
}

/** `-q --tree`, as lines (byte strings). What was printed already is only named, `[...]`. */
export function treeLines(store: QueryStore, paths: readonly StorePath[]): string[] {
  const lines: string[] = [];
  const done = new Set<StorePath>();
  const [connector, lastConnector, line, blank] = ['├───', '└───', '│   ', '    '].map(utf8) as [
    string,
    string,
    string,
    string,
  ];
  const print = (path: StorePath, firstPad: string, tailPad: string): void => {
    if (done.has(path)) {
      lines.push(`${firstPad}${path} [...]`);
      return;
    }
    done.add(path);
    lines.push(firstPad + path);
    // What others of them need comes first: it keeps the tree flat.
    const references = sortPaths(store, requirePathInfo(store, path).references);
    references.forEach((reference, i) => {
      const last = i === references.length - 1;
      print(reference, tailPad + (last ? lastConnector : connector), tailPad + (last ? blank : line));
    });
  };
  for (const path of paths) print(path, '', '');
  return lines;
}

/** Visits the closure of `roots`, always the least path next. */
function walkGraph(store: QueryStore, roots: readonly StorePath[], visit: (info: PathInfo) => void): void {
  const work = new Set(roots);
  const done = new Set<StorePath>();
  while (work.size > 0) {
    let least: StorePath | undefined;
    for (const path of work) if (least === undefined || path < least) least = path;
    const path = least!;
    work.delete(path);
    done.add(path);
    const info = requirePathInfo(store, path);
    visit(info);
    for (const reference of info.references) if (reference !== path && !done.has(reference)) work.add(reference);
  }
}

const colours = ['black', 'red', 'green', 'blue', 'magenta', 'burlywood'];

/** `-q --graph`: GraphViz. */
export function dotGraph(store: QueryStore, roots: readonly StorePath[]): string {
  let text = 'digraph G {\n';
  let colour = 0;
  walkGraph(store, roots, (info) => {
    const id = baseName(info.path);
    text += `"${id}" [label = "${storePathName(info.path)}", shape = box, style = filled, fillcolor = "#ff0000"];\n`;
    for (const reference of info.references) {
      if (reference === info.path) continue;
      text += `"${baseName(reference)}" -> "${id}" [color = "${colours[colour++ % colours.length]!}"];\n`;
    }
  });
  return `${text}}\n`;
}

/** The part of a name that says what it is: `hello-` of `hello-1.0`. Nix quirk: '' where there is no dash. */
function symbolicName(name: string): string {
  return name.slice(0, name.indexOf('-') + 1);
}

/** `-q --graphml`. */
export function graphMl(store: QueryStore, roots: readonly StorePath[]): string {
  let text = `<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns='http://graphml.graphdrawing.org/xmlns'
    xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'
    xsi:schemaLocation='http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd'>
<key id='narSize' for='node' attr.name='narSize' attr.type='long'/>\
<key id='name' for='node' attr.name='name' attr.type='string'/>\
<key id='type' for='node' attr.name='type' attr.type='string'/>\
<graph id='G' edgedefault='directed'>
`;
  walkGraph(store, roots, (info) => {
    const id = baseName(info.path);
    text +=
      `  <node id="${id}">\n    <data key="narSize">${String(info.narSize)}</data>\n` +
      `    <data key="name">${symbolicName(storePathName(info.path))}</data>\n` +
      `    <data key="type">${isDerivationPath(info.path) ? 'derivation' : 'output-path'}</data>\n  </node>\n`;
    for (const reference of info.references) {
      if (reference !== info.path) text += `  <edge source="${id}" target="${baseName(reference)}"/>\n`;
    }
  });
  return `${text}</graph>\n</graphml>\n`;
}

/** `--dump-db`, or `--register-validity`'s input: the registration of these (or all) paths. */
export function printRegistration(
  store: QueryStore,
  paths: Iterable<StorePath>,
  options: { readonly showDerivers?: boolean; readonly showHash?: boolean } = {},
): string {
  const { showDerivers = true, showHash = true } = options;
  let text = '';
  for (const path of [...paths].sort(compareBytes)) {
    const info = requirePathInfo(store, path);
    text += `${path}\n`;
    if (showHash) text += `${printDigest(info.narHash, 'base16')}\n${String(info.narSize)}\n`;
    text += `${showDerivers ? (info.deriver ?? '') : ''}\n${String(info.references.length)}\n`;
    for (const reference of info.references) text += `${reference}\n`;
  }
  return text;
}
