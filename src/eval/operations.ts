// What the interpreter does less often or at greater length: selection, sets, concatenation, formals.
import { Op } from '../parser/code.ts';
import { FLAG_BITS, HAS_OVERRIDES, REC } from '../parser/emit.ts';
import {
  AssertionError,
  EvalError,
  MissingArgumentError,
  MissingAttributeError,
  TypeMismatchError,
} from '../util/errors.ts';
import type { LambdaRecord } from '../parser/code.ts';
import type { Pos } from '../util/positions.ts';
import { bestMatches } from '../util/suggestions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { assertEqual } from './assert-equal.ts';
import { Attrs, AttrsBuilder, MIN_LARGE_SIZE, type KeySet } from './attrs.ts';
import { newEnv, newSlots } from './environment.ts';
import type { Evaluator } from './evaluator.ts';
import { mismatch } from './failures.ts';
import type { Positions } from './key-set.ts';
import type { Env } from './lambda.ts';
import { printPosition } from './print-position.ts';
import { printAttrName } from './print-string.ts';
import { Thunk, VALUE } from './thunk.ts';
import type { Slot, Value } from './value.ts';

const OVERRIDES = intern('__overrides');

function namesOf(set: Attrs): string[] {
  return Array.from(set.keys.ids, (id) => symbolName(id as Sym));
}

/** A set where Nix's forceAttrs wants one: a mismatch has a frame but no position of its own. */
function forceAttrs(ev: Evaluator, slot: Slot, pos: Pos, why: string): Attrs {
  const value = ev.force(slot, pos);
  if (value instanceof Attrs) return value;
  throw mismatch('a set', value, ev).addFrame(why, pos);
}

/** WITH_VAR: the slot of a name in the nearest `with` that has it. */
export function lookUpWith(ev: Evaluator, off: number, env: Env): Slot {
  const words = ev.code.words;
  const sym = words[off + 2]! as Sym;
  const site = words[off + 3]!;
  const n = words[off + 4]!;
  for (let i = 0; i < n; i++) {
    let at = env;
    for (let level = words[off + 5 + 2 * i]!; level > 0; level--) at = at[0] as Env;
    const slot = at[1] as Slot;
    const set =
      slot instanceof Attrs
        ? slot
        : forceAttrs(
            ev,
            slot,
            words[off + 6 + 2 * i]!,
            'while evaluating the first subexpression of a with expression',
          );
    const found = ev.attr(set, sym, site + i);
    if (found !== undefined) return found;
  }
  throw new EvalError(`undefined variable '${symbolName(sym)}'`, { pos: words[off + 1]! });
}

function missing(set: Attrs, sym: Sym): MissingAttributeError {
  const name = symbolName(sym);
  return new MissingAttributeError(`attribute '${printAttrName(name)}' missing`, {
    suggestions: bestMatches(namesOf(set), name),
  });
}

function isDerivationInternal(ev: Evaluator, pos: Pos): boolean {
  const kind = ev.positions.originOf(pos)?.kind;
  return kind?.kind === 'internal' && kind.name === 'derivation-internal.nix';
}

/** Frames of a failed selection: where what was selected last is defined, and where the selection stands. */
function selectionFailed(ev: Evaluator, error: unknown, pos: Pos, attrPos: Pos, found: string, path: string): unknown {
  const framed =
    attrPos === 0 || isDerivationInternal(ev, attrPos)
      ? error
      : ev.frame(error, `from the definition of '${found}'`, attrPos);
  return ev.frame(framed, `while evaluating the attribute '${path}'`, pos);
}

/** SELECT1 where the fast path ends. */
export function selectOne(ev: Evaluator, off: number, env: Env): Value {
  return selectFrom(ev, off, ev.operand(ev.code.words[off + 2]!, env, 'while selecting an attribute'));
}

/** SELECT1 of a target that is evaluated. */
export function selectFrom(ev: Evaluator, off: number, target: Value): Value {
  const words = ev.code.words;
  const pos = words[off + 1]!;
  const sym = words[off + 3]! as Sym;
  let holder: Attrs | null = null;
  try {
    if (!(target instanceof Attrs)) throw mismatch('a set', target, ev).addFrame('while selecting an attribute', pos);
    const slot = ev.attr(target, sym, words[off + 4]!);
    if (slot === undefined) throw missing(target, sym);
    if (!(slot instanceof Thunk)) return slot;
    if (slot.off === VALUE) return slot.a as Value;
    holder = target;
    return ev.forceThunk(slot, slot.off >= 0 ? pos : placeOf(target, sym, pos));
  } catch (error) {
    const name = printAttrName(symbolName(sym));
    throw selectionFailed(ev, error, pos, holder?.posOf(sym) ?? 0, name, name);
  }
}

/** Where what is in an attribute is forced, which takes a search: code that waits (`off` >= 0) has no use for it. */
function placeOf(set: Attrs, sym: Sym, pos: Pos): Pos {
  const attrPos = set.posOf(sym);
  return attrPos === 0 ? pos : attrPos;
}

/** A step of an attribute path: its symbol, computed where it must be. */
function stepName(ev: Evaluator, word: number, env: Env): Sym {
  if (word >= 0) return word as Sym;
  const { words } = ev.code;
  const node = words[~word + 2]!;
  return computedName(ev, ev.quick(node, env) ?? ev.evaluate(node, env), words[~word + 1]!);
}

/** The symbol of a step of an attribute path that was computed at `pos`. */
export function computedName(ev: Evaluator, name: Value, pos: Pos): Sym {
  return intern(
    typeof name === 'string' ? name : ev.expectStringNoContext(name, pos, 'while evaluating an attribute name'),
  );
}

/** SELECT: a path of several steps, computed ones, or a fallback. */
export function selectPath(ev: Evaluator, off: number, env: Env): Value {
  return selectPathFrom(ev, off, env, ev.operand(ev.code.words[off + 2]!, env, 'while selecting an attribute'));
}

/** SELECT of a target that is evaluated. */
export function selectPathFrom(ev: Evaluator, off: number, env: Env, target: Value): Value {
  const words = ev.code.words;
  const pos = words[off + 1]!;
  const fallback = words[off + 3]!;
  const site = words[off + 4]!;
  const n = words[off + 5]!;
  let slot: Slot = target;
  // Where `slot` was found: the position of its definition is asked for only where something is evaluated.
  let holder: Attrs | null = null;
  let name = 0 as Sym;
  let done = 0;
  try {
    for (let i = 0; i < n; i++) {
      const step = words[off + 6 + i]!;
      const sym = stepName(ev, step, env);
      let found: Slot | undefined;
      let set: Value;
      if (fallback >= 0) {
        set = ev.force(slot, pos);
        // The cache remembers an index for a key set: of no use where the name is computed.
        found = set instanceof Attrs ? (step < 0 ? set.get(sym) : ev.attr(set, sym, site + i)) : undefined;
        if (found === undefined) return ev.evaluate(fallback, env);
      } else {
        set = forceAttrs(ev, slot, pos, 'while selecting an attribute');
        found = step < 0 ? set.get(sym) : ev.attr(set, sym, site + i);
        if (found === undefined) throw missing(set, sym);
      }
      slot = found;
      holder = set as Attrs;
      name = sym;
      done = i + 1;
    }
    if (!(slot instanceof Thunk)) return slot;
    if (slot.off === VALUE) return slot.a as Value;
    return ev.forceThunk(slot, slot.off >= 0 ? pos : placeOf(holder!, name, pos));
  } catch (error) {
    const attrPos = holder?.posOf(name) ?? 0;
    throw selectionFailed(ev, error, pos, attrPos, showPath(ev, off, done, env), showPath(ev, off, n, env));
  }
}

/** The first `n` names of a SELECT, as messages show them. */
export function showPath(ev: Evaluator, off: number, n: number, env: Env): string {
  const names: string[] = [];
  for (let i = 0; i < n; i++) {
    const word = ev.code.words[off + 6 + i]!;
    try {
      names.push(printAttrName(symbolName(stepName(ev, word, env))));
    } catch {
      // The name itself cannot be evaluated: show how it is computed.
      names.push('"${' + (ev.code.constants[ev.code.words[~word + 3]!] as string) + '}"');
    }
  }
  return names.join('.');
}

/** HAS: `e ? a.b`. */
export function hasPath(ev: Evaluator, off: number, env: Env): boolean {
  return hasPathFrom(ev, off, env, ev.operand(ev.code.words[off + 2]!, env, "in the argument of '?'"));
}

/** HAS of a target that is evaluated. */
export function hasPathFrom(ev: Evaluator, off: number, env: Env, target: Value): boolean {
  const words = ev.code.words;
  const pos = words[off + 1]!;
  const n = words[off + 3]!;
  let slot: Slot = target;
  for (let i = 0; i < n; i++) {
    const set = ev.force(slot, pos);
    const sym = stepName(ev, words[off + 4 + i]!, env);
    const found = set instanceof Attrs ? set.get(sym) : undefined;
    if (found === undefined) return false;
    slot = found;
  }
  return true;
}

/** SET: rec, dynamic names, sources of `inherit (e)`. */
export function buildSet(ev: Evaluator, off: number, env: Env): Attrs {
  const words = ev.code.words;
  const flags = words[off + 3]!;
  const nFrom = words[off + 5]!;
  const n = words[off + 6]!;
  const nDynamic = words[off + 7]!;
  const at = off + 8 + nFrom;
  const { keys, positions } = ev.template(words[off + 2]!, n, at, words[off + 1]!);
  const isLate = n >= MIN_LARGE_SIZE && (flags & REC) === 0 && ev.makesLate;
  const values = isLate ? [] : newSlots(n);
  let inner = env;
  if ((flags & REC) !== 0 || nFrom > 0) {
    inner = newEnv(words[off + 4]!, env);
  }
  const slots = flags >> FLAG_BITS;
  if ((flags & REC) !== 0) {
    for (let i = 0; i < nFrom; i++) inner[1 + n + i] = ev.delay(words[off + 8 + i]!, inner);
    for (let i = 0; i < n; i++) {
      const node = words[at + 3 * i + 2]!;
      const slot = (flags & HAS_OVERRIDES) === 0 ? ev.delay(node, inner) : new Thunk(node, inner);
      inner[slots === 0 ? 1 + i : words[slots + i]!] = slot;
      values[i] = slot;
    }
  } else {
    for (let i = 0; i < nFrom; i++) inner[1 + i] = ev.delay(words[off + 8 + i]!, env);
    for (let i = 0; i < n && !isLate; i++) {
      const node = words[at + 3 * i + 2]!;
      values[i] = node >= 0 ? ev.delay(node, env) : ev.delay(~node, inner);
    }
  }
  let set = isLate ? largeSet(ev, keys, positions, at, env, inner) : new Attrs(keys, values, positions);
  if ((flags & HAS_OVERRIDES) !== 0) {
    const slot = set.get(OVERRIDES)!;
    const overrides = forceAttrs(ev, slot, 0, 'while evaluating the `__overrides` attribute');
    for (let i = 0; i < overrides.size; i++) {
      const j = keys.indexOf(overrides.keys.ids[i] as Sym);
      if (j >= 0) inner[slots === 0 ? 1 + j : words[slots + j]!] = overrides.values[i];
    }
    set = set.update(overrides);
  }
  return nDynamic === 0 ? set : addDynamic(ev, set, at + 3 * n, nDynamic, (flags & REC) !== 0 ? inner : env);
}

/** Nodes from this one on need a thunk in a lazy place (Interpreter.delay). */
export const FIRST_DELAYED = Op.WITH_VAR;

/**
 * The set of a large literal, without `rec`.
 * @param at where its attributes are
 * @param inner of those that are inherited
 */
export function largeSet(ev: Evaluator, keys: KeySet, positions: Positions, at: number, env: Env, inner: Env): Attrs {
  const { code } = ev;
  // What is there already is taken now: later a variable might be filled that is not yet, and its cell be another one.
  const ready = (i: number): Slot | undefined => {
    const node = code.words[at + 3 * i + 2]!;
    const off = node >= 0 ? node : ~node;
    return code.words[off]! < FIRST_DELAYED ? ev.delay(off, node >= 0 ? env : inner) : undefined;
  };
  const make = (i: number): Slot => {
    const node = code.words[at + 3 * i + 2]!;
    return node >= 0 ? new Thunk(node, env) : new Thunk(~node, inner);
  };
  return Attrs.partial(keys, positions, ready, make);
}

/** Attributes whose names are computed, in order of writing. */
function addDynamic(ev: Evaluator, set: Attrs, at: number, n: number, env: Env): Attrs {
  const words = ev.code.words;
  let one: Attrs | null = null;
  const builder = n === 1 ? null : new AttrsBuilder();
  for (let i = 0; i < n; i++, at += 3) {
    const pos = words[at + 2]!;
    const name = ev.force(ev.evaluate(words[at]!, env), pos);
    if (name === null) continue;
    const why = 'while evaluating the name of a dynamic attribute';
    const sym = intern(typeof name === 'string' ? name : ev.expectStringNoContext(name, pos, why));
    if (set.has(sym) || builder?.has(sym) === true) {
      const first = set.has(sym) ? set.posOf(sym) : builder!.posOf(sym);
      throw new EvalError(
        `dynamic attribute '${printAttrName(symbolName(sym))}' already defined at ${printPosition(ev.positions, first)}`,
        { pos },
      );
    }
    const node = words[at + 1]!;
    if (words[node] === Op.LAMBDA) nameLambda(ev.code.lambdas[words[node + 2]!]!, sym);
    const slot = ev.delay(node, env);
    if (builder === null) one = Attrs.single(sym, slot, pos);
    else builder.set(sym, slot, pos);
  }
  const added = builder === null ? one : builder.build();
  if (added === null || added.size === 0) return set;
  return set.update(added);
}

/** Nix quirk: a lambda takes the name of the dynamic attribute that it was evaluated for last. */
function nameLambda(record: LambdaRecord, sym: Sym): void {
  for (let r: LambdaRecord | null = record; r !== null; r = r.inner) r.name = sym;
}

/** UPDATE: chains as a whole, because Nix evaluates their operands from the right. */
export function updateSets(ev: Evaluator, off: number, env: Env): Value {
  const sets: Attrs[] = [];
  updateOperands(ev, off, env, sets);
  let result = sets[sets.length - 1]!;
  for (let i = sets.length - 2; i >= 0; i--) result = result.update(sets[i]!);
  return result;
}

/** Operands of a chain of `//`, rightmost first. */
function updateOperands(ev: Evaluator, off: number, env: Env, out: Attrs[]): void {
  const words = ev.code.words;
  updateOperand(ev, words[off + 3]!, env, out, "in the right operand of '//'");
  updateOperand(ev, words[off + 2]!, env, out, "in the left operand of '//'");
}

function updateOperand(ev: Evaluator, off: number, env: Env, out: Attrs[], why: string): void {
  if (ev.code.words[off] === Op.UPDATE) {
    updateOperands(ev, off, env, out);
    return;
  }
  try {
    const value = ev.evaluate(off, env);
    if (!(value instanceof Attrs)) throw mismatch('a set', value, ev);
    out.push(value);
  } catch (error) {
    throw ev.frame(error, why, ev.positionOf(off));
  }
}

/** Lists so long are not made without a look at how much memory there is. */
const MANY = 1 << 20;

/** CONCAT_LISTS. */
export function concatLists(ev: Evaluator, off: number, env: Env): Value {
  const words = ev.code.words;
  const a = ev.operand(words[off + 2]!, env, "in the left operand of '++'");
  const b = ev.operand(words[off + 3]!, env, "in the right operand of '++'");
  return joinLists(ev, a, b, words[off + 1]!);
}

/** `a ++ b` of what is evaluated. */
export function joinLists(ev: Evaluator, a: Value, b: Value, pos: Pos): Value {
  const why = 'while evaluating one of the elements to concatenate';
  const left = ev.expectList(a, pos, why);
  const right = ev.expectList(b, pos, why);
  if (right.length === 0) return left;
  if (left.length === 0) return right;
  const count = left.length + right.length;
  if (count > MANY) ev.expectRoom(count * 8);
  return left.concat(right);
}

/** The environment slots of a lambda with formals. */
export function bindFormals(ev: Evaluator, record: LambdaRecord, env: Env, arg: Slot, pos: Pos): void {
  const formals = record.formals!;
  let set: Attrs;
  if (arg instanceof Attrs) set = arg;
  else {
    try {
      set = forceAttrs(ev, arg, record.pos, 'while evaluating the value passed for the lambda argument');
    } catch (error) {
      throw pos === 0 ? error : ev.frame(error, 'from call site', pos);
    }
  }
  if (record.arg !== null) env[record.base] = arg;
  const { first, fallbacks, slots } = formals;
  const { keys } = set;
  const indexes =
    formals.cacheKeys === keys
      ? formals.cacheIndexes!
      : formals.olderKeys === keys
        ? formals.olderIndexes!
        : matchFormals(record, set, pos);
  const { values } = set;
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i]!;
    env[slots === null ? first + i : slots[i]!] = index >= 0 ? values[index] : ev.delay(fallbacks[i]!, env);
  }
}

/** Where each formal is in the set. @throws TypeMismatchError if the set does not fit */
function matchFormals(record: LambdaRecord, set: Attrs, pos: Pos): Int32Array {
  const formals = record.formals!;
  const indexes = findFormals(record, set, pos);
  formals.olderKeys = formals.cacheKeys;
  formals.olderIndexes = formals.cacheIndexes;
  formals.cacheKeys = set.keys;
  formals.cacheIndexes = indexes;
  return indexes;
}

function findFormals(record: LambdaRecord, set: Attrs, pos: Pos): Int32Array {
  const formals = record.formals!;
  const { names } = formals;
  const indexes = new Int32Array(names.length);
  let used = 0;
  for (let i = 0; i < names.length; i++) {
    const index = set.keys.indexOf(names[i]!);
    indexes[i] = index;
    if (index >= 0) used++;
    else if (formals.fallbacks[i]! < 0) {
      throw new MissingArgumentError(
        `function '${nameOf(record)}' called without required argument '${symbolName(names[i]!)}'`,
        { pos: record.pos },
      ).addFrame('from call site', pos);
    }
  }
  if (!formals.ellipsis && used !== set.size) {
    const unexpected = Array.from(set.keys.ids).find((id) => !names.includes(id as Sym))! as Sym;
    throw new TypeMismatchError(
      `function '${nameOf(record)}' called with unexpected argument '${printAttrName(symbolName(unexpected))}'`,
      { pos: record.pos, suggestions: bestMatches(names.map(symbolName), symbolName(unexpected)) },
    ).addFrame('from call site', pos);
  }
  return indexes;
}

function nameOf(record: LambdaRecord): string {
  return record.name === null ? 'anonymous lambda' : symbolName(record.name);
}

/** `__curPos`, unsafeGetAttrPos: { column, file, line }, or null where the source is no file. */
export function currentPosition(ev: Evaluator, pos: Pos): Value {
  const origin = ev.positions.originOf(pos);
  if (origin === undefined || origin.kind.kind !== 'file') return null;
  return Attrs.from([
    ['file', origin.kind.path],
    ['line', ev.lazy(() => ev.positions.resolve(pos)!.line)],
    ['column', ev.lazy(() => ev.positions.resolve(pos)!.column)],
  ]);
}

/** ASSERT with a false condition. */
export function assertionFailed(ev: Evaluator, off: number, env: Env): never {
  const words = ev.code.words;
  const pos = words[off + 1]!;
  const condition = words[off + 2]!;
  const text = ev.code.constants[words[off + 4]!] as string;
  if (words[condition] === Op.EQ) {
    const a = ev.evaluate(words[condition + 2]!, env);
    const b = ev.evaluate(words[condition + 3]!, env);
    try {
      assertEqual(ev, a, b, words[condition + 1]!);
    } catch (error) {
      if (error instanceof AssertionError) {
        error.addFrame(`while evaluating the condition of the assertion '${text}'`, pos);
      }
      throw error;
    }
  }
  throw new AssertionError(`assertion '${text}' failed`, { pos });
}
