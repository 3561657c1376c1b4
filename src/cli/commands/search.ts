// `tsnix search`: packages whose attribute path, name or description match regular expressions.
import { Regex } from '../../builtins/regex/regex.ts';
import { RegexSpaceError, RegexSyntaxError } from '../../builtins/regex/syntax.ts';
import { autoCall } from '../../eval/auto-call.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import { ContextString, type Slot, type Value } from '../../eval/value.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError, TypeMismatchError, UsageError } from '../../util/errors.ts';
import { parseDrvName } from '../../util/drv-name.ts';
import { intern } from '../../util/symbols.ts';
import type { Config } from '../config.ts';
import { isDerivation } from '../derivations.ts';
import { FLAKE_FLAGS, loadFlakeArguments, preferPure } from '../flake-installable.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { print } from '../output.ts';
import { JSON_FLAGS, printJson, type JsonValue } from '../print-json.ts';
import { Session } from '../session.ts';
import { sourcesOf } from './sources.ts';

export const FLAGS: readonly Flag[] = [
  flag('exclude', 'leave out what matches REGEX', { short: 'e', args: ['REGEX'] }),
  flag('file', 'search in FILE', { short: 'f', args: ['FILE'] }),
  flag('expr', 'search in what EXPR evaluates to', { short: 'E', args: ['EXPR'] }),
  ...JSON_FLAGS,
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...COMMON_FLAGS,
];

const [BOLD, GREEN, NORMAL] = ['\x1b[0;1m', '\x1b[32;1m', '\x1b[0m'];

export async function search(argv: readonly string[], config: Config): Promise<number> {
  config.nixCommand = true; // its first argument is an installable
  const flags = parseFlags(argv, FLAGS, config);
  const [installable = '.', ...patterns] = flags.positionals;
  if (!config.isSet('allow-import-from-derivation')) config.set('allow-import-from-derivation', 'false');
  preferPure(flags, config);
  if (patterns.length === 0) {
    throw new UsageError("Must provide at least one regex! To match all packages, use 'nix search <installable> ^'.");
  }
  const session = new Session({ config, flags, readOnly: true });
  try {
    const found = new Search(session, patterns.map(compile), flags.list('exclude').map(compile), flags.has('json'));
    for (const [slot, path] of roots(session, installable)) found.visit(slot, path, true);
    if (flags.has('json')) printJson(found.json, flags);
    else if (found.count === 0) throw new EvalError('no results for the given search term(s)!');
    return 0;
  } finally {
    await session.close();
  }
}

/** What is searched: attributes of a file or an expression, or a flake's packages, with where the flake has them. */
function* roots(session: Session, installable: string): Generator<readonly [Slot, readonly string[]], void> {
  const { evaluator: ev, flags, config } = session;
  if (flags.has('file') || flags.has('expr')) {
    const [source] = sourcesOf(session, true, [installable]);
    const { slot } = findAlongAttrPath(ev, utf8(source!.attrPaths[0]!), source!.load(), session.calls());
    yield [autoCall(ev, slot, session.calls()), []];
    return;
  }
  const places = [`packages.${config.system}`, `legacyPackages.${config.system}`];
  const attributes = { defaults: places, prefixes: places.map((place) => `${place}.`) };
  for (const { value, attrPath } of loadFlakeArguments(ev, installable, flags, config, attributes)) {
    yield [value, attrPath.split('.')];
  }
}

/** A POSIX extended expression; case does not matter. @throws UsageError */
function compile(pattern: string): Regex {
  try {
    return new Regex(lowerCase(utf8(pattern)).replaceAll('[:upper:]', '[:alpha:]'));
  } catch (error) {
    if (!(error instanceof RegexSyntaxError || error instanceof RegexSpaceError)) throw error;
    throw new UsageError(`invalid regular expression '${utf8(pattern)}'`, { cause: error });
  }
}

/** Of ASCII letters: texts are bytes. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function spansOf(regex: Regex, text: string): Span[] {
  const spans: Span[] = [];
  regex.forEachMatch(lowerCase(text), (start, end) => spans.push({ start, end }));
  return spans;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

class Search {
  readonly json = new Map<string, JsonValue>();
  count = 0;
  private readonly session: Session;
  private readonly wanted: readonly Regex[];
  private readonly unwanted: readonly Regex[];
  private readonly quiet: boolean;

  constructor(session: Session, wanted: readonly Regex[], unwanted: readonly Regex[], quiet: boolean) {
    this.session = session;
    this.wanted = wanted;
    this.unwanted = unwanted;
    this.quiet = quiet;
  }

  visit(slot: Slot, path: readonly string[], isRoot = false): void {
    const { evaluator: ev } = this.session;
    const [kind] = path;
    try {
      const value = ev.force(slot);
      if (isDerivation(ev, value)) {
        this.package(value, path.join('.'));
        return;
      }
      const isSet = path.length === 0 || (path.length <= 2 && (kind === 'legacyPackages' || kind === 'packages'));
      if (!isSet && !isRoot && !(kind === 'legacyPackages' && this.recurses(value))) return;
      if (!(value instanceof Attrs)) throw new TypeMismatchError(`'${path.join('.')}' is not an attribute set`);
      value.forEachByName((name, member) => this.visit(member, [...path, name]));
    } catch (error) {
      if (!(error instanceof EvalError && kind === 'legacyPackages')) throw error;
    }
  }

  private recurses(value: Value): boolean {
    const slot = value instanceof Attrs ? value.get(intern('recurseForDerivations')) : undefined;
    return slot !== undefined && this.session.evaluator.expectBool(slot, 0, '');
  }

  private text(set: Attrs, name: string): string | undefined {
    const slot = set.get(intern(name));
    if (slot === undefined) return undefined;
    const value = this.session.evaluator.force(slot);
    if (value instanceof ContextString) return value.text;
    if (typeof value === 'string') return value;
    throw new TypeMismatchError(`'${name}' is not a string but ${this.session.evaluator.showType(value)}`);
  }

  private package(drv: Attrs, path: string): void {
    const { evaluator: ev } = this.session;
    const { name, version } = parseDrvName(this.text(drv, 'name') ?? '');
    const metaSlot = drv.get(intern('meta'));
    const meta = metaSlot === undefined ? undefined : ev.force(metaSlot);
    const description = ((meta instanceof Attrs ? this.text(meta, 'description') : undefined) ?? '').replace(
      /\n/g,
      ' ',
    );
    const texts = [path, name, description];
    if (this.unwanted.some((regex) => texts.some((text) => spansOf(regex, text).length > 0))) return;
    const matches: Span[][] = [[], [], []];
    for (const regex of this.wanted) {
      const spans = texts.map((text) => spansOf(regex, text));
      if (spans.every((found) => found.length === 0)) return;
      spans.forEach((found, i) => matches[i]!.push(...found));
    }
    this.count++;
    if (this.quiet) {
      this.json.set(path, { pname: name, version, description });
      return;
    }
    const shownVersion = version === '' ? '' : ` (${version})`;
    if (this.count > 1) print('\n');
    print(`* ${BOLD}${highlight(path, matches[0]!, BOLD)}${NORMAL}${shownVersion}\n`);
    if (description !== '') print(`  ${highlight(description, matches[2]!, NORMAL)}\n`);
  }
}

/** Marks what matched; what touches is one. */
function highlight(text: string, matches: readonly Span[], after: string): string {
  let out = '';
  let last = 0;
  const spans = matches.toSorted((a, b) => a.start - b.start);
  for (let i = 0; i < spans.length;) {
    const { start } = spans[i]!;
    let { end } = spans[i]!;
    for (i++; i < spans.length && spans[i]!.start <= end; i++) end = Math.max(end, spans[i]!.end);
    out += `${text.slice(last, start)}${GREEN}${text.slice(start, end)}${after}`;
    last = end;
  }
  return out + text.slice(last);
}
