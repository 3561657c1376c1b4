// The cold sides of forcing and of type checks.
import { EvalError, InfiniteRecursionError, InterruptedError, NixError, TypeMismatchError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import { parseContextElement } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import { hostError } from './host-error.ts';
import type { Env, LambdaRecord } from './lambda.ts';
import { errorPrintOptions, printValue } from './print.ts';
import { APPLY, APPLY_NAMED, BLACKHOLE, FAILED, NATIVE, VALUE, type Application, type Thunk } from './thunk.ts';
import type { ContextString, Slot, Value } from './value.ts';
import { showType } from './value-type.ts';

export const FUNCTOR = intern('__functor');

/** The thunk that was found to depend on itself, while its error travels outwards. */
const cycles = new WeakMap<NixError, Thunk>();

/** Forces a thunk that is neither suspended code nor an application. */
export function forceOther(ev: Evaluator, thunk: Thunk, pos: Pos): Value {
  switch (thunk.off) {
    case VALUE:
      return thunk.a as Value;
    case FAILED:
      throw copyError(thunk.a);
    case BLACKHOLE: {
      const error = new InfiniteRecursionError('infinite recursion encountered', { pos });
      cycles.set(error, thunk);
      throw error;
    }
    default: {
      if (thunk.off !== NATIVE) throw new Error(`no such thunk state: ${thunk.off}`);
      const compute = thunk.a as () => Slot;
      thunk.off = BLACKHOLE;
      thunk.a = undefined;
      let value: Value;
      try {
        value = ev.force(compute(), pos);
      } catch (error) {
        fail(thunk, error, NATIVE, compute);
        throw hostError(error);
      }
      thunk.off = VALUE;
      thunk.a = value;
      return value;
    }
  }
}

/** Nix quirk: applications are not marked while they run: one that needs itself ends at max-call-depth. */
export function forceApply(ev: Evaluator, thunk: Thunk, pos: Pos): Value {
  const application = thunk as unknown as Application;
  let value: Value;
  try {
    value =
      thunk.off === APPLY
        ? ev.callOne(thunk.a as Slot, application.b as Slot, pos)
        : ev.callTwo(thunk.a as Slot, symbolName((APPLY_NAMED - thunk.off) as Sym), application.b as Slot, pos);
  } catch (error) {
    fail(thunk, error, thunk.off, thunk.a);
    throw hostError(error);
  }
  thunk.off = VALUE;
  thunk.a = value;
  application.b = undefined;
  return value;
}

/** After the code of a thunk threw: what is to be thrown on. The thunk has been marked already. */
export function failThunk(thunk: Thunk, error: unknown, off: number, env: Env): unknown {
  if (error instanceof InfiniteRecursionError && cycles.get(error) === thunk) {
    error.addFrame('entering the infinite recursion', 0, true);
  }
  const result = hostError(error);
  fail(thunk, result, off, env);
  return result;
}

/** The error stays; but what was only stopped can be asked for again, so it becomes what it was: `off`, `a`. */
function fail(thunk: Thunk, error: unknown, off: number, a: unknown): void {
  const stopped = error instanceof InterruptedError;
  thunk.off = stopped ? off : FAILED;
  thunk.a = stopped ? a : error;
}

/** Frames are added on the way out, so that an error thrown again must be another object. */
function copyError(error: unknown): unknown {
  if (!(error instanceof NixError)) return error;
  const copy = Object.create(
    Object.getPrototypeOf(error) as object,
    Object.getOwnPropertyDescriptors(error),
  ) as NixError;
  Object.defineProperty(copy, 'frames', { value: [...error.frames], enumerable: true });
  return copy;
}

/** A lambda's body, with the frames that only show-trace asks for. */
export function evaluateTraced(ev: Evaluator, record: LambdaRecord, env: Env, pos: Pos): Value {
  try {
    return ev.evaluateBody(record, env);
  } catch (error) {
    if (!ev.callFrames) throw error; // calls are watched for another reason
    const name = record.name === null ? 'anonymous lambda' : `'${symbolName(record.name)}'`;
    const framed = ev.frame(error, `while calling ${name}`, record.pos);
    throw pos === 0 ? framed : ev.frame(framed, 'from call site', pos);
  }
}

export function mismatch(expected: string, value: Slot, ev: Evaluator): TypeMismatchError {
  return new TypeMismatchError(
    `expected ${expected} but found ${showType(value)}: ${printValue(ev, value, errorPrintOptions)}`,
  );
}

export function notABoolean(ev: Evaluator, value: Value, pos: Pos): never {
  const error = mismatch('a Boolean', value, ev);
  error.pos = pos;
  throw error;
}

/** Calls a functor set; everything else cannot be called. */
export function notAFunction(ev: Evaluator, value: Value, arg: Slot, pos: Pos): Value {
  if (value instanceof Attrs) {
    const i = value.keys.indexOf(FUNCTOR);
    if (i >= 0) {
      try {
        return ev.call(value.values[i]!, [value, arg], value.positionOf(i));
      } catch (error) {
        throw ev.frame(error, "while calling a functor (an attribute set with a '__functor' attribute)", pos);
      }
    }
  }
  throw new TypeMismatchError(
    `attempt to call something which is not a function but ${showType(value)}: ${printValue(ev, value, errorPrintOptions)}`,
    { pos },
  );
}

export function contextForbidden(value: ContextString): EvalError {
  return new EvalError(
    `the string '${value.text}' is not allowed to refer to a store path (such as '${displayElement(value.context[0]!)}')`,
  );
}

/** A context element as messages show it. */
function displayElement(encoded: string): string {
  const element = parseContextElement(encoded);
  if (element.kind === 'opaque') return element.path;
  return element.kind === 'drvDeep' ? `${element.drvPath} (deep)` : `${element.drvPath}^${element.output}`;
}
