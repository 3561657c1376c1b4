// How deep a source nests, at most, from its tokens alone. The parser proper is recursive: what nests deeper than any
// real source is first checked by the automaton, which has a stack of its own, so that an error far down does not have
// to travel up through the host's stack, and what nests hopelessly deep is not tried at all.
import type { Tokens } from './token-buffer.ts';
import * as t from './tokens.ts';

/** Sources that nest deeper are checked before they are parsed. */
export const DEEP = 500;
/** Nix's own parser has no limit, but what comes after it ends here or a little later, with its stack of 64 MB. */
export const TOO_DEEP = 250_000;

const OPEN = 1;
const CLOSE = 2;
/** Nests until its level ends. */
const PREFIX = 3;
/** A new attribute: what its neighbours nest does not count. */
const FRESH = 4;

const ROLES = new Uint8Array(256);
for (const type of [t.ParenOpen, t.BracketOpen, t.BraceOpen, t.FormalsOpen, t.DollarCurly, t.Let])
  ROLES[t.index(type)] = OPEN;
for (const type of [t.ParenClose, t.BracketClose, t.BraceClose, t.In]) ROLES[t.index(type)] = CLOSE;
for (const type of [t.Colon, t.If, t.With, t.Assert, t.Not, t.Minus, t.Concat, t.Update, t.Implies, t.PipeFrom]) {
  ROLES[t.index(type)] = PREFIX;
}
ROLES[t.index(t.Assign)] = FRESH;
const IN = t.index(t.In);

/** An upper bound of the depth; exact enough to tell real sources from hostile ones. */
export function nestingBound({ types, count }: Tokens): number {
  if (count <= DEEP) return 0;
  const levels: number[] = [];
  let start = 0;
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < count; i++) {
    switch (ROLES[types[i]!]) {
      case OPEN:
        levels.push(start);
        start = ++depth;
        break;
      case CLOSE:
        depth = Math.max(0, start - 1);
        start = levels.pop() ?? 0;
        if (types[i] === IN) depth++; // the body
        break;
      case PREFIX:
        depth++;
        break;
      case FRESH:
        depth = start;
        continue;
      default:
        continue;
    }
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}
