// Evaluation in a thread of its own: the program stays responsive, an AbortSignal stops what runs, the stack is as deep
// as one asks for, and memory that runs out ends the evaluation instead of the program. What goes in and comes out is
// copied data.
import { Worker } from 'node:worker_threads';
import * as errors from '../util/errors.ts';
import { InterruptedError, LimitError } from '../util/errors.ts';
import { programFile } from '../util/program-files.ts';
import { setRendered } from './errors.ts';
import type { Instantiated } from './evaluator.ts';
import type { EvaluatorOptions } from './options.ts';
import type { JsValue } from './to-js.ts';

export interface WorkerEvaluatorOptions extends Omit<EvaluatorOptions, 'cancel' | 'globals' | 'signal'> {
  /** Of the thread; default 64, enough for Nix's default max-call-depth. */
  readonly stackSizeMb?: number;
  /** Of the thread's heap: beyond it an evaluation ends with a LimitError. Default: what Node gives. */
  readonly memoryMb?: number;
}

/** What an AbortSignal is, for programs without its type. */
export interface AbortSource {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface WorkerRequestOptions {
  /** The evaluation ends with an InterruptedError. */
  readonly signal?: AbortSource;
  /** The evaluation ends with a LimitError. */
  readonly timeoutMs?: number;
  /** The value is a function to call with these: data, as `value()` takes it. */
  readonly args?: readonly unknown[];
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly baseDir?: string;
}

export interface Request {
  readonly kind: 'text' | 'file' | 'instantiate';
  readonly text: string;
  readonly args: readonly unknown[];
  readonly scope: Readonly<Record<string, unknown>> | undefined;
  readonly baseDir: string | undefined;
}

export type Answer =
  | { readonly value: unknown }
  | { readonly error: { readonly name: string; readonly message: string; readonly formatted: string } }
  | { readonly log: string };

/** A thread that was asked to stop, and is inside of one long builtin, is ended after so long. */
const GRACE_MS = 1000;

export class WorkerEvaluator {
  readonly #options: WorkerEvaluatorOptions;
  readonly #cancel = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | undefined;
  /** The end of the last request: one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WorkerEvaluatorOptions = {}) {
    this.#options = options;
  }

  /** The value of an expression, everything below included. @throws NixError; InterruptedError, LimitError */
  async evaluate(expression: string, options: WorkerRequestOptions = {}): Promise<JsValue> {
    return (await this.#request('text', expression, options)) as JsValue;
  }

  /** The value of a file, or a folder's default.nix. */
  async evaluateFile(path: string, options: WorkerRequestOptions = {}): Promise<JsValue> {
    return (await this.#request('file', path, options)) as JsValue;
  }

  /** Makes the store derivation of an expression that gives a derivation. */
  async instantiate(expression: string, options: WorkerRequestOptions = {}): Promise<Instantiated> {
    return (await this.#request('instantiate', expression, options)) as Instantiated;
  }

  /** Ends the thread, and what it evaluates. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #request(kind: Request['kind'], text: string, options: WorkerRequestOptions): Promise<unknown> {
    const { args = [], scope, baseDir } = options;
    const turn = this.#last.then(() => this.#run({ kind, text, args, scope, baseDir }, options));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  #start(): Worker {
    const { stackSizeMb = 64, memoryMb, log: _log, ...options } = this.#options;
    return new Worker(programFile('src/api/evaluation-thread.ts'), {
      workerData: { options, cancel: this.#cancel },
      resourceLimits: { stackSizeMb, ...(memoryMb === undefined ? {} : { maxOldGenerationSizeMb: memoryMb }) },
    });
  }

  async #run(request: Request, { signal, timeoutMs }: WorkerRequestOptions): Promise<unknown> {
    if (signal?.aborted === true) throw aborted(signal);
    const worker = (this.#worker ??= this.#start());
    this.#cancel[0] = 0;
    let stoppedBy: Error | undefined;
    let grace: NodeJS.Timeout | undefined;
    const stop = (reason: Error): void => {
      stoppedBy ??= reason;
      Atomics.store(this.#cancel, 0, 1);
      grace ??= setTimeout(() => void worker.terminate(), GRACE_MS);
    };
    const onAbort = (): void => {
      stop(aborted(signal!));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            stop(new LimitError('evaluation takes longer than it may'));
          }, timeoutMs);
    // An idle thread keeps no program alive.
    worker.ref();
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each event has its own
    const listeners: Record<string, (event: any) => void> = {};
    try {
      return await new Promise((resolve, reject) => {
        const fail = (error: Error): void => {
          this.#worker = undefined;
          reject(stoppedBy ?? error);
        };
        listeners['message'] = (answer: Answer) => {
          if ('log' in answer) this.#options.log?.(answer.log);
          else if ('value' in answer) resolve(answer.value);
          else reject(answer.error.name === 'InterruptedError' && stoppedBy ? stoppedBy : revive(answer.error));
        };
        listeners['messageerror'] = reject;
        listeners['error'] = (error: Error & { code?: string }) => {
          const memory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
          fail(memory ? new LimitError(`evaluation uses more memory than it may: ${error.message}`) : error);
        };
        listeners['exit'] = () => {
          fail(new InterruptedError('the evaluator was closed'));
        };
        for (const [event, listener] of Object.entries(listeners)) worker.on(event, listener);
        worker.postMessage(request);
      });
    } finally {
      for (const [event, listener] of Object.entries(listeners)) worker.off(event, listener);
      worker.unref();
      clearTimeout(timer);
      clearTimeout(grace);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function aborted({ reason }: AbortSource): InterruptedError {
  const why = reason instanceof Error ? reason.message : String(reason);
  return new InterruptedError(`evaluation was aborted: ${why}`, { cause: reason });
}

type ErrorClass = new (message: string) => Error;
const classes: Readonly<Record<string, unknown>> = { ...errors, TypeError, RangeError };

function revive({ name, message, formatted }: { name: string; message: string; formatted: string }): Error {
  const error = new ((classes[name] as ErrorClass | undefined) ?? Error)(message);
  setRendered(error, formatted);
  return error;
}
