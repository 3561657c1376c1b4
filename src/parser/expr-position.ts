// Where expressions are, as Nix counts it.
import type { Pos } from '../util/positions.ts';
import type { Expr } from './ast.ts';

/** What Nix calls an expression's position: literals have none, operators are where the operator stands. */
export function positionOf(expr: Expr): Pos {
  const known = anyChain ? chains.get(expr) : undefined;
  if (known !== undefined) return known;
  let steps = 0;
  let at = expr;
  for (let next = leading(at); next !== undefined; next = leading(at)) {
    at = next;
    steps++;
  }
  const pos = ['int', 'float', 'string', 'path', 'let', 'list'].includes(at.tag) ? 0 : at.pos;
  if (steps > LONG_CHAIN) {
    // Looking again from every link would take time quadratic in the length.
    anyChain = true;
    for (let link: Expr | undefined = expr; link !== undefined; link = leading(link)) chains.set(link, pos);
  }
  return pos;
}

/** `[[[[…`, `!!!!…`: positions of the links of what is long. */
const chains = new WeakMap<Expr, Pos>();
let anyChain = false;
const LONG_CHAIN = 16;

/** The part whose position is that of the whole. */
function leading(expr: Expr): Expr | undefined {
  switch (expr.tag) {
    case 'hasAttr':
      return expr.target;
    case 'not':
      return expr.operand;
    case 'list':
      return expr.elements[0];
    default:
      return undefined;
  }
}

/** Where an expression begins. */
export function startOf(expr: Expr): Pos {
  switch (expr.tag) {
    case 'eq':
    case 'neq':
    case 'and':
    case 'or':
    case 'impl':
    case 'update':
    case 'concatLists':
      return startOf(expr.left);
    case 'concat':
      return expr.forceString ? expr.pos : (expr.parts[0]?.pos ?? expr.pos);
    default:
      return expr.pos;
  }
}
