// Flake registries: what `nixpkgs` or `flake:nixpkgs/branch` means. What the command line says, the user's file, the
// system's, and the global one (a file or a URL), in that order; the first entry that fits wins, and is looked up in turn.
import type { Evaluator } from '../../eval/evaluator.ts';
import { jsonObject, jsonString } from '../../store/json.ts';
import { EvalError, NixError } from '../../util/errors.ts';
import { optional, sameAttrs, showInput, type FlakeAttrs } from './schemes.ts';

export interface RegistryEntry {
  readonly from: FlakeAttrs;
  readonly to: FlakeAttrs;
  /** Folder of the flake in `to`. */
  readonly dir: string | undefined;
  readonly exact: boolean;
}

/** `limited`: only the command line's and the global registry, for inputs of flakes must mean the same to everybody. */
export type RegistryUse = 'all' | 'limited';

const MAX_STEPS = 100;
const registries = new WeakMap<Evaluator, Map<string, readonly RegistryEntry[]>>();

/** What the command line says. */
const FLAGS = 'flags' as const;

/** Takes effect before all registries, and after what was said before. */
export function overrideRegistry(ev: Evaluator, from: FlakeAttrs, to: FlakeAttrs, dir = ''): void {
  const known = registriesOf(ev);
  const entry = { from, to, dir: dir === '' ? undefined : dir, exact: false };
  known.set(FLAGS, [...(known.get(FLAGS) ?? []), entry]);
}

function registriesOf(ev: Evaluator): Map<string, readonly RegistryEntry[]> {
  let known = registries.get(ev);
  if (known === undefined) registries.set(ev, (known = new Map([[FLAGS, []]])));
  return known;
}

function attrsOf(json: unknown): FlakeAttrs {
  return new Map(Object.entries(json as Record<string, string | number | boolean>));
}

/** @throws EvalError, SyntaxError */
export function parseRegistry(text: string, path: string): RegistryEntry[] {
  const json = JSON.parse(text) as { version?: number; flakes?: unknown };
  if (json.version !== 2) {
    throw new EvalError(`flake registry '${path}' has unsupported version ${json.version ?? 0}`);
  }
  const flakes = (json.flakes ?? []) as { from: unknown; to: unknown; exact?: unknown }[];
  return flakes.map(({ from, to, exact }) => {
    const target = attrsOf(to);
    const dir = optional(target, 'dir');
    target.delete('dir');
    return { from: attrsOf(from), to: target, dir, exact: exact === true };
  });
}

/** As Nix writes them, compact. */
export function printRegistry(entries: readonly RegistryEntry[]): string {
  const attrs = (set: FlakeAttrs): string =>
    jsonObject(
      new Map([...set].map(([name, value]) => [name, typeof value === 'string' ? jsonString(value) : String(value)])),
    );
  const flakes = entries.map(({ from, to, dir, exact }) => {
    const target = dir === undefined ? to : new Map(to).set('dir', dir);
    return jsonObject(
      new Map([['from', attrs(from)], ['to', attrs(target)], ...(exact ? ([['exact', 'true']] as const) : [])]),
    );
  });
  return jsonObject(
    new Map([
      ['flakes', `[${flakes.join(',')}]`],
      ['version', '2'],
    ]),
  );
}

/** All registries, those that win first. */
export function listRegistries(
  ev: Evaluator,
): { readonly kind: 'flags' | 'user' | 'system' | 'global'; readonly entries: readonly RegistryEntry[] }[] {
  const {
    registries: [user = '', system = ''],
    globalRegistry,
  } = ev.settings.fetch;
  const all = [
    [FLAGS, FLAGS] as const,
    ['user', user] as const,
    ['system', system] as const,
    ['global', globalRegistry] as const,
  ];
  return all.flatMap(([kind, place]) => (place === '' ? [] : [{ kind, entries: readRegistry(ev, place) }]));
}

function readRegistry(ev: Evaluator, place: string): readonly RegistryEntry[] {
  const known = registriesOf(ev);
  let entries = known.get(place);
  if (entries === undefined) {
    const path = place.startsWith('/')
      ? place
      : ev.io.fetchUrl({ url: place, name: 'flake-registry.json', unpack: false, isKept: true }).storePath;
    const text = place.startsWith('/') ? (ev.io.readRegistry?.(path) ?? null) : ev.io.readFile(path);
    entries = [];
    try {
      if (text !== null) entries = parseRegistry(text, path);
    } catch (error) {
      const verb = error instanceof NixError ? 'read' : 'parse';
      ev.io.log(`warning: cannot ${verb} flake registry '${path}': ${(error as Error).message}`);
    }
    known.set(place, entries);
  }
  return entries;
}

/** Whether `from` is the input, but for the branch and the revision that the input adds. */
function fits(from: FlakeAttrs, input: FlakeAttrs): boolean {
  if (sameAttrs(from, input)) return true;
  const bare = new Map(input);
  bare.delete('ref');
  bare.delete('rev');
  return sameAttrs(from, bare);
}

function withOverrides(to: FlakeAttrs, ref: string | undefined, rev: string | undefined): FlakeAttrs {
  if (ref === undefined && rev === undefined) return to;
  const type = String(to.get('type'));
  const isArchive = ['github', 'gitlab', 'sourcehut'].includes(type);
  if (!isArchive && !['git', 'hg', 'indirect'].includes(type)) {
    throw new EvalError(
      ref !== undefined
        ? `don't know how to set branch/tag name of input '${showInput(to)}' to '${ref}'`
        : `don't know how to set revision of input '${showInput(to)}' to '${rev!}'`,
    );
  }
  if (isArchive && ref !== undefined && rev !== undefined) {
    throw new EvalError(
      `cannot apply both a commit hash (${rev}) and a branch/tag name ('${ref}') to input '${showInput(to)}'`,
    );
  }
  const input = new Map(to);
  if (rev !== undefined) {
    input.set('rev', rev);
    if (isArchive) input.delete('ref');
  }
  if (ref !== undefined) {
    input.set('ref', ref);
    if (isArchive) input.delete('rev');
  }
  if (type === 'git' && input.has('rev') && !input.has('ref')) {
    throw new EvalError(`Git input '${showInput(input)}' has a commit hash but no branch/tag name`);
  }
  return input;
}

/** @throws EvalError where no registry knows the input */
export function resolveInRegistries(
  ev: Evaluator,
  start: FlakeAttrs,
  use: RegistryUse,
): { readonly input: FlakeAttrs; readonly dir: string | undefined } {
  const { fetch } = ev.settings;
  const places = [FLAGS, ...(use === 'all' ? fetch.registries : []), fetch.globalRegistry].filter(
    (place) => place !== '',
  );
  let input = start;
  let dir: string | undefined;
  for (let step = 0; step < MAX_STEPS; step++) {
    const found = findEntry(ev, places, input);
    if (found === undefined) {
      if (input.get('type') !== 'indirect') return { input, dir };
      throw new EvalError(`cannot find flake '${showInput(input)}' in the flake registries`);
    }
    const { from, to, exact } = found;
    const added = (name: string): string | undefined => (exact || from.has(name) ? undefined : optional(input, name));
    input = withOverrides(to, added('ref'), added('rev'));
    ({ dir } = found);
  }
  throw new EvalError(`cycle detected in flake registry for '${showInput(input)}'`);
}

function findEntry(ev: Evaluator, places: readonly string[], input: FlakeAttrs): RegistryEntry | undefined {
  for (const place of places) {
    // What is a place already needs no download of a registry.
    if (input.get('type') !== 'indirect' && place !== FLAGS && !place.startsWith('/')) continue;
    for (const entry of readRegistry(ev, place)) {
      if (entry.exact ? sameAttrs(entry.from, input) : fits(entry.from, input)) return entry;
    }
  }
  return undefined;
}
