// Tokens → syntax tree: Nix's grammar as Chevrotain rules whose actions build the tree at once.
//
// For speed: alternatives are made once; a table look-up on the next token's type guards what is seldom there; there is
// a rule where recursion needs one, all operators being one flat sequence that OperatorFold makes a tree of. While
// Chevrotain records the grammar, token type 0 stands for any, and actions see its dummies.
import type { IOrAlt, ParserMethod } from 'chevrotain';
import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern, type Sym } from '../util/symbols.ts';
import type { AttrsExpr, Expr, Formals } from './ast.ts';
import { addAttr, addInherited, newAttrs, type ShowPos } from './attr-merge.ts';
import { concatString, indentedString, makeCall } from './build.ts';
import { checkFormals } from './formals.ts';
import type { IndentedPart } from './indented-string.ts';
import type { Linter } from './lints.ts';
import { NameGrammar, Rejected, type Rule } from './name-grammar.ts';
import type { Tokens } from './token-buffer.ts';
import { OperatorFold } from './operators.ts';
import { resolveHomePath, resolvePath } from './path-literals.ts';
import * as t from './tokens.ts';

export interface GrammarContext {
  readonly tokens: Tokens;
  /** Pos of byte 0. */
  readonly base: Pos;
  /** Where relative paths start. */
  readonly baseDir: string;
  /** null: home paths are not allowed. */
  readonly homeDir: string | null;
  readonly lint: Linter | null;
  readonly showPos: ShowPos;
  /** `simple or`, used where it will mean something else one day: begin and end of the expression. */
  readonly warnCursedOr: (start: Pos, end: Pos) => void;
}

type RuleOf<R, A> = ParserMethod<[A?], R>;

const { index, tokenSet } = t;
const AT = index(t.At);
const OR_KEYWORD = index(t.OrKeyword);
const PAREN_OPEN = index(t.ParenOpen);
const PREFIX = tokenSet(t.Not, t.Minus);
const PIPES = tokenSet(t.PipeFrom, t.PipeInto);
const BINARY = tokenSet(
  ...[t.Equal, t.NotEqual, t.LessEqual, t.GreaterEqual, t.Less, t.Greater, t.Update, t.Concat, t.And, t.Or],
  ...[t.Implies, t.Plus, t.Minus, t.Times, t.Divide, t.Question],
);
const SIMPLE = tokenSet(
  ...[t.Id, t.StringLiteral, t.IndentedLiteral, t.PathLiteral, t.HomePathLiteral, t.Int, t.Float, t.Path, t.HomePath],
  ...[t.SearchPath, t.Uri, t.LetOpen, t.Rec, t.Quote, t.IndentedOpen, t.BraceOpen, t.ParenOpen, t.BracketOpen],
);
const BINDING = tokenSet(t.Inherit, t.Id, t.OrKeyword, t.StringLiteral, t.Quote, t.DollarCurly);
const POSTFIX = tokenSet(t.Dot, t.OrKeyword);

const CUR_POS = intern('__curPos');
const OR_SYM = intern('or');
const BODY = intern('body');
const FIND_FILE = intern('__findFile');
const NIX_PATH = intern('__nixPath');

/** Stands for the tree while Chevrotain records the grammar. */
const NO_EXPR: Expr = { tag: 'int', value: 0, pos: 0 };

/** Between two files. */
const NOTHING = {} as GrammarContext;

export class NixParser extends NameGrammar {
  private context!: GrammarContext;
  /** The last `simple or` if it still counts as one. */
  private cursedOr: Expr | null = null;
  private cursedOrEnd: Pos = 0;
  /** What the alternatives after a simple expression are about. */
  private target!: Expr;
  private targetStart: Pos = 0;

  constructor(options: { skipValidations: boolean }) {
    super(options);
    this.performSelfAnalysis();
  }

  /** @throws Rejected, ParseError */
  parse(context: GrammarContext): Expr {
    this.read(context.tokens, context.base);
    this.context = context;
    this.cursedOr = null;
    const expr = this.expression() as Expr | undefined;
    if (expr === undefined || !this.atEnd()) throw new Rejected();
    return expr;
  }

  override release(): void {
    super.release();
    this.context = NOTHING;
    this.cursedOr = null;
    this.target = NO_EXPR;
  }

  // ---- expressions

  private readonly expressionAlternatives: IOrAlt<Expr>[] = [
    { ALT: () => this.operation() },
    { ALT: () => this.prefixedOperation() },
    { ALT: () => this.namedLambda() },
    { ALT: () => this.formalsLambda() },
    { ALT: () => this.letIn() },
    { ALT: () => this.conditional() },
    { ALT: () => this.assertion() },
    { ALT: () => this.withScope() },
  ];

  readonly expression: Rule<Expr> = this.RULE('expression', () => this.OR(this.expressionAlternatives));

  /** What does not begin with a prefix operator: mostly no operator follows either. */
  private operation(): Expr {
    const start = this.here();
    let left = this.application();
    if (BINARY[this.peek()] === 1) {
      const fold = new OperatorFold();
      fold.operand(left, start);
      left = this.SUBRULE(this.operatorChain, { ARGS: [fold] });
    }
    return PIPES[this.peek()] === 1 ? this.SUBRULE(this.pipes, { ARGS: [left] }) : left;
  }
  private prefixedOperation(): Expr {
    const fold = new OperatorFold();
    const type = this.peek();
    this.CONSUME(t.PrefixOperator);
    fold.prefix(type, this.last());
    this.SUBRULE(this.operand, { ARGS: [fold] });
    const left = this.SUBRULE1(this.operatorChain, { ARGS: [fold] });
    return PIPES[this.peek()] === 1 ? this.SUBRULE1(this.pipes, { ARGS: [left] }) : left;
  }

  private namedLambda(): Expr {
    this.CONSUME(t.LambdaId);
    const pos = this.last();
    const arg = this.symbol();
    let formals: Formals | null = null;
    if (this.nextIs(AT)) {
      this.OPTION(() => {
        this.CONSUME(t.At);
        formals = this.SUBRULE(this.formals);
      });
    }
    this.CONSUME(t.Colon);
    const body = this.SUBRULE(this.expression);
    if (formals !== null && !this.RECORDING_PHASE) checkFormals(formals, arg, pos);
    return { tag: 'lambda', arg, formals, body, pos, name: null };
  }

  private formalsLambda(): Expr {
    const pos = this.here();
    const formals = this.SUBRULE1(this.formals);
    let arg: Sym | null = null;
    if (this.nextIs(AT)) {
      this.OPTION1(() => {
        this.CONSUME1(t.At);
        this.CONSUME1(t.LambdaId);
        arg = this.symbol();
      });
    }
    this.CONSUME1(t.Colon);
    const body = this.SUBRULE1(this.expression);
    if (!this.RECORDING_PHASE) checkFormals(formals, arg, pos);
    return { tag: 'lambda', arg, formals, body, pos, name: null };
  }

  private letIn(): Expr {
    this.CONSUME(t.Let);
    const pos = this.last();
    const bindings = this.SUBRULE(this.bindings);
    this.CONSUME(t.In);
    const body = this.SUBRULE2(this.expression);
    if (!this.RECORDING_PHASE && bindings.dynamic.length > 0)
      throw new ParseError('dynamic attributes not allowed in let', { pos });
    return { tag: 'let', bindings, body, pos };
  }

  private conditional(): Expr {
    this.CONSUME(t.If);
    const pos = this.last();
    const condition = this.SUBRULE3(this.expression);
    this.CONSUME(t.Then);
    const then = this.SUBRULE4(this.expression);
    this.CONSUME(t.Else);
    return { tag: 'if', condition, then, else: this.SUBRULE5(this.expression), pos };
  }

  private assertion(): Expr {
    this.CONSUME(t.Assert);
    const pos = this.last();
    const condition = this.SUBRULE6(this.expression);
    this.CONSUME1(t.Semicolon);
    return { tag: 'assert', condition, body: this.SUBRULE7(this.expression), pos };
  }

  private withScope(): Expr {
    this.CONSUME(t.With);
    const pos = this.last();
    const scope = this.SUBRULE8(this.expression);
    this.CONSUME2(t.Semicolon);
    return { tag: 'with', scope, body: this.SUBRULE9(this.expression), pos };
  }

  // ---- operators

  /** `left |> f |> …` or `left <| …`; the two are never mixed. */
  readonly pipes: RuleOf<Expr, Expr> = this.RULE('pipes', (left: Expr = NO_EXPR) => {
    let result = left;
    const functions: { fn: Expr; pos: Pos }[] = [];
    this.OR([
      {
        ALT: () => {
          this.AT_LEAST_ONE(() => {
            this.CONSUME(t.PipeInto);
            const pos = this.last();
            result = makeCall(this.SUBRULE(this.operators), result, pos);
          });
        },
      },
      {
        ALT: () => {
          this.AT_LEAST_ONE1(() => {
            this.CONSUME(t.PipeFrom);
            functions.push({ fn: result, pos: this.last() });
            result = this.SUBRULE1(this.operators);
          });
        },
      },
    ]);
    if (this.RECORDING_PHASE) return result;
    while (functions.length > 0) {
      const { fn, pos } = functions.pop()!;
      result = makeCall(fn, result, pos);
    }
    return result;
  });

  readonly operators: Rule<Expr> = this.RULE('operators', () => {
    const fold = new OperatorFold();
    this.SUBRULE(this.operand, { ARGS: [fold] });
    return this.SUBRULE(this.operatorChain, { ARGS: [fold] });
  });

  /** Prefix operators and what they are about. */
  readonly operand: RuleOf<void, OperatorFold> = this.RULE('operand', (fold: OperatorFold = new OperatorFold()) => {
    if (PREFIX[this.peek()] === 1) {
      this.MANY1(() => {
        const type = this.peek();
        this.CONSUME(t.PrefixOperator);
        fold.prefix(type, this.last());
      });
    }
    const start = this.here();
    fold.operand(this.application(), start);
  });

  /** The rest of a sequence that began with the operand in `fold`. */
  readonly operatorChain: RuleOf<Expr, OperatorFold> = this.RULE(
    'operatorChain',
    (fold: OperatorFold = new OperatorFold()) => {
      this.MANY(() => {
        this.OR([
          {
            ALT: () => {
              const type = this.peek();
              this.CONSUME(t.BinaryOperator);
              if (!fold.binary(type, this.last())) throw new Rejected();
              this.SUBRULE(this.operand, { ARGS: [fold] });
            },
          },
          {
            ALT: () => {
              this.CONSUME(t.Question);
              fold.hasAttr(this.SUBRULE(this.attrPath));
            },
          },
        ]);
      });
      return this.RECORDING_PHASE ? NO_EXPR : fold.finish();
    },
  );

  private application(): Expr {
    const start = this.here();
    let fn = this.SUBRULE(this.select);
    this.cursedOr = null;
    if (SIMPLE[this.peek()] === 1) {
      this.MANY(() => {
        const arg = this.SUBRULE1(this.select);
        fn = makeCall(fn, arg, start);
        if (this.cursedOr !== null) this.warnCursedOr(arg);
      });
    }
    return fn;
  }

  private warnCursedOr(expr: Expr): void {
    if (this.cursedOr === expr) this.context.warnCursedOr(expr.pos, this.cursedOrEnd);
    this.cursedOr = null;
  }

  // ---- simple expressions

  readonly select: Rule<Expr> = this.RULE('select', () => {
    const start = this.here();
    const simple = this.OR(this.simpleAlternatives);
    if (POSTFIX[this.peek()] === 0) return simple;
    this.target = simple;
    this.targetStart = start;
    return this.OR1(this.postfixAlternatives);
  });

  private readonly postfixAlternatives: IOrAlt<Expr>[] = [
    {
      ALT: () => {
        const { target, targetStart: pos } = this;
        this.CONSUME(t.Dot);
        const path = this.SUBRULE(this.attrPath);
        let fallback: Expr | null = null;
        if (this.nextIs(OR_KEYWORD)) {
          this.OPTION(() => {
            this.CONSUME(t.OrKeyword);
            fallback = this.SUBRULE(this.select);
            if (this.cursedOr !== null) this.warnCursedOr(fallback);
          });
        }
        return { tag: 'select', target, path, fallback, pos };
      },
    },
    {
      ALT: () => {
        const { target, targetStart: pos } = this;
        this.CONSUME1(t.OrKeyword);
        const call: Expr = { tag: 'call', fn: target, args: [{ tag: 'var', name: OR_SYM, pos }], pos };
        this.cursedOr = call;
        this.cursedOrEnd = this.last() + 2;
        return call;
      },
    },
  ];

  private readonly simpleAlternatives: IOrAlt<Expr>[] = [
    {
      ALT: () => {
        this.CONSUME(t.Id);
        const name = this.symbol();
        return name === CUR_POS ? { tag: 'curPos', pos: this.last() } : { tag: 'var', name, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.StringLiteral);
        return { tag: 'string', value: this.value() as string, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.BraceOpen);
        const pos = this.last();
        const attrs = this.SUBRULE(this.bindings, { ARGS: [pos] });
        this.CONSUME(t.BraceClose);
        return attrs;
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.ParenOpen);
        const expr = this.SUBRULE(this.expression);
        this.CONSUME(t.ParenClose);
        return expr;
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.BracketOpen);
        const pos = this.last();
        const elements: Expr[] = [];
        if (SIMPLE[this.peek()] === 1) {
          this.MANY(() => {
            const element = this.SUBRULE1(this.select);
            elements.push(element);
            if (this.cursedOr !== null) this.warnCursedOr(element);
          });
        }
        this.CONSUME(t.BracketClose);
        return { tag: 'list', elements, pos };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.IndentedLiteral);
        return { tag: 'string', value: this.value() as string, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.Quote);
        const pos = this.last();
        const parts = this.SUBRULE(this.stringParts);
        this.CONSUME1(t.Quote);
        return concatString(parts, pos);
      },
    },
    { ALT: () => this.indentedString() },
    {
      ALT: () => {
        this.CONSUME(t.Int);
        return { tag: 'int', value: this.value() as number | bigint, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.PathLiteral);
        return { tag: 'path', value: this.resolvePath(), pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.Rec);
        const pos = this.last();
        this.CONSUME1(t.BraceOpen);
        const attrs = this.SUBRULE1(this.bindings, { ARGS: [pos, true] });
        this.CONSUME1(t.BraceClose);
        return attrs;
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.LetOpen);
        const pos = this.last();
        this.CONSUME2(t.BraceOpen);
        const attrs = this.SUBRULE2(this.bindings, { ARGS: [pos, true] });
        this.CONSUME2(t.BraceClose);
        return { tag: 'select', target: attrs, path: [{ sym: BODY, expr: null, pos }], fallback: null, pos };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.SearchPath);
        const pos = this.last();
        const path: Expr = { tag: 'string', value: this.value() as string, pos };
        const args: Expr[] = [{ tag: 'var', name: NIX_PATH, pos: 0 }, path];
        return { tag: 'call', fn: { tag: 'var', name: FIND_FILE, pos: 0 }, args, pos };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.Float);
        return { tag: 'float', value: this.value() as number, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.Uri);
        const value = this.value() as string;
        if (!this.RECORDING_PHASE && this.context.lint !== null) this.context.lint.url(value, this.last());
        return { tag: 'string', value, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.HomePathLiteral);
        return { tag: 'path', value: this.resolveHomePath(), pos: this.last() };
      },
    },
    { ALT: () => this.interpolatedPath() },
  ];

  private resolvePath(): string {
    if (this.RECORDING_PHASE) return '';
    const literal = this.value() as string;
    if (this.context.lint !== null) this.context.lint.path(literal, this.last());
    return resolvePath(literal, this.context.baseDir);
  }
  private resolveHomePath(): string {
    if (this.RECORDING_PHASE) return '';
    const literal = this.value() as string;
    const path = resolveHomePath(literal, this.context.homeDir);
    if (this.context.lint !== null) this.context.lint.path(literal, this.last());
    return path;
  }

  private readonly pathStartAlternatives: IOrAlt<Expr>[] = [
    {
      ALT: () => {
        this.CONSUME(t.Path);
        return { tag: 'path', value: this.resolvePath(), pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.HomePath);
        return { tag: 'path', value: this.resolveHomePath(), pos: this.last() };
      },
    },
  ];

  private interpolatedPath(): Expr {
    const pos = this.here();
    const first = this.OR2(this.pathStartAlternatives);
    const parts = this.SUBRULE1(this.stringParts);
    this.CONSUME(t.PathEnd);
    if (this.RECORDING_PHASE) return NO_EXPR;
    // Text goes on after a `/` without an interpolation: `./x//y`.
    if (typeof parts === 'string') throw new Rejected();
    return { tag: 'concat', forceString: false, parts: [{ expr: first, pos }, ...parts], pos };
  }

  // ---- strings

  private indentedString(): Expr {
    const parts: IndentedPart[] = [];
    this.CONSUME(t.IndentedOpen);
    const pos = this.last();
    this.MANY1(() => {
      this.OR3([
        {
          ALT: () => {
            this.CONSUME(t.IndentedStr);
            parts.push({ text: this.value() as string, indented: true, expr: null, pos: this.last() });
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.EscapedStr);
            parts.push({ text: this.value() as string, indented: false, expr: null, pos: this.last() });
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.DollarCurly);
            const start = this.last();
            parts.push({ text: '', indented: false, expr: this.SUBRULE1(this.expression), pos: start });
            this.CONSUME3(t.BraceClose);
          },
        },
      ]);
    });
    this.CONSUME(t.IndentedClose);
    return this.RECORDING_PHASE ? NO_EXPR : indentedString(parts, pos);
  }

  // ---- sets

  readonly bindings: ParserMethod<[pos?: Pos, recursive?: boolean], AttrsExpr> = this.RULE(
    'bindings',
    (pos?: Pos, recursive?: boolean) => {
      const attrs = newAttrs(pos ?? 0, recursive ?? false);
      if (BINDING[this.peek()] === 0) return attrs;
      const alternatives: IOrAlt<void>[] = [
        {
          ALT: () => {
            const start = this.here();
            const path = this.SUBRULE(this.attrPath);
            this.CONSUME(t.Assign);
            const value = this.SUBRULE(this.expression);
            this.CONSUME(t.Semicolon);
            if (!this.RECORDING_PHASE) addAttr(attrs, path, value, start, this.context.showPos);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Inherit);
            let from: number | null = null;
            let source: Expr | null = null;
            if (this.nextIs(PAREN_OPEN)) {
              this.OPTION(() => {
                this.CONSUME(t.ParenOpen);
                source = this.SUBRULE1(this.expression);
                this.CONSUME(t.ParenClose);
              });
            }
            const names = this.SUBRULE(this.inheritedNames);
            this.CONSUME1(t.Semicolon);
            if (this.RECORDING_PHASE) return;
            if (source !== null) from = attrs.inheritFrom.push(source) - 1;
            for (const { sym, pos } of names) addInherited(attrs, sym, from, pos, this.context.showPos);
          },
        },
      ];
      this.MANY(() => {
        this.OR(alternatives);
      });
      return attrs;
    },
  );
}
