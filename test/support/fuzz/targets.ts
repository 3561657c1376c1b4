// What an input is fed to. A target may fail with a NixError; whatever else it throws is a finding.
import { allBuiltins } from '../../../src/builtins/index.ts';
import { ContextBuilder } from '../../../src/eval/context.ts';
import { Evaluator } from '../../../src/eval/evaluator.ts';
import { valueToJson } from '../../../src/eval/json.ts';
import { MemoryEvalIo } from '../../../src/eval/memory-io.ts';
import { printAmbiguous } from '../../../src/eval/print-ambiguous.ts';
import { printValue, tracePrintOptions } from '../../../src/eval/print.ts';
import { valueToXml } from '../../../src/eval/print-xml.ts';
import type { BuiltinRecord, Slot } from '../../../src/eval/value.ts';
import { renderError } from '../../../src/util/render-error.ts';
import { parseDerivation, printDerivation } from '../../../src/store/aterm.ts';
import { ignoreNar, parseNar } from '../../../src/store/nar-parse.ts';
import { toBuffer } from '../../../src/util/bytes.ts';
import { EvalError, NixError } from '../../../src/util/errors.ts';
import type { Format } from './inputs.ts';
import type { Random } from './random.ts';

/** Programs may run for ever: that is stopped as an embedder would. What takes longer than the case's limit is a hang. */
const EVALUATION_MS = 1500;
/** Lists and repeated texts longer than this are refused: a program that asks for memory gets it. */
const MAX_LENGTH = 200_000;

const builtins: readonly BuiltinRecord[] = allBuiltins.map((record) => {
  if (record.name !== 'genList') return record;
  return {
    ...record,
    impl(ev, pos, generator: Slot, length: Slot) {
      const n = ev.expectInt(length, 0, '');
      if (n > MAX_LENGTH) throw new EvalError('longer than the fuzzer wants');
      return record.impl(ev, pos, generator, length);
    },
  };
});

const FILES = { '/work/default.nix': '{ x ? 1 }: x', '/work/a': 'text', '/work/b/c.nix': 'import ../default.nix' };

function evaluator(random: Random): Evaluator {
  return new Evaluator({
    io: new MemoryEvalIo({ files: FILES }),
    builtins,
    settings: {
      experimentalFeatures: new Set(random.oneIn(2) ? ['pipe-operators', 'parse-toml-timestamps'] : []),
      showTrace: random.oneIn(4),
    },
  });
}

/** In every way that values are looked at; each may fail for itself. */
function evaluate(random: Random, text: string): void {
  const ev = evaluator(random);
  ev.setLimits({ deadline: performance.now() + EVALUATION_MS });
  const attempt = (f: () => unknown): void => {
    try {
      f();
    } catch (error) {
      report(ev, error);
    }
  };
  attempt(() => ev.showParsed(text, '/work', { kind: 'string' }));
  attempt(() => {
    const value = ev.evalString(text, '/work', { kind: 'string' });
    attempt(() => printAmbiguous(ev, value, new ContextBuilder()));
    attempt(() => ev.forceDeep(value));
    attempt(() => printAmbiguous(ev, value, new ContextBuilder()));
    attempt(() => printValue(ev, value, tracePrintOptions));
    attempt(() => ev.showValue(value));
    attempt(() => valueToJson(ev, value, { context: new ContextBuilder() }));
    attempt(() => valueToXml(ev, value, { context: new ContextBuilder(), location: true }));
    attempt(() => ev.coerceToString(value, 0, new ContextBuilder(), '', { more: true }));
    attempt(() => ev.equal(value, value, 0, ''));
  });
}

/** Errors must also be printable. */
function report(ev: Evaluator, error: unknown): void {
  if (!(error instanceof NixError)) throw error;
  renderError(error, ev.positions, { color: false, showTrace: true });
}

/** Calls a builtin with the input as a string. */
function call(random: Random, text: string, expression: string): void {
  const ev = evaluator(random);
  ev.setLimits({ deadline: performance.now() + EVALUATION_MS });
  try {
    const f = ev.evalString(expression, '/work', { kind: 'string' });
    const value = ev.callOne(f, text, 0);
    ev.forceDeep(value);
    printAmbiguous(ev, value, new ContextBuilder());
    valueToJson(ev, value, { context: new ContextBuilder() });
  } catch (error) {
    report(ev, error);
  }
}

/** @throws what is a finding */
export function runTarget(format: Format, text: string, random: Random): void {
  switch (format) {
    case 'nix':
      evaluate(random, text);
      break;
    case 'json':
      call(random, text, 'builtins.fromJSON');
      break;
    case 'toml':
      call(random, text, 'builtins.fromTOML');
      break;
    case 'regex':
      call(
        random,
        text,
        `r: [ (builtins.match r "aab-1.2") (builtins.split r "${'ab'.repeat(random.size(200))}c-1.2é") ]`,
      );
      break;
    default:
      try {
        if (format === 'nar') parseNar(toBuffer(text), ignoreNar);
        else printDerivation(parseDerivation(text, 'x', '/nix/store'));
      } catch (error) {
        if (!(error instanceof NixError)) throw error;
      }
  }
}
