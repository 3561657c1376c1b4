// flake.lock: a graph of inputs, each with what was asked for (original) and which tree that is (locked). Edges are
// nodes, or paths from the root that they follow. Written as Nix writes it, byte for byte.
import type { FetchSettings } from '../../eval/settings.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import { unlockedButHashed } from '../fetch-input.ts';
import { flakeRefOfAttrs, flakeRefToAttrs, sameFlakeRef, showFlakeRef, type FlakeRef } from '../flake-ref/flake-ref.ts';
import { attrsText, FLAKE_ID, intAttr, isLocked, isRelativePath, type FlakeAttrs } from '../flake-ref/schemes.ts';

const BULLET = utf8('•');
const ARROW = utf8('→');

export type InputPath = readonly string[];
/** An input of its own, or the path of the input that it follows. */
export type Edge = LockedNode | InputPath;

export interface LockNode {
  readonly inputs: Map<string, Edge>;
}

export interface LockedNode extends LockNode {
  readonly locked: FlakeRef;
  readonly original: FlakeRef;
  readonly isFlake: boolean;
  /** Of an input with a relative path: whose folder that is relative to. */
  readonly parent: InputPath | null;
}

export function isNode(edge: Edge | LockNode): edge is LockedNode {
  return 'locked' in edge;
}

/** @throws UsageError */
export function parseInputPath(text: string): InputPath {
  const path = text.split('/').filter((part) => part !== '');
  for (const part of path) {
    if (!FLAKE_ID.test(part)) throw new UsageError(`invalid flake input attribute path element '${part}'`);
  }
  return path;
}

export function showInputPath(path: InputPath): string {
  return path.join('/');
}

interface JsonNode {
  readonly inputs?: Readonly<Record<string, string | string[]>>;
  readonly locked?: object;
  readonly info?: object;
  readonly original?: object;
  readonly flake?: boolean;
  readonly parent?: string[];
}

/** @throws EvalError */
export function parseLockFile(
  text: string,
  path: string,
  settings: FetchSettings,
  warn: (message: string) => void,
): LockNode {
  let json: { version?: number; root: string; nodes: Record<string, JsonNode> };
  try {
    json = JSON.parse(text) as typeof json;
  } catch (error) {
    throw new EvalError(`Could not parse '${path}': ${(error as Error).message}`, { cause: error });
  }
  const version = json.version ?? 0;
  if (!(version >= 5 && version <= 7)) throw new EvalError(`lock file '${path}' has unsupported version ${version}`);
  const root: LockNode = { inputs: new Map() };
  const nodes = new Map<string, LockNode>([[json.root, root]]);
  const read = (node: LockNode, from: JsonNode): void => {
    for (const [id, input] of sortedEntries(from.inputs ?? {})) {
      if (Array.isArray(input)) {
        node.inputs.set(id, input);
        continue;
      }
      let child = nodes.get(input);
      if (child === undefined) {
        const source = json.nodes[input];
        if (source === undefined) throw new EvalError(`lock file references missing node '${input}'`);
        child = readNode(source, settings, warn);
        nodes.set(input, child);
        read(child, source);
      }
      if (child === root) throw new EvalError('lock file contains cycle to root node');
      node.inputs.set(id, child as LockedNode);
    }
  };
  read(root, json.nodes[json.root] ?? {});
  return root;
}

function readNode(json: JsonNode, settings: FetchSettings, warn: (message: string) => void): LockedNode {
  const locked = readRef(json, 'locked');
  const { input } = locked;
  if (!isLocked(input, settings.trustArchives) && !isRelativePath(input)) {
    if (!input.has('narHash')) {
      throw new EvalError(
        `Lock file contains unlocked input '${attrsText(input)}'. Use '--allow-dirty-locks' to accept this lock file.`,
      );
    }
    warn(unlockedButHashed(`Lock file entry '${showFlakeRef(locked)}'`));
  }
  return {
    inputs: new Map(),
    locked: { ...locked, input: new Map(input).set('__final', true) },
    original: readRef(json, 'original'),
    isFlake: json.flake ?? true,
    parent: json.parent ?? null,
  };
}

function readRef(json: JsonNode, name: 'locked' | 'original'): FlakeRef {
  const attrs = json[name];
  if (attrs === undefined) throw new EvalError(`attribute '${name}' missing in lock file`);
  // Version 5 kept what was found out apart.
  const all = name === 'locked' ? { ...attrs, ...json.info } : attrs;
  return flakeRefOfAttrs(new Map(Object.entries(all) as [string, string | number | boolean][]));
}

function sortedEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The text, without a newline at the end, and the name that each node has in it. */
export function printLockFile(root: LockNode): { readonly text: string; readonly keys: Map<LockNode, string> } {
  const keys = new Map<LockNode, string>();
  const taken = new Set<string>();
  const nodes: Record<string, object> = {};
  const dump = (name: string, node: LockNode): string => {
    const known = keys.get(node);
    if (known !== undefined) return known;
    let key = name;
    for (let n = 2; taken.has(key); n++) key = `${name}_${n}`;
    taken.add(key);
    keys.set(node, key);
    const out: Record<string, unknown> = {};
    if (node.inputs.size > 0) {
      out['inputs'] = Object.fromEntries(
        inputsByName(node).map(([id, edge]) => [id, isNode(edge) ? dump(id, edge) : edge]),
      );
    }
    if (isNode(node)) {
      const { locked, original, isFlake, parent } = node;
      out['original'] = jsonAttrs(flakeRefToAttrs(original));
      const attrs = flakeRefToAttrs(locked);
      attrs.delete('__final');
      out['locked'] = jsonAttrs(attrs);
      if (!isFlake) out['flake'] = false;
      if (parent !== null) out['parent'] = parent;
    }
    nodes[key] = sorted(out);
    return key;
  };
  const rootKey = dump('root', root);
  return { text: JSON.stringify({ nodes: sorted(nodes), root: rootKey, version: 7 }, null, 2), keys };
}

function sorted(record: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(sortedEntries(record));
}

function jsonAttrs(attrs: FlakeAttrs): object {
  return sorted(
    Object.fromEntries([...attrs].map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value])),
  );
}

export function inputsByName(node: LockNode): [string, Edge][] {
  return [...node.inputs].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The node at a path, through what is followed. @throws EvalError for cycles */
export function findInput(root: LockNode, path: InputPath, visited: string[] = []): LockNode | undefined {
  const shown = showInputPath(path);
  const seen = visited.indexOf(shown);
  if (seen >= 0) throw new EvalError(`follow cycle detected: [${[...visited.slice(seen), shown].join(' -> ')}]`);
  const trail = [...visited, shown];
  let at: LockNode = root;
  for (const id of path) {
    const edge = at.inputs.get(id);
    const next = edge === undefined ? undefined : isNode(edge) ? edge : findInput(root, edge, trail);
    if (next === undefined) return undefined;
    at = next;
  }
  return at;
}

/** Every edge by its path, in the order of paths; a node that is reached twice is entered once. */
function allInputs(root: LockNode): Map<string, readonly [InputPath, Edge]> {
  const done = new Set<LockNode>();
  const found: [InputPath, Edge][] = [];
  const visit = (prefix: InputPath, node: LockNode): void => {
    if (done.has(node)) return;
    done.add(node);
    for (const [id, edge] of inputsByName(node)) {
      const path = [...prefix, id];
      found.push([path, edge]);
      if (isNode(edge)) visit(path, edge);
    }
  };
  visit([], root);
  found.sort(([a], [b]) => comparePaths(a, b));
  return new Map(found.map((entry) => [showInputPath(entry[0]), entry]));
}

function comparePaths(a: InputPath, b: InputPath): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  return a.length - b.length;
}

/** @throws EvalError where something follows what is not there */
export function checkFollows(root: LockNode): void {
  for (const [path, [, edge]] of allInputs(root)) {
    if (isNode(edge) || edge.length === 0 || findInput(root, edge) !== undefined) continue;
    throw new EvalError(`input '${path}' follows a non-existent input '${showInputPath(edge)}'`);
  }
}

/** An input that is not locked, if there is one: such a file is not written. */
export function unlockedInput(root: LockNode, settings: FetchSettings): FlakeRef | undefined {
  for (const [, [, edge]] of allInputs(root)) {
    if (!isNode(edge)) continue;
    const { input } = edge.locked;
    const isFine = isLocked(input, settings.trustArchives) || (settings.allowDirtyLocks && input.has('narHash'));
    if (!isFine && !isRelativePath(input)) return edge.locked;
  }
  return undefined;
}

function describe(edge: Edge): string {
  if (!isNode(edge)) return `follows '${showInputPath(edge)}'`;
  const lastModified = intAttr(edge.locked.input, 'lastModified');
  const date = lastModified === undefined ? '' : ` (${new Date(lastModified * 1000).toISOString().slice(0, 10)})`;
  return `'${showFlakeRef(edge.locked)}'${date}`;
}

function sameEdge(a: Edge, b: Edge): boolean {
  if (isNode(a)) return isNode(b) && sameFlakeRef(a.locked, b.locked);
  return !isNode(b) && comparePaths(a, b) === 0;
}

/** What changed, as lines for people; byte string. */
export function diffLockFiles(before: LockNode, after: LockNode): string {
  const old = allInputs(before);
  const now = allInputs(after);
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort((a, b) => comparePaths(a.split('/'), b.split('/')));
  let out = '';
  for (const path of paths) {
    const was = old.get(path)?.[1];
    const is = now.get(path)?.[1];
    if (was === undefined) out += `${BULLET} Added input '${path}':\n    ${describe(is!)}\n`;
    else if (is === undefined) out += `${BULLET} Removed input '${path}'\n`;
    else if (!sameEdge(was, is)) {
      out += `${BULLET} Updated input '${path}':\n    ${describe(was)}\n  ${ARROW} ${describe(is)}\n`;
    }
  }
  return out;
}
