// A compiled pattern: matching whole strings and walking the matches in one, as std::regex_match and
// std::regex_iterator do. Patterns are compiled once.
import { Matcher, type MatchFlags } from './matcher.ts';
import { parseRegex } from './parse.ts';
import { compileRegex } from './program.ts';
import { RegexSpaceError, RegexSyntaxError, type ByteSet, type ParsedRegex, type RegexNode } from './syntax.ts';
import { analyse, toJsSource } from './translate.ts';

/** [start, end) of the match, then of each group; -1 where unmatched. Reused: copy what must last. */
export type MatchPositions = Int32Array;

/** Longest text times the number of loops for which JS is trusted to be quick. */
const JS_WORK_LIMIT = 50_000_000;
/** Most items that may be there or not for which it is. */
const JS_OPTIONALS_LIMIT = 10;
/** Longer sources are not given to JS, which refuses very large ones. */
const JS_SOURCE_LIMIT = 10_000;

const WHOLE: MatchFlags = { exact: true, notNull: false, previousAvailable: false };

export class Regex {
  readonly groups: number;
  private readonly parsed: ParsedRegex;
  private readonly jsSource: string | null;
  private readonly loops: number;
  private readonly nullable: boolean;
  private readonly endsInLoop: boolean;
  private readonly first: ByteSet;
  private whole: RegExp | null = null;
  private part: RegExp | null = null;
  private matcher: Matcher | null = null;

  /** @throws RegexSyntaxError, RegexSpaceError */
  constructor(pattern: string) {
    this.parsed = parseRegex(pattern);
    this.groups = this.parsed.groups;
    const { sameInJs, loops, optionals, nullable, first } = analyse(this.parsed.root);
    const source = sameInJs && optionals <= JS_OPTIONALS_LIMIT ? toJsSource(this.parsed.root) : null;
    this.jsSource = source === null || source.length > JS_SOURCE_LIMIT ? null : source;
    this.loops = loops;
    this.nullable = nullable;
    this.endsInLoop = endsInLoop(this.parsed.root);
    this.first = first;
  }

  private matcherOf(text: string): Matcher {
    const matcher = (this.matcher ??= new Matcher(compileRegex(this.parsed)));
    matcher.setText(text);
    return matcher;
  }

  private fitsJs(length: number): boolean {
    return this.jsSource !== null && (this.loops <= 1 || length ** this.loops <= JS_WORK_LIMIT);
  }

  /** The groups if all of `text` matches: null for one without a match in it. @throws RegexSpaceError */
  match(text: string): (string | null)[] | null {
    if (this.fitsJs(text.length)) {
      this.whole ??= new RegExp(`^(?:${this.jsSource!})$`, 's');
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
    // A loop that something follows takes JS quadratic time where no match is found.
    const isLinear = this.loops === 0 || (this.loops === 1 && this.endsInLoop);
    if (!this.nullable && this.fitsJs(text.length) && (isLinear || text.length < 5000)) {
      this.part ??= new RegExp(this.jsSource!, 'gs');
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
    this.walk(text, visit);
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
    const first = this.nullable ? null : this.first;
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
