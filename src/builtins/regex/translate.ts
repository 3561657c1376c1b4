// Which patterns mean the same to JavaScript's RegExp, which is faster, and their source for it. See reference of
// differences in analyse(): whatever is not provably the same goes to the own matcher.
import { onlyByte, type ByteSet, type RegexNode } from './syntax.ts';

export interface Analysis {
  readonly nullable: boolean;
  /** Bytes that a non-empty match can begin with. */
  readonly first: ByteSet;
  /** JS finds the same match with the same groups, in a time that does not explode. */
  readonly sameInJs: boolean;
  /** Number of unbounded loops: JS takes time to the power of it in the worst case. */
  readonly loops: number;
  /** Number of items that may be there or not: JS takes two to the power of it in the worst case. */
  readonly optionals: number;
  readonly hasGroups: boolean;
  /** Every match sets every group inside. */
  readonly setsGroups: boolean;
  /** A loop over it can be divided into rounds in one way only, found without going back. */
  readonly plain: boolean;
}

const NOTHING: ByteSet = new Uint8Array(256);
const EMPTY: Analysis = {
  nullable: true,
  first: NOTHING,
  sameInJs: true,
  loops: 0,
  optionals: 0,
  hasGroups: false,
  setsGroups: true,
  plain: true,
};

function union(a: ByteSet, b: ByteSet): ByteSet {
  if (a === NOTHING || a === b) return b;
  if (b === NOTHING) return a;
  const out = new Uint8Array(256);
  for (let i = 0; i < 256; i++) out[i] = a[i]! | b[i]!;
  return out;
}

function disjoint(a: ByteSet, b: ByteSet): boolean {
  for (let i = 0; i < 256; i++) if (a[i] === 1 && b[i] === 1) return false;
  return true;
}

export function analyse(node: RegexNode): Analysis {
  switch (node.kind) {
    case 'begin':
    case 'end':
      return EMPTY;
    case 'set':
      return { ...EMPTY, nullable: false, first: node.set };
    case 'group':
      return { ...analyse(node.body), hasGroups: true };
    case 'sequence':
      return node.items.map(analyse).reduce(sequence, EMPTY);
    case 'alternatives':
      return alternatives(node.branches.map(analyse));
    case 'repeat':
      return repeat(node.min, node.max, analyse(node.body));
  }
}

function sequence(a: Analysis, b: Analysis): Analysis {
  return {
    nullable: a.nullable && b.nullable,
    first: a.nullable ? union(a.first, b.first) : a.first,
    sameInJs: a.sameInJs && b.sameInJs,
    loops: a.loops + b.loops,
    optionals: a.optionals + b.optionals,
    hasGroups: a.hasGroups || b.hasGroups,
    setsGroups: a.setsGroups && b.setsGroups,
    plain: a.plain && b.plain,
  };
}

/** The same where the first byte says which branch it is: else the longest counts here and the first there. */
function alternatives(branches: readonly Analysis[]): Analysis {
  let first: ByteSet = NOTHING;
  let decided = true;
  for (const branch of branches) {
    if (branch.nullable || !disjoint(first, branch.first)) decided = false;
    first = union(first, branch.first);
  }
  return {
    nullable: branches.some((b) => b.nullable),
    first,
    sameInJs: decided && branches.every((b) => b.sameInJs),
    loops: Math.max(...branches.map((b) => b.loops)),
    optionals: Math.max(...branches.map((b) => b.optionals)),
    hasGroups: branches.some((b) => b.hasGroups),
    setsGroups: !branches.some((b) => b.hasGroups),
    plain: decided && branches.every((b) => b.plain),
  };
}

/**
 * JS forgets groups of earlier rounds and refuses empty rounds; loops in loops may take exponential time.
 */
function repeat(min: number, max: number, body: Analysis): Analysis {
  const many = max > 1;
  const optional = min === 0;
  const same =
    body.sameInJs &&
    !body.nullable &&
    (!many || (body.plain && body.loops === 0 && (!body.hasGroups || body.setsGroups))) &&
    (max === Infinity || max <= 1000);
  return {
    nullable: body.nullable || optional,
    first: body.first,
    sameInJs: same,
    loops: body.loops + (many && max !== min ? 1 : 0),
    optionals: body.optionals + (!many && max !== min ? 1 : 0),
    hasGroups: body.hasGroups,
    setsGroups: body.setsGroups && !(optional && body.hasGroups),
    // How many rounds there are is a choice.
    plain: body.plain && min === max,
  };
}

/** JavaScript source for a pattern that analyse() found the same. */
export function toJsSource(node: RegexNode): string {
  switch (node.kind) {
    case 'begin':
      return '^';
    case 'end':
      return '$';
    case 'set':
      return setSource(node.set);
    case 'group':
      return `(${toJsSource(node.body)})`;
    case 'sequence':
      return node.items
        .map((item) => (item.kind === 'alternatives' ? `(?:${toJsSource(item)})` : toJsSource(item)))
        .join('');
    case 'alternatives':
      return node.branches.map(toJsSource).join('|');
    case 'repeat': {
      const body = toJsSource(node.body);
      const unit = node.body.kind === 'set' || node.body.kind === 'group' ? body : `(?:${body})`;
      return unit + quantifier(node.min, node.max);
    }
  }
}

function quantifier(min: number, max: number): string {
  if (max === Infinity) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  if (min === 0 && max === 1) return '?';
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function setSource(set: ByteSet): string {
  const only = onlyByte(set);
  if (only >= 0) return byteSource(only);
  const ranges: string[] = [];
  for (let c = 0; c < 256; c++) {
    if (set[c] === 0) continue;
    const start = c;
    while (c < 255 && set[c + 1] === 1) c++;
    ranges.push(start === c ? byteSource(c) : `${byteSource(start)}-${byteSource(c)}`);
  }
  return `[${ranges.join('')}]`;
}

function byteSource(c: number): string {
  const char = String.fromCharCode(c);
  return /[A-Za-z0-9]/.test(char) ? char : `\\x${c.toString(16).padStart(2, '0')}`;
}
