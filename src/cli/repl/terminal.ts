// The repl's terminal: line editing, history and completion by Node's readline, while the evaluation is in a thread, so
// that Ctrl-C can stop it. While the thread works, the terminal is as it was found: Ctrl-C is a signal, and programs
// that the thread starts have it to themselves.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import threads from 'node:worker_threads';
import { utf8 } from '../../util/bytes.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import { say, wantsColor } from '../output.ts';
import { selfCommand } from '../self.ts';
import type { Completion } from './complete.ts';
import { CONTINUATION, PROMPT } from './texts.ts';
import type { LineResult } from './repl.ts';
import { nixHome } from '../../util/user-dirs.ts';

/** To the thread. */
export type ThreadRequest = { readonly line: string } | { readonly complete: string };
/** From it: `ready` once, then one answer a request. */
export type ThreadAnswer =
  { readonly ready: true } | { readonly result: LineResult } | { readonly completion: Completion };

export interface ThreadData {
  /** [0] !== 0: stop evaluating; [1] counts requests, for who waits for one. */
  readonly cancel: Int32Array;
  /** How this program is started: a thread does not know. */
  readonly self: readonly string[];
  readonly color: boolean;
  readonly errorColor: boolean;
}

const HISTORY_SIZE = 1000;
const STACK_MB = 512;
/** Asked so often to stop, what does not stop is ended, and the session with it. */
const PATIENCE = 3;

export async function runInTerminal(argv: readonly string[]): Promise<number> {
  const terminal = new Terminal(argv);
  return await terminal.run();
}

class Terminal {
  private readonly cancel = new Int32Array(new SharedArrayBuffer(8));
  private readonly worker: threads.Worker;
  private readonly historyFile = historyFile();
  private readonly history: string[];
  private readonly readline: Interface;
  /** Lines that came at once, pasted. */
  private readonly lines: string[] = [];
  private taken: (line: string | null | undefined) => void = () => undefined;
  private ended = false;
  private working = true;
  private interrupts = 0;
  private answered: (answer: ThreadAnswer) => void = () => undefined;
  private failed: (error: Error) => void = () => undefined;

  constructor(argv: readonly string[]) {
    const data: ThreadData = {
      cancel: this.cancel,
      self: selfCommand(''),
      color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb',
      errorColor: wantsColor(),
    };
    this.worker = new threads.Worker(process.argv[1]!, {
      argv: ['tsnix', 'repl-thread', ...argv],
      workerData: data,
      resourceLimits: { stackSizeMb: STACK_MB },
    });
    this.history = readHistory(this.historyFile);
    this.readline = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: [...this.history],
      historySize: HISTORY_SIZE,
      completer: (line: string, callback: (error: null, result: [string[], string]) => void) => {
        void this.ask({ complete: line }).then((answer) => {
          const { words, word } = 'completion' in answer ? answer.completion : { words: [], word: '' };
          callback(null, [[...words], word]);
        });
      },
    });
    this.readline.on('line', (line) => {
      this.remember(line);
      this.lines.push(line);
      this.taken(line);
    });
    this.readline.on('SIGINT', () => {
      process.stdout.write('\n');
      this.taken(undefined);
    });
    this.readline.on('close', () => {
      this.ended = true;
      this.taken(null);
    });
    this.release();
  }

  /** Gives the terminal back. */
  private release(): void {
    this.readline.pause();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }

  async run(): Promise<number> {
    const onSignal = (): void => {
      this.interrupt();
    };
    process.on('SIGINT', onSignal);
    this.worker.on('message', (answer: ThreadAnswer) => {
      this.answered(answer);
    });
    this.worker.on('error', (error: Error) => {
      this.failed(error);
    });
    this.worker.on('exit', (status) => {
      this.failed(new ThreadEnd(status));
    });
    try {
      await this.answer();
      return await this.loop();
    } catch (error) {
      if (error instanceof ThreadEnd) return error.status;
      throw error;
    } finally {
      process.off('SIGINT', onSignal);
      this.readline.close();
      await this.worker.terminate();
    }
  }

  private async loop(): Promise<number> {
    let input = '';
    for (;;) {
      const line = await this.readLine(input === '' ? PROMPT : CONTINUATION);
      if (line === null) {
        process.stdout.write('\n');
        return 0;
      }
      if (line === undefined) {
        input = ''; // Ctrl-C: forgotten
        continue;
      }
      input += `${line}\n`;
      this.release();
      const answer = await this.ask({ line: input });
      if (!('result' in answer) || answer.result === 'quit') return 0;
      if (answer.result === 'done') input = '';
    }
  }

  /** Sends a request. Meanwhile the terminal is not ours. */
  private ask(request: ThreadRequest): Promise<ThreadAnswer> {
    this.cancel[0] = 0;
    this.interrupts = 0;
    const answer = this.answer();
    this.worker.postMessage(request);
    Atomics.add(this.cancel, 1, 1);
    Atomics.notify(this.cancel, 1);
    return answer;
  }

  private async answer(): Promise<ThreadAnswer> {
    this.working = true;
    try {
      return await new Promise<ThreadAnswer>((resolve, reject) => {
        this.answered = resolve;
        this.failed = reject;
      });
    } finally {
      this.working = false;
    }
  }

  private interrupt(): void {
    if (!this.working) return;
    Atomics.store(this.cancel, 0, 1);
    if (++this.interrupts < PATIENCE) return;
    say('error: interrupted by the user');
    process.exit(130);
  }

  /** A line; null at the end of input; undefined after Ctrl-C. */
  private async readLine(prompt: string): Promise<string | null | undefined> {
    if (this.lines.length === 0) {
      if (this.ended) return null;
      if (process.stdin.isTTY) process.stdin.setRawMode(true);
      this.readline.setPrompt(prompt);
      const line = await new Promise<string | null | undefined>((resolve) => {
        this.taken = resolve;
        this.readline.prompt();
      });
      if (typeof line !== 'string') {
        // After Ctrl-C, what was typed so far is not wanted any more.
        Object.assign(this.readline, { line: '', cursor: 0 });
        return line;
      }
    }
    return this.lines.shift()!;
  }

  /** Newest first, as readline has it. */
  private remember(line: string): void {
    if (line.trim() === '' || line === this.history[0]) return;
    this.history.unshift(line);
    this.history.length = Math.min(this.history.length, HISTORY_SIZE);
    try {
      makeDirs(utf8(dirname(this.historyFile)));
      writeFileSync(this.historyFile, `${[...this.history].reverse().join('\n')}\n`, { mode: 0o600 });
    } catch {
      // A history that can't be kept is no reason not to evaluate.
    }
  }
}

class ThreadEnd extends Error {
  readonly status: number;
  constructor(status: number) {
    super(utf8('the evaluating thread ended'));
    this.status = status;
  }
}

/** Where Nix has it. */
function historyFile(): string {
  return join(nixHome(process.env, 'DATA'), 'repl-history');
}

function readHistory(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== ''); // prettier-ignore
    return lines.slice(-HISTORY_SIZE).reverse();
  } catch {
    return []; // none yet
  }
}
