// The evaluator: the engine (interpreter.ts) with what everything else asks of it: typed access to values, coercion,
// comparison, files. One evaluator is one evaluation state: code, caches, globals, the door to the world (EvalIo).
import { allowBlake3 } from '../store/blake3.ts';
import { emit, scopeSlots, type NodeScope } from '../parser/emit.ts';
import { decodeUnit, encodeUnit, markCode, UNIT_FORMAT, unitSource } from '../parser/unit.ts';
import { parseNix, printExpr, type Expr } from '../parser/index.ts';
import { NotImplementedError, type NixError } from '../util/errors.ts';
import { lineStarts, type OriginKind, type Pos } from '../util/positions.ts';
import { recordNames, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs, internKeySet, workSpace } from './attrs.ts';
import { makeGlobals } from './base-environment.ts';
import type { CodeCache } from './code-cache.ts';
import { coerceToPath, coerceToString } from './coerce.ts';
import { ContextBuilder } from './context.ts';
import { equalSlots, lessThan } from './equality.ts';
import { contextForbidden, FUNCTOR, mismatch } from './failures.ts';
import { hostError } from './host-error.ts';
import { forceDeep } from './force-deep.ts';
import { Interpreter } from './interpreter.ts';
import type { EvalIo } from './io.ts';
import { Lambda, type Env } from './lambda.ts';
import { errorPrintOptions, printValue } from './print.ts';
import { Program, type SetTemplate } from './program.ts';
import { resolveExprPath } from './search-path.ts';
import { defaultSettings, type EvalSettings } from './settings.ts';
import { copyPathToStore, realiseContext } from './store-access.ts';
import { APPLY, ApplyThunk, Thunk, VALUE } from './thunk.ts';
import {
  ContextString,
  NixFloat,
  Primop,
  PrimopApp,
  type BuiltinRecord,
  type List,
  type NixInt,
  type Slot,
  type Value,
} from './value.ts';
import { showType } from './value-type.ts';

export interface CoerceOptions {
  /** ints, floats, bools, null and lists too (toString, derivation attributes). */
  readonly more?: boolean;
  /** Paths become store paths (default true). */
  readonly copy?: boolean;
}

export interface EvaluatorOptions {
  readonly io: EvalIo;
  readonly settings?: Partial<EvalSettings>;
  /** The builtins; src/builtins/index.ts has them all. */
  readonly builtins: readonly BuiltinRecord[];
  /** More globals that are also in `builtins`. */
  readonly constants?: Readonly<Record<string, Slot>>;
  /** Keeps the code of files; absent: every file is parsed. */
  readonly codeCache?: CodeCache;
  /** What another evaluator has loaded, which is used no more. */
  readonly program?: Program | undefined;
}

const ARITHMETIC = ['sub', 'mul', 'div', 'lessThan'];

export class Evaluator extends Interpreter {
  readonly io: EvalIo;
  readonly settings: EvalSettings;
  readonly positions = this.program.positions;
  /** `builtins`. */
  readonly builtins: Attrs;
  /** Builtins that only internal code reaches. */
  readonly internalBuiltins = new Map<string, Primop>();
  private readonly globalSlots: ReadonlyMap<Sym, number>;
  private readonly codeCache: CodeCache | undefined;
  private readonly files = new Map<string, Thunk>();
  private readonly resolved = new Map<string, string>();
  private readonly copied = new Map<string, string>();
  private variant: string | undefined;
  /** Of a debugger: what every node sees. */
  protected scopes: Map<number, NodeScope> | undefined;
  /** How many the parser has given. */
  private warnings = 0;

  constructor(options: EvaluatorOptions) {
    super(options.program ?? new Program());
    this.io = options.io;
    this.settings = { ...defaultSettings, ...options.settings };
    if (this.settings.experimentalFeatures.has('blake3-hashes')) allowBlake3();
    this.codeCache = options.codeCache;
    this.maxDepth = this.settings.maxCallDepth;
    this.codeDepth = this.settings.generatedDepth ?? Infinity;
    if (this.settings.generateCode === 'always') this.tier.always();
    else if (this.settings.generateCode === 'never') this.tier.stop();
    this.setCallFrames(this.settings.showTrace);
    const { builtins, slots, primops } = makeGlobals(this, options.builtins, options.constants ?? {});
    this.builtins = builtins;
    this.globalSlots = slots;
    for (const name of ARITHMETIC) this.operators.push(primops.get(name)!);
  }

  /** Everything below, too. */
  forceDeep(slot: Slot, _pos: Pos = 0): Value {
    const { depth } = this;
    try {
      return forceDeep(this, slot);
    } finally {
      this.depth = depth;
    }
  }

  lazy(compute: () => Slot): Thunk {
    return Thunk.native(compute);
  }

  // Force and check; a mismatch throws TypeMismatchError "expected a set but found an integer: 1" with `why`
  // ("while evaluating the first argument passed to builtins.map") as its innermost frame at `pos`. As in Nix, the
  // checks of lists and sets add that frame only to the mismatch, the others to every error of forcing.

  private expected(slot: Slot, pos: Pos, why: string, what: string): never {
    let error: unknown;
    try {
      const mismatched = mismatch(what, this.force(slot, pos), this);
      mismatched.pos = pos;
      error = mismatched;
    } catch (failure) {
      error = failure;
    }
    throw this.frame(error, why, pos);
  }

  private forceFor(slot: Slot, pos: Pos, why: string): Value {
    if (!(slot instanceof Thunk)) return slot;
    try {
      return this.force(slot, pos);
    } catch (error) {
      throw this.frame(error, why, pos);
    }
  }

  expectInt(slot: Slot, pos: Pos, why: string): NixInt {
    const value = this.forceFor(slot, pos, why);
    if (typeof value === 'number' || typeof value === 'bigint') return value;
    return this.expected(value, pos, why, 'an integer');
  }
  /** Ints are converted. */
  expectFloat(slot: Slot, pos: Pos, why: string): number {
    const value = this.forceFor(slot, pos, why);
    if (value instanceof NixFloat) return value.value;
    if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
    return this.expected(value, pos, why, 'a float');
  }
  expectBool(slot: Slot, pos: Pos, why: string): boolean {
    const value = this.forceFor(slot, pos, why);
    if (typeof value === 'boolean') return value;
    return this.expected(value, pos, why, 'a Boolean');
  }
  expectList(slot: Slot, pos: Pos, why: string): List {
    const value = this.force(slot, pos);
    if (Array.isArray(value)) return value as List;
    throw mismatch('a list', value, this).addFrame(why, pos);
  }
  expectAttrs(slot: Slot, pos: Pos, why: string): Attrs {
    const value = this.force(slot, pos);
    if (value instanceof Attrs) return value;
    throw mismatch('a set', value, this).addFrame(why, pos);
  }
  /** Lambda, primop, or functor set. */
  expectFunction(slot: Slot, pos: Pos, why: string): Value {
    const value = this.forceFor(slot, pos, why);
    if (value instanceof Lambda || value instanceof Primop || value instanceof PrimopApp) return value;
    if (value instanceof Attrs && value.has(FUNCTOR)) return value;
    return this.expected(value, pos, why, 'a function');
  }
  expectString(slot: Slot, pos: Pos, why: string): string | ContextString {
    const value = this.forceFor(slot, pos, why);
    if (typeof value === 'string' || value instanceof ContextString) return value;
    return this.expected(value, pos, why, 'a string');
  }
  /** A string's text; its context is added to `context`. */
  expectStringText(slot: Slot, pos: Pos, why: string, context: ContextBuilder): string {
    const value = this.expectString(slot, pos, why);
    if (typeof value === 'string') return value;
    context.add(value.context);
    return value.text;
  }
  expectStringNoContext(slot: Slot, pos: Pos, why: string): string {
    const value = this.expectString(slot, pos, why);
    if (typeof value === 'string') return value;
    throw contextForbidden(value).addFrame(why, pos);
  }

  coerceToString(slot: Slot, pos: Pos, context: ContextBuilder, why: string, options: CoerceOptions = {}): string {
    return coerceToString(this, slot, pos, context, why, options);
  }
  /** A path, or a string (set with outPath …) that is an absolute path; canonical. */
  coerceToPath(slot: Slot, pos: Pos, context: ContextBuilder, why: string): string {
    return coerceToPath(this, slot, pos, context, why);
  }
  /** Adds a path to the store as path interpolation does; returns the store path and adds it to `context`. */
  copyPathToStore(path: string, context: ContextBuilder): string {
    let storePath = this.copied.get(path);
    if (storePath === undefined) this.copied.set(path, (storePath = copyPathToStore(this.io, path)));
    context.addElement(storePath);
    return storePath;
  }
  /** Builds what a string's context needs before its text is used as a path (import from derivation); that path. */
  realiseContext(context: ContextBuilder, text: string): string {
    return realiseContext(this, context, text);
  }

  /** For `flake:` entries of the search path: who knows flakes is a builtin. @throws NixError */
  flakeTree(reference: string): string {
    const primop = this.internalBuiltins.get('flakeTree');
    if (primop === undefined) throw new NotImplementedError(`flake references ('${reference}')`);
    return this.expectStringText(this.call(primop, [reference], 0), 0, '', new ContextBuilder());
  }

  equal(a: Slot, b: Slot, pos: Pos, _why: string): boolean {
    return equalSlots(this, a, b, pos);
  }
  /** Nix's `<`. */
  lessThan(a: Slot, b: Slot, pos: Pos, why: string): boolean {
    return lessThan(this, this.force(a, pos), this.force(b, pos), pos, why);
  }

  /** Evaluates a file (cached by resolved path); directories mean default.nix. */
  evalFile(path: string): Value {
    let resolved = this.resolved.get(path);
    if (resolved === undefined) this.resolved.set(path, (resolved = resolveExprPath(this.io, path)));
    let file = this.files.get(resolved);
    if (file === undefined) {
      const found = resolved;
      file = Thunk.native(() => this.runFile(found));
      this.files.set(found, file);
    }
    return this.force(file);
  }

  /** A file as nix-instantiate evaluates its arguments: neither cached nor named in traces. */
  evalRootFile(path: string): Value {
    return this.run(this.loadFile(resolveExprPath(this.io, path)), [null]);
  }

  private runFile(path: string): Value {
    const off = this.loadFile(path);
    try {
      return this.evaluateFile(off, path);
    } catch (error) {
      throw this.frame(error, `while evaluating the file '${path}':`, 0);
    }
  }

  protected evaluateFile(off: number, _path: string): Value {
    return this.evaluate(off, [null]);
  }

  // What a debugger (debug-evaluator.ts) wants to know.

  /** Somebody does: the rest is asked. */
  debugged = false;

  /** Stops for who debugs. */
  breakpoint(_error?: NixError): void {
    // nobody debugs
  }
  /** Runs what catches errors of Nix code. */
  catching<T>(run: () => T): T {
    return run();
  }

  /** Evaluates what is in an attribute. */
  visitAttribute(_slot: Slot, _sym: Sym, _pos: Pos, visit: () => void): void {
    visit();
  }

  /** Names that are in scope everywhere. */
  globalNames(): string[] {
    return Array.from(this.globalSlots.keys(), symbolName);
  }

  /** Forgets what files gave (`:r` of the repl); the code stays. */
  resetFileCache(): void {
    this.files.clear();
    this.resolved.clear();
  }

  /** What a file says, not evaluated. */
  parseFile(path: string, source = this.io.readFile(path)): Expr {
    const slash = path.lastIndexOf('/');
    return this.parse(source, slash <= 0 ? '/' : path.slice(0, slash), { kind: 'file', path });
  }

  /** The code of a file: kept from earlier, or parsed now. */
  private loadFile(path: string): number {
    const slot = this.codeCache?.look(path, this.codeVariant()) ?? null;
    if (slot === null) return this.load(this.parseFile(path));
    if (slot.unit !== null) {
      const { unit } = slot;
      const source = (): string => slot.source();
      const known = this.program.find(path, unit, this.codeVariant(), source);
      if (known !== undefined) return known;
      const { length, lines } = unitSource(unit);
      const origin = this.positions.addOrigin({ kind: 'file', path }, source, length, lines);
      const start = this.code.length;
      const off = decodeUnit(unit, this.code, origin.base);
      this.growTables();
      this.program.loaded(path, { unit, off, origin, words: this.code.length - start });
      return off;
    }
    const source = this.io.readFile(path);
    const start = markCode(this.code);
    const { warnings } = this;
    const { result, names } = recordNames(() => this.parseFile(path, source));
    const root = this.load(result);
    // What is said while parsing must be said each time.
    if (this.warnings === warnings) {
      const { base } = this.positions.lastOrigin();
      const lines = lineStarts(source);
      slot.keep(encodeUnit(this.code, { start, root, names, base, source: { length: source.length, lines } }), source);
    }
    return root;
  }

  /** What, besides a file's text, its code depends on. */
  private codeVariant(): string {
    return (this.variant ??= JSON.stringify([
      UNIT_FORMAT,
      Array.from(this.globalSlots, ([sym, slot]) => [symbolName(sym), slot]),
      this.homeDir(),
      [...this.settings.experimentalFeatures].sort(),
      this.settings.lints ?? null,
    ]));
  }

  private homeDir(): string | null {
    return this.settings.pureEval ? null : (this.io.getEnv('HOME') ?? '/homeless-shelter');
  }

  /** Text with literals relative to `baseDir`; extra lexical scope for scopedImport. */
  evalString(source: string, baseDir: string, origin: OriginKind, scope?: Attrs): Value {
    return this.evalExpr(this.parse(source, baseDir, origin), scope);
  }

  /** Evaluates a syntax tree that `parse` made. */
  evalExpr(expr: Expr, scope?: Attrs): Value {
    const env: Env = [null];
    let names: Map<Sym, number> | undefined;
    if (scope !== undefined) {
      names = scopeSlots(Array.from(scope.keys.ids, (id) => symbolName(id as Sym)));
      for (const slot of scope.values) env.push(slot);
    }
    return this.run(this.load(expr, names), env);
  }

  /** Evaluates from outside: whatever happens, the call depth is what it was. */
  private run(off: number, env: Env): Value {
    const { depth } = this;
    try {
      return this.evaluate(off, env);
    } catch (error) {
      throw hostError(error);
    } finally {
      this.depth = depth;
    }
  }

  /** What `--parse` prints. @throws ParseError */
  showParsed(source: string, baseDir: string, origin: OriginKind): string {
    const expr = this.parse(source, baseDir, origin);
    this.load(expr);
    return printExpr(expr);
  }
  showParsedFile(path: string): string {
    const expr = this.parseFile(resolveExprPath(this.io, path));
    this.load(expr);
    return printExpr(expr);
  }

  /**
   * Text as a syntax tree, in which literals are relative to `baseDir`.
   * @param around what the grammar wants before and after a text that is only a part of an expression
   */
  parse(source: string, baseDir: string, kind: OriginKind, around: readonly [string, string] = ['', '']): Expr {
    const [before, after] = around;
    const origin = this.positions.addOrigin(kind, source, source.length);
    return parseNix(before + source + after, {
      origin: before === '' ? origin : { ...origin, base: origin.base - before.length },
      baseDir,
      homeDir: this.homeDir(),
      features: this.settings.experimentalFeatures,
      ...(this.settings.lints === undefined ? {} : { lints: this.settings.lints }),
      expectRoom: (bytes) => {
        this.expectRoom(bytes);
      },
      warn: (message) => {
        this.warnings++;
        this.io.log(`warning: ${message}`);
      },
    });
  }

  /** Makes room in the side tables for code that was emitted: dense arrays are fast ones. */
  private growTables(): void {
    const { code } = this;
    while (this.siteKeys.length < code.sites) {
      this.siteKeys.push(null);
      this.siteIndexes.push(0);
    }
    while (this.templates.length < code.templates) this.templates.push(undefined);
    while (this.literals.length < code.constants.length) this.literals.push(undefined);
  }

  /** Emits code and makes room for it in the side tables. */
  private load(expr: Expr, scope?: ReadonlyMap<Sym, number>): number {
    let off: number;
    try {
      off = emit(expr, {
        code: this.code,
        globals: this.globalSlots,
        show: printExpr,
        ...(scope === undefined ? {} : { scope }),
        ...(this.scopes === undefined ? {} : { scopes: this.scopes }),
      });
    } catch (error) {
      throw hostError(error);
    }
    this.growTables();
    return off;
  }

  override template(index: number, n: number, at: number, pos: Pos): SetTemplate {
    const known = this.templates[index];
    if (known !== undefined) return known;
    const { words } = this.code;
    const { ids } = workSpace(n);
    const positions: number[] = [];
    for (let i = 0; i < n; i++) {
      ids[i] = words[at + 3 * i]!;
      positions.push(words[at + 3 * i + 1]!);
    }
    this.program.literalPositions.set(positions, pos);
    return (this.templates[index] = { keys: internKeySet(ids, n), positions });
  }

  /**
   * Where a value was written: lambdas and set literals know; an application that waits is where its function is.
   */
  determinePos(slot: Slot, fallback: Pos = 0): Pos {
    let value = slot;
    while (value instanceof Thunk) {
      if (value.off !== VALUE && !(value instanceof ApplyThunk && value.off <= APPLY)) return fallback;
      value = value.a as Slot;
    }
    if (value instanceof Lambda) return value.record.pos;
    if (!(value instanceof Attrs)) return fallback;
    const positions = value.anyPositions;
    return positions === null ? fallback : (this.program.literalPositions.get(positions) ?? fallback);
  }

  /** "an integer", "a set", "a list", "a string with context" … */
  showType(value: Slot): string {
    return showType(value);
  }
  /** Bounded printing for messages (depth 10, 10 items, 1024 bytes). */
  showValue(slot: Slot): string {
    return printValue(this, slot, errorPrintOptions);
  }
}

export type { BuiltinRecord };
