// Which packages words of a command line mean: `hello`, `hello-2.10`, `h.*` (a regular expression, whole), `*`.
import { Regex } from '../../builtins/regex/regex.ts';
import { RegexSpaceError, RegexSyntaxError } from '../../builtins/regex/syntax.ts';
import { compareVersions } from '../../builtins/versions.ts';
import { compareBytes } from '../../util/bytes.ts';
import { parseDrvName } from '../../util/drv-name.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import type { PackageInfo } from './package-info.ts';

export class Selector {
  readonly fullName: string;
  readonly name: string;
  private readonly version: string;
  private regex: Regex | undefined;
  hits = 0;

  constructor(text: string) {
    this.fullName = text;
    ({ name: this.name, version: this.version } = parseDrvName(text));
  }

  /** @param packageName with its version. @throws UsageError for what is no regular expression */
  matches(packageName: string): boolean {
    const { name, version } = parseDrvName(packageName);
    if (this.name !== '*') {
      this.regex ??= compileRegex(this.name);
      if (this.regex.match(name) === null) return false;
    }
    return this.version === '' || this.version === version;
  }

  get isUnused(): boolean {
    return this.hits === 0 && this.fullName !== '*';
  }
}

/** @throws UsageError */
export function compileRegex(text: string): Regex {
  try {
    return new Regex(text);
  } catch (error) {
    if (error instanceof RegexSyntaxError || error instanceof RegexSpaceError)
      throw new UsageError(`invalid regular expression '${text}'`);
    throw error;
  }
}

/** How many names are proposed for one that nothing has. */
const MAX_PROPOSALS = 3;

function nothingMatches(selector: Selector, all: readonly PackageInfo[]): EvalError {
  const similar = new Set<string>();
  for (const one of all) {
    const { name } = parseDrvName(one.name);
    if (name.startsWith(selector.name)) similar.add(name);
    if (similar.size >= MAX_PROPOSALS) break;
  }
  const proposal = [...similar].sort(compareBytes).map((name) => `\n${name}`);
  return new EvalError(
    `selector '${selector.fullName}' matches no derivations${similar.size === 0 ? '' : `, maybe you meant:${proposal.join('')}`}`,
  );
}

export const priorityOf = (one: PackageInfo): number | bigint => one.metaInt('priority', 0);

/** Positive where `a` comes first: its number is smaller. */
export function comparePriorities(a: PackageInfo, b: PackageInfo): number {
  const [x, y] = [priorityOf(a), priorityOf(b)];
  return x < y ? 1 : x > y ? -1 : 0;
}

export interface SelectOptions {
  /** Of packages of one name only that of this system, of best priority, of the highest version; the first of those. */
  readonly newestOnly: boolean;
  readonly system: string;
  readonly warn: (message: string) => void;
}

/** Those that selectors (none: all) mean, in their order. @throws EvalError for a selector that matches nothing */
export function selectPackages(
  all: readonly PackageInfo[],
  words: readonly string[],
  options: SelectOptions,
): PackageInfo[] {
  const selected = new Set<PackageInfo>();
  for (const selector of (words.length === 0 ? ['*'] : words).map((word) => new Selector(word))) {
    const matches = all.filter((one) => selector.matches(one.name));
    for (const one of options.newestOnly ? newestOf(matches, options) : matches) selected.add(one);
    selector.hits = matches.length;
    if (selector.isUnused) throw nothingMatches(selector, all);
  }
  return [...selected];
}

function newestOf(matches: readonly PackageInfo[], { system, warn }: SelectOptions): PackageInfo[] {
  const newest = new Map<string, PackageInfo>();
  const multiple = new Set<string>();
  for (const one of matches) {
    const { name, version } = parseDrvName(one.name);
    const other = newest.get(name);
    const comparison = other === undefined ? 1 : compareCandidates(one, version, other, system);
    if (comparison > 0) {
      newest.set(name, one);
      multiple.delete(one.name);
    } else if (comparison === 0) multiple.add(one.name);
  }
  const sorted = [...newest].sort(([a], [b]) => compareBytes(a, b));
  for (const [name] of sorted) {
    if (multiple.has(name)) warn(`there are multiple derivations named '${name}'; using the first one`);
  }
  return sorted.map(([, one]) => one);
}

function compareCandidates(one: PackageInfo, version: string, other: PackageInfo, system: string): number {
  if (one.system !== other.system) {
    if (one.system === system) return 1;
    if (other.system === system) return -1;
  }
  return comparePriorities(one, other) || compareVersions(version, parseDrvName(other.name).version);
}
