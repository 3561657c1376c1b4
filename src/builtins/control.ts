// Evaluation order, failure and messages.
import { Attrs, KeySet } from '../eval/attrs.ts';
import { ContextBuilder } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { printValue, tracePrintOptions } from '../eval/print.ts';
import { ContextString, type BuiltinRecord, type Slot, type Value } from '../eval/value.ts';
import { AbortError, Breakpoint, CatchableError, EvalError, NixError, ThrownError } from '../util/errors.ts';
import { intern } from '../util/symbols.ts';

const VALUE = intern('value');
const SUCCESS = intern('success');
const TRY_KEYS = new KeySet(Int32Array.of(VALUE, SUCCESS).sort());
const VALUE_FIRST = VALUE < SUCCESS;

function tryResult(success: boolean, value: Slot): Attrs {
  return new Attrs(TRY_KEYS, VALUE_FIRST ? [value, success] : [success, value], null);
}

function traceMessage(ev: Evaluator, slot: Slot): void {
  const value = ev.force(slot);
  const text =
    typeof value === 'string'
      ? value
      : value instanceof ContextString
        ? value.text
        : printValue(ev, slot, tracePrintOptions);
  ev.io.log(`trace: ${text}`);
}

/** As Nix lays out a warning from Nix code: later lines are indented to the first. */
export function formatWarning(prefix: string, message: string): string {
  if (message.startsWith('\n')) return prefix.trimEnd() + message.replace(/\n+$/, '');
  const indent = ' '.repeat(prefix.length);
  return message
    .replace(/\s+$/, '')
    .split('\n')
    .map((line, i) => ((i === 0 ? prefix : indent) + line).replace(/\s+$/, ''))
    .join('\n');
}

const THROW_WHY = 'while evaluating the error message passed to builtin.throw';
const ABORT_WHY = 'while evaluating the error message passed to builtins.abort';

export const controlBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'seq',
    args: ['e1', 'e2'],
    doc: 'Evaluates *e1* to weak head normal form, then returns *e2*.',
    impl(ev, _pos, e1, e2) {
      ev.force(e1);
      return ev.force(e2);
    },
  },
  {
    name: 'deepSeq',
    args: ['e1', 'e2'],
    doc: 'Evaluates *e1* and everything in it, however deep, then returns *e2*. Cyclic values are no problem.',
    impl(ev, _pos, e1, e2) {
      ev.forceDeep(e1);
      return ev.force(e2);
    },
  },
  {
    name: 'tryEval',
    args: ['e'],
    doc:
      'Evaluates *e* shallowly. The result is `{ success = true; value = e; }`, or `{ success = false; value = false; }` ' +
      'where `throw`, a failed `assert` or a failed `<lookup>` ended it. Nothing else is caught: not `abort`, not type ' +
      'errors, not missing attributes.',
    impl(ev, _pos, e) {
      try {
        if (ev.debugged) ev.catching(() => ev.force(e));
        else ev.force(e);
      } catch (error) {
        if (error instanceof CatchableError) return tryResult(false, false);
        throw error;
      }
      return tryResult(true, e);
    },
  },
  {
    name: 'throw',
    args: ['s'],
    doc: 'Fails with message *s*. `tryEval` and `nix-env` listings survive it.',
    global: true,
    impl(ev, _pos, s) {
      throw new ThrownError(ev.coerceToString(s, 0, new ContextBuilder(), THROW_WHY));
    },
  },
  {
    name: 'abort',
    args: ['s'],
    doc: 'Ends evaluation with message *s*. Nothing catches it.',
    global: true,
    impl(ev, _pos, s) {
      const message = ev.coerceToString(s, 0, new ContextBuilder(), ABORT_WHY);
      throw new AbortError(`evaluation aborted with the following error message: '${message}'`);
    },
  },
  {
    name: 'trace',
    args: ['e1', 'e2'],
    doc:
      'Prints *e1* on standard error, then returns *e2*. Strings are printed bare, other values as far as they have ' +
      'been evaluated.',
    impl(ev, _pos, e1, e2) {
      traceMessage(ev, e1);
      if (ev.settings.debuggerOnTrace === true) ev.breakpoint();
      return ev.force(e2);
    },
  },
  {
    name: 'traceVerbose',
    args: ['e1', 'e2'],
    doc: 'As `trace` where the setting `trace-verbose` is on; otherwise only returns *e2*.',
    impl(ev, _pos, e1, e2) {
      if (ev.settings.traceVerbose) {
        traceMessage(ev, e1);
        if (ev.settings.debuggerOnTrace === true) ev.breakpoint();
      }
      return ev.force(e2);
    },
  },
  {
    name: 'warn',
    args: ['e1', 'e2'],
    doc:
      'Prints the string *e1* as a warning on standard error, then returns *e2*. With the setting `abort-on-warn` the ' +
      'evaluation ends there.',
    impl(ev, _pos, e1, e2): Value {
      const why = 'while evaluating the first argument; the message passed to builtins.warn';
      const message = ev.expectString(e1, 0, why);
      ev.io.log(formatWarning('evaluation warning: ', typeof message === 'string' ? message : message.text));
      if (ev.settings.abortOnWarn) {
        throw new EvalError('aborting to reveal stack trace of warning, as abort-on-warn is set');
      }
      if (ev.settings.debuggerOnTrace === true || ev.settings.debuggerOnWarn === true) ev.breakpoint();
      return ev.force(e2);
    },
  },
  {
    name: 'addErrorContext',
    args: ['context', 'value'],
    doc: 'Returns *value*; if evaluating it fails, the string *context* is a line of the error’s trace.',
    noTrace: true,
    impl(ev, _pos, context, value) {
      try {
        return ev.force(value);
      } catch (error) {
        if (!(error instanceof NixError)) throw error;
        const why = 'while evaluating the error message passed to builtins.addErrorContext';
        const hint = ev.coerceToString(context, 0, new ContextBuilder(), why, { copy: false });
        throw error.addFrame(hint, 0, true);
      }
    },
  },
  {
    name: 'break',
    args: ['v'],
    doc: 'Returns *v*; with `--debugger`, stops there first.',
    global: true,
    impl(ev, _pos, v) {
      if (ev.debugged) ev.breakpoint(new Breakpoint('breakpoint reached'));
      return ev.force(v);
    },
  },
];
