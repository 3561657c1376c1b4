// The desugared syntax tree: what `nix-instantiate --parse` prints. It lives only between the grammar and the code
// emitter. Names are symbols, text is byte strings, positions are Pos ids of the origin being parsed.
// Variables are *not* resolved here: scope analysis and emission are one pass (emit.ts).
import type { Pos } from '../util/positions.ts';
import type { Sym } from '../util/symbols.ts';

export type Expr =
  | { readonly tag: 'int'; readonly value: number | bigint; readonly pos: Pos }
  | { readonly tag: 'float'; readonly value: number; readonly pos: Pos }
  | { readonly tag: 'string'; readonly value: string; readonly pos: Pos }
  /** Canonical absolute path. */
  | { readonly tag: 'path'; readonly value: string; readonly pos: Pos }
  | { readonly tag: 'var'; readonly name: Sym; readonly pos: Pos }
  | {
      readonly tag: 'select';
      readonly target: Expr;
      readonly path: readonly AttrName[];
      readonly fallback: Expr | null;
      readonly pos: Pos;
    }
  | { readonly tag: 'hasAttr'; readonly target: Expr; readonly path: readonly AttrName[]; readonly pos: Pos }
  | AttrsExpr
  | { readonly tag: 'list'; readonly elements: readonly Expr[]; readonly pos: Pos }
  | LambdaExpr
  | { readonly tag: 'call'; readonly fn: Expr; readonly args: readonly Expr[]; readonly pos: Pos }
  | { readonly tag: 'let'; readonly bindings: AttrsExpr; readonly body: Expr; readonly pos: Pos }
  | { readonly tag: 'with'; readonly scope: Expr; readonly body: Expr; readonly pos: Pos }
  | { readonly tag: 'if'; readonly condition: Expr; readonly then: Expr; readonly else: Expr; readonly pos: Pos }
  | { readonly tag: 'assert'; readonly condition: Expr; readonly body: Expr; readonly pos: Pos }
  | { readonly tag: 'not'; readonly operand: Expr; readonly pos: Pos }
  | { readonly tag: BinaryTag; readonly left: Expr; readonly right: Expr; readonly pos: Pos }
  /** `+`, string and path interpolation. forceString: everything is coerced to a string ("${x}"). */
  | {
      readonly tag: 'concat';
      readonly forceString: boolean;
      readonly parts: readonly { readonly expr: Expr; readonly pos: Pos }[];
      readonly pos: Pos;
    }
  | { readonly tag: 'curPos'; readonly pos: Pos };

/** Binary operators that are native; `- * / < > <= >=` and unary minus are calls of `__sub` …, looked up lexically. */
export type BinaryTag = 'eq' | 'neq' | 'and' | 'or' | 'impl' | 'update' | 'concatLists';

/** A step of an attribute path: static, or computed (must evaluate to a string). */
export type AttrName =
  | { readonly sym: Sym; readonly expr: null; readonly pos: Pos }
  | { readonly sym: null; readonly expr: Expr; readonly pos: Pos };

export interface AttrsExpr {
  readonly tag: 'attrs';
  recursive: boolean;
  /** In order of definition. */
  readonly attrs: Map<Sym, AttrDef>;
  /** The sources of `inherit (e) …`, one an inherit clause: evaluated lazily and once each. */
  readonly inheritFrom: Expr[];
  readonly dynamic: { readonly name: Expr; readonly value: Expr; readonly pos: Pos }[];
  readonly pos: Pos;
}

export interface AttrDef {
  /**
   * plain: `expr` is evaluated in the inner scope where there is one (rec, let).
   * inherited: `expr` is a var, resolved in the *outer* scope.
   * inheritedFrom: `from` indexes inheritFrom (inner scope), the attribute selected is the name; expr is null.
   */
  readonly kind: 'plain' | 'inherited' | 'inheritedFrom';
  readonly expr: Expr | null;
  readonly from: number;
  readonly pos: Pos;
}

export interface LambdaExpr {
  readonly tag: 'lambda';
  /** `x:` or the `x` of `x@{…}`; null where there is none. */
  readonly arg: Sym | null;
  readonly formals: Formals | null;
  readonly body: Expr;
  readonly pos: Pos;
  /** Set where the lambda is bound to a name, for messages ("while calling 'f'"). */
  name: Sym | null;
}

export interface Formals {
  readonly ellipsis: boolean;
  /** In order of writing. */
  readonly formals: readonly { readonly name: Sym; readonly fallback: Expr | null; readonly pos: Pos }[];
}
