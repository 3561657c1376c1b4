// A compiled pattern: matching whole strings and walking the matches in one, as std::regex_match and
// std::regex_iterator do. Patterns are compiled once.
import { Matcher, type MatchFlags } from './matcher.ts';
import { parseRegex } from './parse.ts';
import { plainOf, type Plain } from './plain.ts';
import { compileRegex } from './program.ts';
import { RegexSpaceError, RegexSyntaxError, type ParsedRegex, type RegexNode } from './syntax.ts';
import { analyse, toJsSource, type Analysis } from './translate.ts';

/** [start, end) of the match, then of each group; -1 where unmatched. Reused: copy what must last. */
export type MatchPositions = readonly number[];

/** Longest text times the number of loops for which JS is trusted to be quick. */
const JS_WORK_LIMIT = 50_000_000;
/** Most items that may be there or not for which it is. */
const JS_OPTIONALS_LIMIT = 10;
/** Longer sources are not given to JS, which refuses very large ones. */
const JS_SOURCE_LIMIT = 10_000;

/** JS takes longer to compile an expression than the own matcher to match a text so long once … */
const ONCE_LENGTH = 256;
/** … but that is V8's own to compile, so it is not for the first expressions. */
const FIRST_IN_JS = 32;
let madeInJs = 0;

const WHOLE: MatchFlags = { exact: true, notNull: false, previousAvailable: false };

export class Regex {
  readonly groups: number;
  private readonly parsed: ParsedRegex;
  private readonly plain: Plain | null;
  private analysis: Analysis | null = null;
  /** null: not for JS; undefined: not yet known. */
  private jsSource: string | null | undefined = undefined;
  private endsInLoop = false;
  private uses = 0;
  private whole: RegExp | null = null;
  private part: RegExp | null = null;
  private matcher: Matcher | null = null;

  /** @throws RegexSyntaxError, RegexSpaceError */
  constructor(pattern: string) {
    this.parsed = parseRegex(pattern);
    this.groups = this.parsed.groups;
    this.plain = plainOf(this.parsed.root);
  }

  private analysed(): Analysis {
    return (this.analysis ??= analyse(this.parsed.root));
  }

  private matcherOf(text: string): Matcher {
    const matcher = this.matcher ?? new Matcher(compileRegex(this.parsed));
    if (this.uses > 1) this.matcher = matcher;
    matcher.setText(text);
    return matcher;
  }

  /** Whether JS may match a text of this length, and had better. */
  private fitsJs(length: number): boolean {
    if (++this.uses === 1 && length <= ONCE_LENGTH && madeInJs >= FIRST_IN_JS) return false;
    const { sameInJs, loops, optionals } = this.analysed();
    if (this.jsSource === undefined) {
      const source = sameInJs && optionals <= JS_OPTIONALS_LIMIT ? toJsSource(this.parsed.root) : null;
      this.jsSource = source === null || source.length > JS_SOURCE_LIMIT ? null : source;
      this.endsInLoop = endsInLoop(this.parsed.root);
    }
    return this.jsSource !== null && (loops <= 1 || length ** loops <= JS_WORK_LIMIT);
  }

  /** The groups if all of `text` matches: null for one without a match in it. @throws RegexSpaceError */
  match(text: string): (string | null)[] | null {
    const known = this.plain?.matches(text);
    if (known !== undefined) return known ? [] : null;
    if (this.fitsJs(text.length)) {
      if (this.whole === null) {
        this.whole = new RegExp(`^(?:${this.jsSource!})$`, 's');
        madeInJs++;
      }
      const match = this.whole.exec(text);
      if (match === null) return null;
      const out: (string | null)[] = [];
      for (let i = 1; i < match.length; i++) out.push(match[i] ?? null);
      return out;
    }
    const matcher = this.matcherOf(text);
    const groups = matcher.matchAt(0, WHOLE) ? groupsOf(text, matcher.result) : null;
    matcher.release();
    return groups;
  }

  /** Calls `visit` for each match, left to right. @throws RegexSpaceError */
  forEachMatch(text: string, visit: (start: number, end: number, groups: (string | null)[]) => void): void {
    if (this.plain?.isLiteral === true) {
      const { literal } = this.plain;
      for (let at = text.indexOf(literal); at >= 0; at = text.indexOf(literal, at + literal.length)) {
        visit(at, at + literal.length, []);
      }
      return;
    }
    if (this.fitsJs(text.length)) {
      const { nullable, loops } = this.analysed();
      // A loop that something follows takes JS quadratic time where no match is found.
      const isLinear = loops === 0 || (loops === 1 && this.endsInLoop);
      if (!nullable && (isLinear || text.length < 5000)) {
        this.visitInJs(text, visit);
        return;
      }
    }
    this.walk(text, visit);
  }

  private visitInJs(text: string, visit: (start: number, end: number, groups: (string | null)[]) => void): void {
    if (this.part === null) {
      this.part = new RegExp(this.jsSource!, 'gs');
      madeInJs++;
    }
    const { part } = this;
    part.lastIndex = 0;
    for (;;) {
      const match = part.exec(text);
      if (match === null) return;
      const groups: (string | null)[] = [];
      for (let i = 1; i < match.length; i++) groups.push(match[i] ?? null);
      visit(match.index, match.index + match[0].length, groups);
    }
  }

  private walk(text: string, visit: (start: number, end: number, groups: (string | null)[]) => void): void {
    const matcher = this.matcherOf(text);
    this.walkWith(matcher, text, visit);
    matcher.release();
  }

  private walkWith(
    matcher: Matcher,
    text: string,
    visit: (start: number, end: number, groups: (string | null)[]) => void,
  ): void {
    const { nullable, first: firstBytes } = this.analysed();
    const first = nullable ? null : firstBytes;
    if (!matcher.search(0, false, first)) return;
    let previousAvailable = false;
    for (;;) {
      const start = matcher.result[0]!;
      let at = matcher.result[1]!;
      visit(start, at, groupsOf(text, matcher.result));
      if (start === at) {
        if (at === text.length) return;
        if (matcher.matchAt(at, { exact: false, notNull: true, previousAvailable })) continue;
        at++;
      }
      previousAvailable = true;
      if (!matcher.search(at, true, first)) return;
    }
  }
}

/** Nothing can fail behind its last loop. */
function endsInLoop(node: RegexNode): boolean {
  switch (node.kind) {
    case 'group':
      return endsInLoop(node.body);
    case 'sequence':
      return node.items.length > 0 && endsInLoop(node.items.at(-1)!);
    case 'repeat':
      return node.body.kind === 'set';
    default:
      return false;
  }
}

function groupsOf(text: string, positions: MatchPositions): (string | null)[] {
  const out: (string | null)[] = [];
  for (let i = 2; i < positions.length; i += 2) {
    out.push(positions[i]! < 0 ? null : text.slice(positions[i], positions[i + 1]));
  }
  return out;
}

const cache = new Map<string, Regex | RegexSyntaxError | RegexSpaceError>();
const CACHE_LIMIT = 10_000;

/** The compiled pattern. @throws RegexSyntaxError, RegexSpaceError */
export function regexOf(pattern: string): Regex {
  let known = cache.get(pattern);
  if (known === undefined) {
    known = compile(pattern);
    if (cache.size >= CACHE_LIMIT) cache.clear();
    cache.set(pattern, known);
  }
  if (known instanceof Error) throw known;
  return known;
}

function compile(pattern: string): Regex | RegexSyntaxError | RegexSpaceError {
  try {
    return new Regex(pattern);
  } catch (error) {
    if (error instanceof RegexSyntaxError || error instanceof RegexSpaceError) return error;
    // Parentheses nested beyond the host's stack.
    if (error instanceof RangeError) return new RegexSpaceError();
    throw error;
  }
}
