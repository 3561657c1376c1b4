// Documentation comments (`/** … */`, RFC 145): which one belongs to a function or an attribute. They are looked for only
// when somebody asks: the source is parsed again, comments stand between the tokens.
import type { AttrName, AttrsExpr, Expr } from '../../parser/ast.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { sourceOf, type Origin, type Pos } from '../../util/positions.ts';

const COMMENT = String.raw`\/\*(?:[^*]|\*+[^*/])*\*+\/`;
/** A documentation comment, and after it only space and ordinary comments. */
const LAST_DOC = new RegExp(
  String.raw`(\/\*\*[^/*](?:[^*]|\*+[^*/])*\*+\/)(?:[ \t\r\n]|#[^\r\n]*|(?!\/\*\*[^/*])${COMMENT})*$`,
);
/** Names of attributes on the way to the one that has a position, back to the first: `a.b.` of `a.b.c = …`. */
const PATH_BEFORE = /(?:(?:[a-zA-Z_][\w'-]*|"(?:[^"\\]|\\[^])*")\s*\.\s*)+$/;

/** The text of the comment before a position, without its marks and indentation; undefined where there is none. */
export function docBefore(ev: Evaluator, pos: Pos): string | undefined {
  const origin = ev.positions.originOf(pos);
  if (origin === undefined) return undefined;
  return commentBefore(sourceOf(origin), pos - origin.base);
}

/** The comment of a function that was written at `pos`: its own, or that of what it is the value (of the value …) of. */
export function docOfLambda(ev: Evaluator, pos: Pos): string | undefined {
  const origin = ev.positions.originOf(pos);
  if (origin === undefined) return undefined;
  const source = sourceOf(origin);
  const finder = new Finder(source, origin, pos);
  // Positions of what is parsed now are of an origin of their own.
  const again = ev.parse(source, '/', { kind: 'string' });
  finder.shift = ev.positions.lastOrigin().base - origin.base;
  finder.visit(again, undefined);
  return finder.found;
}

function commentBefore(source: string, offset: number): string | undefined {
  // Far enough for any comment; a regular expression that looks back over a whole file takes long.
  const start = Math.max(0, offset - 100_000);
  const match = LAST_DOC.exec(source.slice(start, offset));
  return match === null ? undefined : innerText(match[1]!);
}

/** Nix turns the `/**` into spaces, then takes away the indentation that all lines have. */
function innerText(comment: string): string {
  const inner = comment.slice(3, -2);
  return inner === '' ? '' : stripIndentation(`   ${inner}`);
}

function stripIndentation(text: string): string {
  let least = Infinity;
  const lines = text.split('\n');
  lines.forEach((line, i) => {
    const indent = /^ */.exec(line)![0].length;
    if (indent < line.length) least = Math.min(least, indent);
    // Nix quirk: a blank line within raises the indentation that is taken away to its own.
    else if (i < lines.length - 1 && least !== Infinity) least = Math.max(least, indent);
  });
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line.slice(least)}\n`).join('');
}

class Finder {
  found: string | undefined;
  shift = 0;
  private readonly source: string;
  private readonly origin: Origin;
  private readonly wanted: Pos;

  constructor(source: string, origin: Origin, wanted: Pos) {
    this.source = source;
    this.origin = origin;
    this.wanted = wanted;
  }

  private offset(pos: Pos): number {
    return pos - this.shift - this.origin.base;
  }

  /** @param doc of the attribute, or the function, that this is the whole value of */
  visit(expr: Expr, doc: string | undefined): void {
    switch (expr.tag) {
      case 'lambda': {
        // The innermost comment wins.
        const own = commentBefore(this.source, this.offset(expr.pos)) ?? doc;
        if (expr.pos - this.shift === this.wanted) this.found = own;
        for (const formal of expr.formals?.formals ?? []) this.optional(formal.fallback);
        this.visit(expr.body, own);
        break;
      }
      case 'attrs':
        this.attrs(expr);
        break;
      case 'let':
        this.attrs(expr.bindings);
        this.visit(expr.body, undefined);
        break;
      case 'select':
        this.visit(expr.target, undefined);
        this.optional(expr.fallback);
        this.names(expr.path);
        break;
      case 'hasAttr':
        this.visit(expr.target, undefined);
        this.names(expr.path);
        break;
      case 'list':
        this.all(expr.elements);
        break;
      case 'call':
        this.all([expr.fn, ...expr.args]);
        break;
      case 'with':
        this.all([expr.scope, expr.body]);
        break;
      case 'if':
        this.all([expr.condition, expr.then, expr.else]);
        break;
      case 'assert':
        this.all([expr.condition, expr.body]);
        break;
      case 'not':
        this.visit(expr.operand, undefined);
        break;
      case 'concat':
        this.all(expr.parts.map((part) => part.expr));
        break;
      case 'eq':
      case 'neq':
      case 'and':
      case 'or':
      case 'impl':
      case 'update':
      case 'concatLists':
        this.all([expr.left, expr.right]);
        break;
      default:
    }
  }

  private attrs({ attrs, inheritFrom, dynamic }: AttrsExpr): void {
    for (const { kind, expr, pos } of attrs.values()) {
      if (kind === 'plain' && expr !== null) this.visit(expr, this.docOfAttribute(pos));
    }
    for (const { name, value } of dynamic) this.all([name, value]);
    this.all(inheritFrom);
  }

  private docOfAttribute(pos: Pos): string | undefined {
    const offset = this.offset(pos);
    const path = PATH_BEFORE.exec(this.source.slice(Math.max(0, offset - 1000), offset));
    return commentBefore(this.source, offset - (path === null ? 0 : path[0].length));
  }

  private all(exprs: readonly Expr[]): void {
    for (const expr of exprs) this.visit(expr, undefined);
  }
  private optional(expr: Expr | null): void {
    if (expr !== null) this.visit(expr, undefined);
  }
  private names(path: readonly AttrName[]): void {
    for (const { expr } of path) this.optional(expr);
  }
}
