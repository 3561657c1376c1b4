// Patterns that need no automaton: a text, alone or with `.*` before and behind it, as lib.splitString, hasInfix … make
// them of what they are given. There are many different ones, each used once or twice.
import { ANY, onlyByte, type RegexNode } from './syntax.ts';

/** `text`, `.*text`, `text.*` or `.*text.*`; without groups. */
export class Plain {
  readonly literal: string;
  private readonly anyBefore: boolean;
  private readonly anyBehind: boolean;

  constructor(literal: string, anyBefore: boolean, anyBehind: boolean) {
    this.literal = literal;
    this.anyBefore = anyBefore;
    this.anyBehind = anyBehind;
  }

  /** Nothing else can match, and not nothing. */
  get isLiteral(): boolean {
    return !this.anyBefore && !this.anyBehind && this.literal !== '';
  }

  /** Whether it matches all of `text`; undefined where this is not said here. */
  matches(text: string): boolean | undefined {
    const { literal, anyBefore, anyBehind } = this;
    if (!anyBefore && !anyBehind) return text === literal;
    const found = !anyBefore ? text.startsWith(literal) : anyBehind ? text.includes(literal) : text.endsWith(literal);
    // `.` is no NUL.
    return found && text.includes('\0') ? undefined : found;
  }
}

/** null where it is something else. */
export function plainOf(root: RegexNode): Plain | null {
  const items = root.kind === 'sequence' ? root.items : [root];
  let start = 0;
  let end = items.length;
  const anyBefore = isAnything(items[0]);
  if (anyBefore) start++;
  const anyBehind = end > start && isAnything(items[end - 1]);
  if (anyBehind) end--;
  let literal = '';
  for (let i = start; i < end; i++) {
    const item = items[i]!;
    const byte = item.kind === 'set' ? onlyByte(item.set) : -1;
    if (byte < 0) return null;
    literal += String.fromCharCode(byte);
  }
  return new Plain(literal, anyBefore, anyBehind);
}

/** `.*` */
function isAnything(node: RegexNode | undefined): boolean {
  return (
    node?.kind === 'repeat' &&
    node.min === 0 &&
    node.max === Infinity &&
    node.body.kind === 'set' &&
    node.body.set === ANY
  );
}
