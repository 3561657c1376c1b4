// Many small expressions, evaluated by real Nix in few processes and by tsnix in this one: for comparing the two.
import { spawnSync } from 'node:child_process';
import { allBuiltins } from '../../src/builtins/index.ts';
import { ContextBuilder } from '../../src/eval/context.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { MemoryEvalIo } from '../../src/eval/memory-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import type { EvalSettings } from '../../src/eval/settings.ts';
import { NixError } from '../../src/util/errors.ts';

/** What an expression comes to: its printed form (a byte string) after deep evaluation, or the error's message. */
export type Outcome = { readonly value: string } | { readonly error: string };

/** In this process, without a file system. */
export function evaluateHere(expression: string, settings: Partial<EvalSettings> = {}): Outcome {
  const ev = new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins, settings });
  return evaluateWith(ev, expression);
}

function evaluateWith(ev: Evaluator, expression: string): Outcome {
  try {
    const slot = ev.evalString(expression, '/', { kind: 'string' });
    ev.forceDeep(slot);
    return { value: printAmbiguous(ev, slot, new ContextBuilder()) };
  } catch (error) {
    if (error instanceof NixError) return { error: error.message };
    throw error;
  }
}

export function evaluateAllHere(expressions: readonly string[], settings: Partial<EvalSettings> = {}): Outcome[] {
  const ev = new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins, settings });
  return expressions.map((expression) => evaluateWith(ev, expression));
}

/** How many random cases of each kind. */
export const runs = Number(process.env['TSNIX_RUNS'] ?? 400);

/**
 * Expressions on which the two do not agree: values differ, or one fails and the other does not. `same` may know
 * better about a pair.
 */
export function disagreements(
  expressions: readonly string[],
  same: (here: Outcome, nix: Outcome, expression: string) => boolean = () => false,
): string[] {
  const here = evaluateAllHere(expressions);
  const nix = evaluateWithNix(expressions);
  const out: string[] = [];
  expressions.forEach((expression, i) => {
    const a = here[i]!;
    const b = nix[i]!;
    const agree = 'value' in a && 'value' in b ? a.value === b.value : 'error' in a && 'error' in b;
    if (!agree && b !== TIMED_OUT && !same(a, b, expression)) {
      out.push(`${expression}\n  tsnix: ${JSON.stringify(a)}\n  nix:   ${JSON.stringify(b)}`);
    }
  });
  return out;
}

/**
 * 2.8 escapes every `$` in quoted names of attributes, 2.36 (and tsnix) only before `{`, as in strings. Paths are printed
 * as they are, backslashes and all.
 */
export function as236(printed: string): string {
  return printed.replace(/"(?:[^"\\]|\\[^])*"/g, (quoted) =>
    quoted.replace(/\\[^]/g, (pair, at: number) => (pair === '\\$' && quoted[at + 2] !== '{' ? '$' : pair)),
  );
}

/** Real Nix's regular expressions can take for ever: such a case is not compared. */
const NIX_TIMEOUT_MS = 10_000;
const TIMED_OUT: Outcome = { error: 'nix-instantiate took too long' };

const MARK = 'trace: [ "tsnix-case" ]';

/**
 * By nix-instantiate: one process for all, and one more for each expression that fails. Expressions must be byte
 * strings that fit into a list element in parentheses.
 */
export function evaluateWithNix(expressions: readonly string[]): Outcome[] {
  const out: Outcome[] = [];
  while (out.length < expressions.length) {
    const rest = expressions.slice(out.length);
    const program = `
      builtins.foldl' (_: f: f null) null [
        ${rest
          .map(
            (e) =>
              `(_: builtins.trace [ "tsnix-case" ] (let v = [ (${e}) ]; in builtins.deepSeq v (builtins.trace v null)))`,
          )
          .join('\n')}
      ]`;
    const run = spawnSync('nix-instantiate', ['--eval', '--read-write-mode', '-'], {
      input: Buffer.from(program, 'latin1'),
      encoding: 'latin1',
      maxBuffer: 1 << 28,
      timeout: NIX_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', NIX_REMOTE: 'dummy://' },
    });
    const before = out.length;
    collect(run.stderr, out);
    if (run.error !== undefined) out[out.length - 1] = TIMED_OUT;
    if (out.length === before) throw new Error(`nix-instantiate did not get anywhere: ${run.stderr}`);
  }
  return out;
}

function collect(stderr: string, out: Outcome[]): void {
  for (const piece of stderr.split(`${MARK}\n`).slice(1)) {
    const value = /^trace: \[ ([^]*) \]\n$/.exec(
      piece.endsWith('\n') ? piece.slice(0, piece.indexOf('\n') + 1) : piece,
    );
    if (value !== null && !piece.startsWith('error')) out.push({ value: as236(value[1]!) });
    else
      out.push({
        error: piece
          .replace(/^error: /, '')
          .split('\n')[0]!
          .trim(),
      });
  }
}

/** A Nix string literal for any bytes but NUL. */
export function nixString(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('${', '\\${').replaceAll('\r', '\\r')}"`;
}
