// A thread that evaluates for a WorkerEvaluator, which starts it, one request after the other.
import threads from 'node:worker_threads';
import { NixError } from '../util/errors.ts';
import { formatError } from './errors.ts';
import { Evaluator } from './evaluator.ts';
import type { EvaluatorOptions } from './options.ts';
import type { Answer, Request } from './worker-evaluator.ts';

const port = threads.parentPort!;
const { options, cancel } = threads.workerData as { options: EvaluatorOptions; cancel: Int32Array };
let evaluator: Evaluator | undefined;

function answer(request: Request): unknown {
  evaluator ??= new Evaluator({ ...options, cancel, log: (line) => port.postMessage({ log: line } satisfies Answer) });
  const { baseDir, scope, args } = request;
  if (request.kind === 'instantiate') return evaluator.instantiate(request.text);
  const value =
    request.kind === 'file'
      ? evaluator.evaluateFile(request.text)
      : evaluator.evaluate(request.text, {
          ...(baseDir === undefined ? {} : { baseDir }),
          ...(scope === undefined ? {} : { scope }),
        });
  return (args.length === 0 ? value : value.call(...args)).toJS({ functions: 'error' });
}

function failure(error: unknown): Answer {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { error: { name, message, formatted: error instanceof NixError ? formatError(error) : message } };
}

port.on('message', (request: Request) => {
  try {
    port.postMessage({ value: answer(request) } satisfies Answer);
  } catch (error) {
    port.postMessage(failure(error));
  }
});
