// The debugger of `--debugger`: a repl in the middle of an evaluation, with the names that are in sight there.
import type { DebugHost } from '../../eval/debug-evaluator.ts';
import { DebugEvaluator } from '../../eval/debug-evaluator.ts';
import type { NixError } from '../../util/errors.ts';
import { Breakpoint } from '../../util/errors.ts';
import { renderError } from '../../util/render-error.ts';
import { print, say, styledOutput, wantsColor } from '../output.ts';
import type { Session } from '../session.ts';
import { Repl, type LineResult } from './repl.ts';
import { nextInput } from './stdin-lines.ts';

/** Where lines come from. */
export interface LineSource {
  /** @param last what became of the line before; `repl` completes words meanwhile. undefined: there are no more */
  next(last: LineResult, repl: Repl): string | undefined;
}

let source: LineSource = { next: nextInput };

/** Of a thread, which has no standard input. */
export function setLineSource(lines: LineSource): void {
  source = lines;
}

export function makeDebugHost(session: Session): DebugHost {
  return {
    stopped(error) {
      return stopped(session, error);
    },
  };
}

function stopped(session: Session, error: NixError | undefined): boolean {
  const { evaluator: ev, config, flags } = session;
  if (!(ev instanceof DebugEvaluator)) throw new Error('who stopped has no debugger');
  if (error !== undefined) {
    say(`${renderError(error, ev.positions, { showTrace: ev.settings.showTrace, color: wantsColor() })}\n`);
    if (ev.tries > 0 && !(error instanceof Breakpoint)) {
      say("This exception occurred in a 'tryEval' call. Use --ignore-try to skip these.\n");
    }
  }
  ev.stepping = false;
  const variables = ev.variables(ev.traces.at(-1)!);
  const repl = new Repl({ config, flags, color: styledOutput(), session, variables });
  let last: LineResult = 'done';
  for (;;) {
    const line = source.next(last, repl);
    if (line === undefined) {
      print('\n');
      return false;
    }
    last = repl.line(line);
    if (last === 'quit') return false;
    if (last === 'continue') return true;
  }
}
