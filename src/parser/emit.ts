// Syntax tree → flat code, with variables resolved on the way: one pass. Static errors (undefined variables) are
// found here.
//
// A *frame* is an environment at run time; scopes say which of its slots hold which names. Several scopes share a
// frame where the inner one is entered exactly once an environment: `x: y: …` and a `let` that is what a lambda, let
// or with gives back. `fuse` says that the expression stands in such a place.
import { UndefinedVariableError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { findSymbol, intern, symbolName, type Sym } from '../util/symbols.ts';
import type { AttrName, AttrsExpr, BinaryTag, Expr, LambdaExpr } from './ast.ts';
import { FormalsRecord, LambdaRecord, Op, type Code } from './code.ts';
import { positionOf, startOf } from './expr-position.ts';

class Frame {
  readonly depth: number;
  /** Slots in use, [0] (up) included. */
  size = 1;
  constructor(depth: number) {
    this.depth = depth;
  }
}

/** Names that an expression sees. */
export interface Scope {
  readonly up: Scope | null;
  readonly frame: { readonly depth: number };
  /** Slot of each name; null: a `with`, whose set is slot 1. */
  readonly names: ReadonlyMap<Sym, number> | null;
  /** Of a `with`. */
  readonly pos: Pos;
}

/** Where the names are that a node sees: how deep its environment lies says how far up that of a scope is. */
export interface NodeScope {
  readonly scope: Scope | null;
  readonly depth: number;
}

export interface EmitOptions {
  readonly code: Code;
  /** Slots of the global names. */
  readonly globals: ReadonlyMap<Sym, number>;
  /** Names given to the source by who evaluates it (scopedImport, the repl): slots of its outermost environment. */
  readonly scope?: ReadonlyMap<Sym, number>;
  /** An expression as `--parse` prints it, for "assertion '…' failed". */
  readonly show: (expr: Expr) => string;
  /** For a debugger: is told what each node sees. Then scopes do not share frames. */
  readonly scopes?: Map<number, NodeScope>;
}

const NATIVE = new Map<Sym, number>([
  [intern('__sub'), Op.SUB],
  [intern('__mul'), Op.MUL],
  [intern('__div'), Op.DIV],
  [intern('__lessThan'), Op.LESS],
]);
const OVERRIDES = intern('__overrides');
/** Longest `a: b: c: …` that shares a frame: every partial application copies what came before. */
const MAX_SHARED_ARGUMENTS = 4;
const BINARY: Readonly<Record<BinaryTag, number>> = {
  eq: Op.EQ,
  neq: Op.NEQ,
  and: Op.AND,
  or: Op.OR,
  impl: Op.IMPL,
  update: Op.UPDATE,
  concatLists: Op.CONCAT_LISTS,
};
export const REC = 1;
export const HAS_OVERRIDES = 2;
/** Flags of a SET; what is above them is the offset of a list of slots. */
export const FLAG_BITS = 2;

/**
 * Emits `expr`; the result is the offset of its node. Its outermost environment is [null, …slots of options.scope].
 * @throws UndefinedVariableError
 */
export function emit(expr: Expr, options: EmitOptions): number {
  const frame = new Frame(0);
  frame.size += options.scope?.size ?? 0;
  const scope: Scope | null = options.scope === undefined ? null : { up: null, frame, names: options.scope, pos: 0 };
  const emitter = options.scopes === undefined ? new Emitter(options) : new DebugEmitter(options, options.scopes);
  return emitter.emit(expr, scope, frame, false);
}

class Emitter {
  protected readonly maxShared: number = MAX_SHARED_ARGUMENTS;
  private readonly code: Code;
  private readonly globals: ReadonlyMap<Sym, number>;
  private readonly show: (expr: Expr) => string;
  private readonly emptyList: number;
  /** Names that any scope so far binds: to look for others in all that are around would take long where many are. */
  private readonly bound: Set<Sym>;

  constructor(options: EmitOptions) {
    this.code = options.code;
    this.globals = options.globals;
    this.show = options.show;
    this.bound = new Set(options.scope?.keys());
    this.emptyList = this.node(Op.EMPTY_LIST);
  }

  private node(...words: number[]): number {
    const o = this.code.reserve(words.length);
    for (let i = 0; i < words.length; i++) this.code.words[o + i] = words[i]!;
    return o;
  }

  emit(expr: Expr, scope: Scope | null, frame: Frame, fuse: boolean): number {
    switch (expr.tag) {
      case 'int':
        return typeof expr.value === 'number' && (expr.value | 0) === expr.value
          ? this.node(Op.INT, expr.value)
          : this.node(Op.CONST, this.code.constant(expr.value));
      case 'float':
        return this.node(Op.FLOAT, this.code.constant(expr.value));
      case 'string':
        return this.node(Op.CONST, this.code.constant(expr.value));
      case 'path':
        return this.node(Op.PATH, this.code.constant(expr.value));
      case 'var':
        return this.variable(expr.name, expr.pos, scope, frame);
      case 'select':
        return this.select(expr, scope, frame);
      case 'hasAttr': {
        const o = this.node(Op.HAS, positionOf(expr), 0, expr.path.length);
        this.code.reserve(expr.path.length);
        this.patch(o + 2, this.emit(expr.target, scope, frame, false));
        this.path(o + 4, expr.path, scope, frame);
        return o;
      }
      case 'attrs':
        return this.attrs(expr, scope, frame);
      case 'list':
        return this.list(Op.LIST, expr.elements, positionOf(expr), scope, frame);
      case 'lambda': {
        const record = this.lambda(expr, scope, frame, null, 0);
        return this.node(Op.LAMBDA, expr.pos, this.code.lambdas.push(record) - 1);
      }
      case 'call':
        return this.call(expr, scope, frame);
      case 'let':
        return this.let(expr.bindings, expr.body, scope, frame, fuse);
      case 'with': {
        const inner = new Frame(frame.depth + 1);
        inner.size = 2;
        const o = this.node(Op.WITH, expr.pos, 0, 0, 0);
        this.patch(o + 2, this.emit(expr.scope, scope, frame, false));
        const body = this.emit(expr.body, { up: scope, frame: inner, names: null, pos: expr.pos }, inner, true);
        this.patch(o + 3, body);
        this.patch(o + 4, inner.size);
        return o;
      }
      case 'if': {
        const o = this.node(Op.IF, expr.pos, 0, 0, 0);
        this.patch(o + 2, this.emit(expr.condition, scope, frame, false));
        this.patch(o + 3, this.emit(expr.then, scope, frame, fuse));
        this.patch(o + 4, this.emit(expr.else, scope, frame, fuse));
        return o;
      }
      case 'assert': {
        const o = this.node(Op.ASSERT, expr.pos, 0, 0, this.code.constant(this.show(expr.condition)));
        this.patch(o + 2, this.emit(expr.condition, scope, frame, false));
        this.patch(o + 3, this.emit(expr.body, scope, frame, fuse));
        return o;
      }
      case 'not': {
        const o = this.node(Op.NOT, positionOf(expr), 0);
        this.patch(o + 2, this.emit(expr.operand, scope, frame, false));
        return o;
      }
      case 'concat':
        return this.concat(expr, scope, frame);
      case 'curPos':
        return this.node(Op.CUR_POS, expr.pos);
      default: {
        const o = this.node(BINARY[expr.tag], expr.pos, 0, 0);
        this.patch(o + 2, this.emit(expr.left, scope, frame, false));
        this.patch(o + 3, this.emit(expr.right, scope, frame, false));
        return o;
      }
    }
  }

  private patch(offset: number, word: number): void {
    this.code.words[offset] = word;
  }

  private bind(names: Map<Sym, number>, name: Sym, slot: number): void {
    names.set(name, slot);
    this.bound.add(name);
  }

  private variable(name: Sym, pos: Pos, scope: Scope | null, frame: Frame): number {
    const global = this.globals.get(name);
    if (global !== undefined && !this.bound.has(name)) return this.node(Op.GLOBAL, pos, global);
    let firstWith: Scope | null = null;
    for (let s = scope; s !== null; s = s.up) {
      if (s.names === null) {
        firstWith ??= s;
        continue;
      }
      const slot = s.names.get(name);
      if (slot !== undefined) return this.slot(slot, frame.depth - s.frame.depth, pos);
    }
    if (global !== undefined) return this.node(Op.GLOBAL, pos, global);
    if (firstWith === null) throw new UndefinedVariableError(`undefined variable '${symbolName(name)}'`, { pos });
    const o = this.node(Op.WITH_VAR, pos, name, this.code.sites, 0);
    let n = 0;
    for (let s: Scope | null = firstWith; s !== null; s = s.up) {
      if (s.names !== null) continue;
      this.node(frame.depth - s.frame.depth, s.pos);
      n++;
    }
    this.code.sites += n;
    this.patch(o + 4, n);
    return o;
  }

  private slot(slot: number, level: number, pos: Pos): number {
    return level <= 2 ? this.node(Op.VAR0 + level, pos, slot) : this.node(Op.VARN, pos, slot, level);
  }

  private select(expr: Expr & { tag: 'select' }, scope: Scope | null, frame: Frame): number {
    const { path } = expr;
    if (path.length === 1 && expr.fallback === null && path[0]!.expr === null) {
      const o = this.node(Op.SELECT1, expr.pos, 0, path[0]!.sym, this.code.sites++);
      this.patch(o + 2, this.emit(expr.target, scope, frame, false));
      return o;
    }
    const o = this.node(Op.SELECT, expr.pos, 0, -1, this.code.sites, path.length);
    this.code.sites += path.length;
    this.code.reserve(path.length);
    this.patch(o + 2, this.emit(expr.target, scope, frame, false));
    if (expr.fallback !== null) this.patch(o + 3, this.emit(expr.fallback, scope, frame, false));
    this.path(o + 6, path, scope, frame);
    return o;
  }

  /** Names of an attribute path into reserved words. */
  private path(at: number, path: readonly AttrName[], scope: Scope | null, frame: Frame): void {
    for (const { sym, expr } of path) {
      if (expr === null) this.patch(at++, sym);
      else {
        const o = this.node(Op.NAME, positionOf(expr), 0, this.code.constant(this.show(expr)));
        this.patch(o + 2, this.emit(expr, scope, frame, false));
        this.patch(at++, ~o);
      }
    }
  }

  private list(op: number, elements: readonly Expr[], pos: Pos, scope: Scope | null, frame: Frame): number {
    if (elements.length === 0) return this.emptyList;
    const o = this.node(op, pos, elements.length);
    this.code.reserve(elements.length);
    for (let i = 0; i < elements.length; i++) this.patch(o + 3 + i, this.emit(elements[i]!, scope, frame, false));
    return o;
  }

  private call(expr: Expr & { tag: 'call' }, scope: Scope | null, frame: Frame): number {
    const { fn, args, pos } = expr;
    if (fn.tag === 'var' && args.length === 2) {
      const native = NATIVE.get(fn.name);
      if (native !== undefined && this.isGlobal(fn.name, scope)) {
        const o = this.node(native, pos, 0, 0);
        this.patch(o + 2, this.emit(args[0]!, scope, frame, false));
        this.patch(o + 3, this.emit(args[1]!, scope, frame, false));
        return o;
      }
    }
    let o: number;
    let at: number;
    if (args.length <= 2) {
      o = this.node(args.length === 1 ? Op.CALL1 : Op.CALL2, pos, 0);
      at = o + 3;
    } else {
      o = this.node(Op.CALLN, pos, 0, args.length);
      at = o + 4;
    }
    this.code.reserve(args.length);
    this.patch(o + 2, this.emit(fn, scope, frame, false));
    for (const arg of args) this.patch(at++, this.emit(arg, scope, frame, false));
    return o;
  }

  private isGlobal(name: Sym, scope: Scope | null): boolean {
    if (this.bound.has(name)) for (let s = scope; s !== null; s = s.up) if (s.names?.has(name) === true) return false;
    return this.globals.has(name);
  }

  private concat(expr: Expr & { tag: 'concat' }, scope: Scope | null, frame: Frame): number {
    const { parts } = expr;
    if (parts.length === 2 && !expr.forceString) {
      const o = this.node(Op.ADD, expr.pos, parts[0]!.pos, 0, parts[1]!.pos, 0);
      this.patch(o + 3, this.emit(parts[0]!.expr, scope, frame, false));
      this.patch(o + 5, this.emit(parts[1]!.expr, scope, frame, false));
      return o;
    }
    const o = this.node(Op.CONCAT, expr.pos, expr.forceString ? 1 : 0, parts.length);
    this.code.reserve(parts.length * 2);
    for (let i = 0; i < parts.length; i++) {
      this.patch(o + 4 + 2 * i, parts[i]!.pos);
      this.patch(o + 5 + 2 * i, this.emit(parts[i]!.expr, scope, frame, false));
    }
    return o;
  }

  /** `outer`: the lambda whose whole body this one is, where they may share a frame. */
  private lambda(
    expr: LambdaExpr,
    scope: Scope | null,
    frame: Frame,
    outer: LambdaRecord | null,
    shared: number,
  ): LambdaRecord {
    const inner = outer === null ? new Frame(frame.depth + 1) : frame;
    const names = new Map<Sym, number>();
    const base = inner.size;
    if (expr.arg !== null || expr.formals === null) {
      if (expr.arg !== null) this.bind(names, expr.arg, inner.size);
      inner.size++;
    }
    const newScope: Scope = { up: scope, frame: inner, names, pos: 0 };
    let formals: FormalsRecord | null = null;
    if (expr.formals !== null) {
      const sorted = [...expr.formals.formals].sort((a, b) => a.name - b.name);
      formals = new FormalsRecord(
        expr.formals.ellipsis,
        sorted.map((f) => f.name),
        sorted.map((f) => f.pos),
        inner.size,
      );
      for (const formal of sorted) this.bind(names, formal.name, inner.size++);
      for (let i = 0; i < sorted.length; i++) {
        const { fallback } = sorted[i]!;
        if (fallback !== null) formals.fallbacks[i] = this.emit(fallback, newScope, inner, false);
      }
    }
    const record = new LambdaRecord(expr.name, expr.pos, expr.arg, formals, base);
    const { body } = expr;
    if (body.tag === 'lambda' && formals === null && shared + 1 < this.maxShared) {
      record.envSize = inner.size;
      record.inner = this.lambda(body, newScope, inner, record, shared + 1);
      record.body = this.node(Op.LAMBDA, body.pos, this.code.lambdas.push(record.inner) - 1);
    } else {
      record.body = this.emit(body, newScope, inner, true);
      record.envSize = inner.size;
    }
    return record;
  }

  /** Sources of `inherit (e) …` that are variables or literals are simply repeated: they are shared as it is. */
  private static isAtom(expr: Expr, scope: Scope | null, globals: ReadonlyMap<Sym, number>): boolean {
    if (expr.tag !== 'var') return false;
    if (globals.has(expr.name)) return true;
    for (let s = scope; s !== null; s = s.up) if (s.names?.has(expr.name) === true) return true;
    return false;
  }

  /**
   * The values of a set's attributes by ascending symbol, as node offsets. `inner` is where plain ones live, `outer`
   * where `inherit x` looks; `from(i)` is the node that gives the source of an `inherit (e)`.
   */
  private attrValue(
    sym: Sym,
    attrs: AttrsExpr,
    inner: Scope | null,
    outer: Scope | null,
    frame: Frame,
    from: (i: number) => number,
  ): number {
    const def = attrs.attrs.get(sym)!;
    switch (def.kind) {
      case 'plain':
        return this.emit(def.expr!, inner, frame, false);
      case 'inherited':
        return this.emit(def.expr!, outer, frame, false);
      case 'inheritedFrom': {
        const target = from(def.from);
        return this.node(Op.SELECT1, def.pos, target, sym, this.code.sites++);
      }
    }
  }

  private let(attrs: AttrsExpr, body: Expr, scope: Scope | null, frame: Frame, fuse: boolean): number {
    const syms = sortedKeys(attrs.attrs);
    const inner = fuse ? frame : new Frame(frame.depth + 1);
    const first = inner.size;
    const names = new Map<Sym, number>();
    for (const sym of syms) this.bind(names, sym, inner.size++);
    const newScope: Scope = { up: scope, frame: inner, names, pos: 0 };
    const sources = this.sources(attrs, newScope, inner);
    const n = syms.length + sources.stored.length;
    const o = this.node(fuse ? Op.LET_HERE : Op.LET, 0, fuse ? first : 0, 0, n);
    this.code.reserve(n);
    let at = o + 5;
    for (const sym of syms) {
      this.patch(
        at++,
        this.attrValue(sym, attrs, newScope, scope, inner, (i) => sources.node(i)),
      );
    }
    for (const source of sources.stored) this.patch(at++, this.emit(source, newScope, inner, false));
    this.patch(o + 3, this.emit(body, newScope, inner, true));
    if (!fuse) this.patch(o + 2, inner.size);
    return o;
  }

  /** Gives the sources of `inherit (e)` that need it slots in `frame`. */
  private sources(
    attrs: AttrsExpr,
    scope: Scope | null,
    frame: Frame,
  ): { stored: Expr[]; node: (i: number) => number } {
    const stored: Expr[] = [];
    const slots: number[] = [];
    for (const source of attrs.inheritFrom) {
      if (Emitter.isAtom(source, scope, this.globals)) slots.push(-1);
      else {
        slots.push(frame.size++);
        stored.push(source);
      }
    }
    return {
      stored,
      node: (i) =>
        slots[i] === -1
          ? this.emit(attrs.inheritFrom[i]!, scope, frame, false)
          : this.slot(slots[i]!, 0, startOf(attrs.inheritFrom[i]!)),
    };
  }

  private attrs(expr: AttrsExpr, scope: Scope | null, frame: Frame): number {
    const syms = sortedKeys(expr.attrs);
    const template = this.code.templates++;
    if (expr.recursive) return this.rec(expr, syms, template, scope, frame);
    if (expr.inheritFrom.every((source) => Emitter.isAtom(source, scope, this.globals)) && expr.dynamic.length === 0) {
      const o = this.node(Op.ATTRS, expr.pos, template, syms.length);
      this.code.reserve(3 * syms.length);
      let at = o + 4;
      for (const sym of syms) {
        const value = this.attrValue(sym, expr, scope, scope, frame, (i) =>
          this.emit(expr.inheritFrom[i]!, scope, frame, false),
        );
        this.patch(at++, sym);
        this.patch(at++, expr.attrs.get(sym)!.pos);
        this.patch(at++, value);
      }
      return o;
    }
    const inner = new Frame(frame.depth + 1);
    const { o, at } = this.setHeader(expr, syms, template, 0, expr.inheritFrom.length);
    for (let i = 0; i < expr.inheritFrom.length; i++) {
      this.patch(o + 8 + i, this.emit(expr.inheritFrom[i]!, scope, frame, false));
    }
    let next = at;
    for (const sym of syms) {
      const def = expr.attrs.get(sym)!;
      const value = this.attrValue(sym, expr, scope, scope, def.kind === 'inheritedFrom' ? inner : frame, (i) =>
        this.slot(1 + i, 0, startOf(expr.inheritFrom[i]!)),
      );
      this.patch(next++, sym);
      this.patch(next++, def.pos);
      this.patch(next++, def.kind === 'inheritedFrom' ? ~value : value);
    }
    this.dynamic(next, expr, scope, frame);
    this.patch(o + 4, 1 + expr.inheritFrom.length);
    return o;
  }

  private rec(expr: AttrsExpr, syms: Sym[], template: number, scope: Scope | null, frame: Frame): number {
    const inner = new Frame(frame.depth + 1);
    const names = new Map<Sym, number>();
    for (const sym of syms) this.bind(names, sym, inner.size++);
    const newScope: Scope = { up: scope, frame: inner, names, pos: 0 };
    const sources = this.sources(expr, newScope, inner);
    const flags = REC | (expr.attrs.has(OVERRIDES) ? HAS_OVERRIDES : 0);
    const { o, at } = this.setHeader(expr, syms, template, flags, sources.stored.length);
    for (let i = 0; i < sources.stored.length; i++) {
      this.patch(o + 8 + i, this.emit(sources.stored[i]!, newScope, inner, false));
    }
    let next = at;
    for (const sym of syms) {
      const value = this.attrValue(sym, expr, newScope, scope, inner, (i) => sources.node(i));
      this.patch(next++, sym);
      this.patch(next++, expr.attrs.get(sym)!.pos);
      this.patch(next++, value);
    }
    this.dynamic(next, expr, newScope, inner);
    this.patch(o + 4, inner.size);
    return o;
  }

  private setHeader(
    expr: AttrsExpr,
    syms: readonly Sym[],
    template: number,
    flags: number,
    nFrom: number,
  ): { o: number; at: number } {
    const nDynamic = expr.dynamic.length;
    const o = this.node(Op.SET, expr.pos, template, flags, 0, nFrom, syms.length, nDynamic);
    this.code.reserve(nFrom + 3 * syms.length + 3 * nDynamic);
    return { o, at: o + 8 + nFrom };
  }

  private dynamic(at: number, expr: AttrsExpr, scope: Scope | null, frame: Frame): void {
    for (const { name, value, pos } of expr.dynamic) {
      this.patch(at++, this.emit(name, scope, frame, false));
      this.patch(at++, this.emit(value, scope, frame, false));
      this.patch(at++, pos);
    }
  }
}

class DebugEmitter extends Emitter {
  protected override readonly maxShared = 1;
  private readonly scopes: Map<number, NodeScope>;

  constructor(options: EmitOptions, scopes: Map<number, NodeScope>) {
    super(options);
    this.scopes = scopes;
  }

  override emit(expr: Expr, scope: Scope | null, frame: Frame): number {
    const off = super.emit(expr, scope, frame, false);
    this.scopes.set(off, { scope, depth: frame.depth });
    return off;
  }
}

function sortedKeys(attrs: ReadonlyMap<Sym, unknown>): Sym[] {
  const syms: Sym[] = [];
  let sorted = true;
  for (const sym of attrs.keys()) {
    if (syms.length > 0 && sym < syms[syms.length - 1]!) sorted = false;
    syms.push(sym);
  }
  return sorted ? syms : syms.sort((a, b) => a - b);
}

/** The slots for a scope of names, in the order given: what EmitOptions.scope wants. */
export function scopeSlots(names: Iterable<string>): Map<Sym, number> {
  const slots = new Map<Sym, number>();
  for (const name of names) {
    const sym = findSymbol(name) ?? intern(name);
    if (!slots.has(sym)) slots.set(sym, slots.size + 1);
  }
  return slots;
}
