// Why a store path is another one: the derivations that made both, compared input by input down to where they begin to
// differ, as far as this machine's store still has them.
import type { Derivation } from '../../store/derivation.ts';
import { parseDrvName } from '../../util/drv-name.ts';
import { utf8 } from '../../util/bytes.ts';
import { storePathName } from '../../store/store-path.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';

/** The part of a store that is asked. */
export interface DerivationSource {
  pathInfo(path: StorePath): PathInfo | undefined;
  isValidPath(path: StorePath): boolean;
  readDerivation(drvPath: StorePath): Derivation;
}

export interface DerivationChange {
  /** Of the derivation; byte string. */
  readonly name: string;
  readonly before: StorePath;
  readonly after: StorePath;
  /** What is different in it that is no input: `builder`, `args`, `env.NAME`, `source NAME`; with both values. */
  readonly changes: readonly { readonly what: string; readonly before: string; readonly after: string }[];
  /** Names of derivations that lead from the path that was asked for to this one. */
  readonly through: readonly string[];
}

export interface WhyChanged {
  /** Where it begins; nothing where nobody knows. */
  readonly causes: readonly DerivationChange[];
  /** Inputs that cannot be looked into, because the store has no such derivations any more. */
  readonly unknown: readonly string[];
}

/** More is no answer any more. */
const MAX_CAUSES = 20;
const MAX_VALUE = 200;

function shorten(text: string): string {
  return text.length <= MAX_VALUE ? text : text.slice(0, MAX_VALUE) + utf8('…');
}

/** Name of a store path's package: without hash, version and `.drv`. */
function packageOf(name: string): string {
  return parseDrvName(name.replace(/\.drv$/, '')).name;
}

/** A text with inputs named by their packages alone: what differs only by their hashes and versions follows from them. */
function withoutInputs(text: string): string {
  return text
    .replace(/[0-9a-df-np-sv-z]{32}-([0-9A-Za-z+\-._?=]+)/g, (_, name: string) => packageOf(name))
    .replace(/\/[0-9a-df-np-sv-z]{52}/g, '');
}

class Comparison {
  readonly causes: DerivationChange[] = [];
  readonly unknown = new Set<string>();
  readonly #store: DerivationSource;
  readonly #seen = new Set<string>();

  constructor(store: DerivationSource) {
    this.#store = store;
  }

  /** @returns whether a cause was found in it or below */
  compare(before: StorePath, after: StorePath, through: readonly string[]): boolean {
    if (before === after || this.causes.length >= MAX_CAUSES) return false;
    const key = `${before} ${after}`;
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    if (!this.#store.isValidPath(before) || !this.#store.isValidPath(after)) {
      this.unknown.add(storePathName(after).replace(/\.drv$/, ''));
      return false;
    }
    const [old, made] = [this.#store.readDerivation(before), this.#store.readDerivation(after)];
    const changes = this.#own(old, made);
    if (changes.length > 0) this.causes.push({ name: made.name, before, after, changes, through });
    const found = this.#inputs(old, made, [...through, made.name]);
    return changes.length > 0 || found;
  }

  #inputs(old: Derivation, made: Derivation, through: readonly string[]): boolean {
    const byName = new Map<string, StorePath[]>();
    for (const drvPath of old.inputDrvs.keys()) {
      if (made.inputDrvs.has(drvPath)) continue;
      const name = packageOf(storePathName(drvPath));
      byName.set(name, [...(byName.get(name) ?? []), drvPath]);
    }
    let found = false;
    for (const drvPath of made.inputDrvs.keys()) {
      if (old.inputDrvs.has(drvPath)) continue;
      const same = byName.get(packageOf(storePathName(drvPath)))?.shift();
      if (same !== undefined && this.compare(same, drvPath, through)) found = true;
    }
    return found;
  }

  /** Differences that are not only other hashes of inputs. */
  #own(old: Derivation, made: Derivation): DerivationChange['changes'][number][] {
    const changes: DerivationChange['changes'][number][] = [];
    const outputs = new Set([...old.outputs.keys(), ...made.outputs.keys()]);
    const compare = (what: string, before: string, after: string): void => {
      if (withoutInputs(before) !== withoutInputs(after)) {
        changes.push({ what, before: shorten(before), after: shorten(after) });
      }
    };
    compare('system', old.system, made.system);
    compare('builder', old.builder, made.builder);
    compare('args', old.args.join(' '), made.args.join(' '));
    for (const name of [...new Set([...old.env.keys(), ...made.env.keys()])].sort()) {
      if (!outputs.has(name)) compare(`env.${name}`, old.env.get(name) ?? '', made.env.get(name) ?? '');
    }
    const names = (drv: Derivation): string =>
      [...drv.inputDrvs.keys()]
        .map((path) => packageOf(storePathName(path)))
        .sort()
        .join(' ');
    compare('inputs', names(old), names(made));
    // Sources of one name with other contents.
    const sources = new Set<string>(old.inputSrcs);
    for (const source of made.inputSrcs) {
      if (sources.has(source)) continue;
      const before = old.inputSrcs.find(
        (other) => storePathName(other) === storePathName(source) && !made.inputSrcs.includes(other),
      );
      changes.push({ what: `source ${storePathName(source)}`, before: before ?? '', after: source });
    }
    for (const [name, output] of made.outputs) {
      const other = old.outputs.get(name);
      if (output.kind !== 'fixed' || other?.kind !== 'fixed') continue;
      const [a, b] = [other, output].map(({ hash }) => Buffer.from(hash).toString('hex'));
      if (a !== b) changes.push({ what: `hash of output ${name}`, before: a!, after: b! });
    }
    return changes;
  }
}

/** Undefined where the store does not know what made one of them. */
export function whyChanged(store: DerivationSource, before: StorePath, after: StorePath): WhyChanged | undefined {
  const derivers = [before, after].map((path) => store.pathInfo(path)?.deriver ?? null);
  const [old, made] = derivers;
  if (old == null || made == null) return undefined;
  const comparison = new Comparison(store);
  comparison.compare(old, made, []);
  return { causes: comparison.causes, unknown: [...comparison.unknown].sort() };
}
