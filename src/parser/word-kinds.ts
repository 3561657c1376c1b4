// The layout of code (code.ts) as data: what each word of a node is.
import { Op } from './code.ts';

/**
 * How a word is to be shifted when code moves: 0 not at all (a plain number, or nothing there), 1 position, 2 node
 * offset, 3 ~node offset, 4 symbol, 5 constant, 6 select-cache site, 7 set template, 8 lambda.
 */
export type WordKind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

// Letters as in code.ts; `n` is a plain number that says how often what is in brackets follows.
const LAYOUT: Readonly<Record<keyof typeof Op, string>> = {
  INT: 'i',
  CONST: 'k',
  FLOAT: 'k',
  PATH: 'k',
  EMPTY_LIST: '',
  VAR0: 'pi',
  VAR1: 'pi',
  VAR2: 'pi',
  VARN: 'pii',
  GLOBAL: 'pi',
  WITH_VAR: 'pscn[ip]',
  SELECT1: 'pesc',
  SELECT: 'peecn[a]',
  HAS: 'pen[a]',
  ATTRS: 'ptn[spe]',
  SET: 'ptiinnn[e][spe][eep]',
  LIST: 'pn[e]',
  LAMBDA: 'pl',
  CALL1: 'pee',
  CALL2: 'peee',
  CALLN: 'pen[e]',
  LET: 'pien[e]',
  LET_HERE: 'pien[e]',
  WITH: 'peei',
  IF: 'peee',
  ASSERT: 'peek',
  NOT: 'pe',
  EQ: 'pee',
  NEQ: 'pee',
  AND: 'pee',
  OR: 'pee',
  IMPL: 'pee',
  UPDATE: 'pee',
  CONCAT_LISTS: 'pee',
  ADD: 'ppepe',
  CONCAT: 'pin[pe]',
  CUR_POS: 'p',
  SUB: 'pee',
  MUL: 'pee',
  DIV: 'pee',
  LESS: 'pee',
  NAME: 'pek',
  DIRECT: 'pei',
};

interface Layout {
  readonly fixed: string;
  /** What is repeated, each as often as one of the `n`, in order. */
  readonly repeated: readonly string[];
  /** Where the `n` are, from the node's first word. */
  readonly counts: readonly number[];
}

const layouts: Layout[] = [];
for (const [name, text] of Object.entries(LAYOUT)) {
  const [fixed = '', ...repeated] = text.split(/\]?\[|\]$/).filter((part, i) => i === 0 || part !== '');
  const counts = Array.from(fixed).flatMap((letter, i) => (letter === 'n' ? [i + 1] : []));
  layouts[Op[name as keyof typeof Op]] = { fixed, repeated, counts };
}

/** Words of the node at `off`. */
export function nodeLength(words: Int32Array, off: number): number {
  const { fixed, repeated, counts } = layouts[words[off]!]!;
  let length = 1 + fixed.length;
  for (let i = 0; i < counts.length; i++) length += words[off + counts[i]!]! * repeated[i]!.length;
  return length;
}

/** The kind of every word from `from` to `to`, where whole nodes lie one after the other. */
export function wordKinds(words: Int32Array, from: number, to: number): Uint8Array {
  const kinds = new Uint8Array(to - from);
  let at = from;
  const take = (letters: string): void => {
    for (let i = 0; i < letters.length; i++, at++) kinds[at - from] = kindOf(letters.charCodeAt(i), words[at]!);
  };
  while (at < to) {
    const off = at++;
    const { fixed, repeated, counts } = layouts[words[off]!]!;
    take(fixed);
    for (let i = 0; i < counts.length; i++) for (let n = words[off + counts[i]!]!; n > 0; n--) take(repeated[i]!);
  }
  return kinds;
}

/** No position is 0, no node -1; negative ones stand for ~node, in the values of sets and in names. */
function kindOf(letter: number, word: number): WordKind {
  switch (letter) {
    case 112 /* p */:
      return word === 0 ? 0 : 1;
    case 101 /* e */:
      return word >= 0 ? 2 : word === -1 ? 0 : 3;
    case 97 /* a */:
      return word >= 0 ? 4 : 3;
    case 115 /* s */:
      return 4;
    case 107 /* k */:
      return 5;
    case 99 /* c */:
      return 6;
    case 116 /* t */:
      return 7;
    case 108 /* l */:
      return 8;
    default:
      return 0;
  }
}
