// A worker process as its parent sees it: commands to it, replies from it, what it says on standard error, its end.
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { fromBuffer } from '../../util/bytes.ts';
import { LineSplitter } from '../../util/line-splitter.ts';
import { selfCommand, selfEnvironment } from '../self.ts';
import { WORKER_COMMAND, splitMessage } from './protocol.ts';

export interface WorkerEvents {
  readonly reply: (word: string, json: string) => void;
  /** Whole lines of standard error. */
  readonly say: (lines: string) => void;
  /** After the last reply; `how` is undefined where it ended as it should. */
  readonly ended: (how: string | undefined) => void;
}

export interface WorkerOptions {
  readonly argv: readonly string[];
  readonly maxMemoryMiB: number;
  readonly color: boolean;
  /** What FILE `-` is. */
  readonly input: Uint8Array | undefined;
}

/** Where V8 says what it dies of; what follows is of interest to nobody. */
const LAST_WORDS = /^(?:<--- Last few GCs --->|FATAL ERROR|#$|# Fatal)/;

const GRACE_MS = 500;

export class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly heapMiB: number;
  private lastWords: string | undefined;
  private stopped = false;

  constructor(options: WorkerOptions, events: WorkerEvents) {
    // It starts anew past its size; what a single attribute needs may be twice that.
    this.heapMiB = Math.max(512, 2 * options.maxMemoryMiB);
    const [node, ...rest] = selfCommand('tsnix');
    const own = rest.filter((arg) => !arg.startsWith('--max-old-space-size='));
    const args = [`--max-old-space-size=${this.heapMiB}`, ...own, WORKER_COMMAND, ...options.argv];
    this.child = spawn(node!, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...selfEnvironment(), ...(options.color ? { CLICOLOR_FORCE: '1' } : {}) },
    });
    this.child.stdin?.on('error', () => undefined).end(options.input);
    this.commands.on('error', () => undefined); // its end says more
    this.child.on('error', (error) => {
      this.lastWords = error.message;
    });
    readLines(this.child.stdio[4] as Readable, (lines) => {
      for (const line of lines) {
        const { word, json } = splitMessage(line);
        events.reply(word, json);
      }
    });
    let blank = false;
    readLines(this.child.stderr!, (lines) => {
      const shown: string[] = [];
      for (const line of lines) {
        if (this.lastWords !== undefined || LAST_WORDS.test(line)) this.lastWords = `${this.lastWords ?? ''}${line}\n`;
        else {
          // V8's last words begin with an empty line.
          if (blank) shown.push('');
          blank = line === '';
          if (!blank) shown.push(line);
        }
      }
      if (shown.length > 0) events.say(shown.join('\n'));
    });
    // What it started may outlive it, with its standard error in hand.
    let grace: NodeJS.Timeout | undefined;
    this.child.on('exit', () => {
      grace = setTimeout(() => {
        for (const stream of this.child.stdio) stream?.destroy();
      }, GRACE_MS);
    });
    this.child.on('close', (status, signal) => {
      clearTimeout(grace);
      events.ended(this.stopped || status === 0 ? undefined : this.describeEnd(status, signal));
    });
  }

  send(line: string): void {
    this.commands.write(Buffer.from(`${line}\n`, 'latin1'));
  }

  /** Nothing more is wanted of it. */
  finish(): void {
    this.commands.end();
  }

  stop(): void {
    this.stopped = true;
    this.child.kill('SIGKILL');
  }

  private get commands(): Writable {
    return this.child.stdio[3] as Writable;
  }

  private describeEnd(status: number | null, signal: NodeJS.Signals | null): string {
    if (this.lastWords?.includes('heap out of memory') === true) {
      return `evaluation worker ran out of memory (its heap may have ${this.heapMiB} MiB: see --max-memory-size)`;
    }
    if (status !== null) return `evaluation worker exited with ${status}`;
    switch (signal) {
      case 'SIGKILL':
        return 'evaluation worker got killed by SIGKILL, maybe memory limit reached?';
      case 'SIGSEGV':
      case 'SIGBUS':
        return `evaluation worker got killed by ${signal}, (possible infinite recursion)`;
      case null:
        return `evaluation worker could not be started: ${this.lastWords ?? 'unknown reason'}`;
      default:
        return `evaluation worker got killed by signal ${constants.signals[signal]} (${signal})`;
    }
  }
}

function readLines(stream: Readable, take: (lines: readonly string[]) => void): void {
  const lines = new LineSplitter();
  stream.on('data', (chunk: Buffer) => take(lines.push(fromBuffer(chunk))));
  stream.on('end', () => {
    const rest = lines.end();
    if (rest !== '') take([rest]);
  });
  stream.on('error', () => undefined);
}
