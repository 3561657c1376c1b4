// What a builder prints: cut into lines for the observer, its last lines kept for the error message, all of it written
// to the log file where nix-store --read-log finds it.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { fromUtf8, fsPath, utf8 } from '../util/bytes.ts';
import { baseName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';

export interface BuildLogOptions {
  /** Lines to keep for the error message. */
  readonly tailLines: number;
  onLine(line: string): void;
  /** `@nix` messages: the builder tells its phase. */
  onPhase?(phase: string): void;
  /** It tells the user something. @param level from `verbosity` */
  onMessage?(level: number, text: string): void;
  /** A message that is none. */
  onBadMessage?(problem: string): void;
}

export class BuildLog {
  readonly tail: string[] = [];
  /** Bytes. */
  size = 0;
  private readonly options: BuildLogOptions;
  private line = '';
  /** Where the next character goes: a lone carriage return overwrites the line from its start. */
  private column = 0;
  private pendingReturn = false;

  constructor(options: BuildLogOptions) {
    this.options = options;
  }

  /** Byte string, cut anywhere. */
  write(data: string): void {
    this.size += data.length;
    let start = 0;

    const control = /[\r\n]/g;
    for (;;) {
      control.lastIndex = start;
      const found = control.exec(data);
      const end = found === null ? data.length : found.index;
      if (end > start) this.put(data.slice(start, end));
      if (found === null) return;
      if (found[0] === '\n') this.endLine();
      else {
        if (this.pendingReturn) this.column = 0;
        this.pendingReturn = true;
      }
      start = end + 1;
    }
  }

  private put(text: string): void {
    if (this.pendingReturn) {
      this.pendingReturn = false;
      this.column = 0;
    }
    this.line =
      this.column >= this.line.length
        ? this.line + text
        : this.line.slice(0, this.column) + text + this.line.slice(this.column + text.length);
    this.column += text.length;
  }

  flush(): void {
    if (this.line !== '') this.endLine();
  }

  private endLine(): void {
    const line = this.line.slice(0, this.column);
    this.line = '';
    this.column = 0;
    this.pendingReturn = false;
    if (line.startsWith('@nix ') && this.structured(line.slice(5))) return;
    this.tail.push(line);
    if (this.tail.length > this.options.tailLines) this.tail.shift();
    this.options.onLine(line);
  }

  /** Messages for progress displays; true if it was one (then it is no line of the log). */
  private structured(text: string): boolean {
    let message: unknown;
    try {
      message = JSON.parse(fromUtf8(text));
    } catch {
      return false; // an ordinary line after all
    }
    const problem = (what: string): false => {
      this.options.onBadMessage?.(
        `Unable to handle a JSON message from the derivation builder: [json.exception.${what}`,
      );
      return false;
    };
    if (jsonType(message) !== 'object') {
      return problem(`type_error.305] cannot use operator[] with a string argument with ${jsonType(message)}`);
    }
    const { action = null, phase = null, msg = null, level = null } = message as Record<string, unknown>;
    const word = action === 'setPhase' ? phase : action === 'msg' ? msg : action;
    if (typeof word !== 'string') return problem(`type_error.302] type must be string, but is ${jsonType(word)}`);
    if (action === 'setPhase') this.options.onPhase?.(utf8(word));
    if (action === 'msg') {
      if (typeof level !== 'number') return problem(`type_error.302] type must be number, but is ${jsonType(level)}`);
      this.options.onMessage?.(level, utf8(word));
    }
    return true;
  }
}

/** As Nix's parser calls it. */
function jsonType(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

const emptyBzip2 = Buffer.from('425a683917724538509000000000', 'hex');

/**
 * `LOGDIR/drvs/XX/REST.drv`, made into `.drv.bz2` at the end where the machine has bzip2. It is there from the first word on:
 * many builders say nothing, and some file systems take long to make a file where others were removed.
 */
export class LogFile {
  readonly path: string;
  private fd: number | undefined;
  private cut = false;

  constructor(logDir: string, drvPath: StorePath) {
    const base = baseName(drvPath);
    const directory = `${logDir}/drvs/${base.slice(0, 2)}`;
    mkdirSync(fsPath(directory), { recursive: true });
    this.path = `${directory}/${base.slice(2)}`;
    rmSync(fsPath(`${this.path}.bz2`), { force: true });
    rmSync(fsPath(this.path), { force: true });
  }

  private open(): number {
    this.fd ??= openSync(fsPath(this.path), 'w', 0o666);
    return this.fd;
  }

  /** On a full disk the log ends early: what the builder says to that tells more than our own failure would. */
  write(data: Uint8Array): void {
    try {
      for (let at = 0; at < data.length && !this.cut;) at += writeSync(this.open(), data, at);
    } catch (error) {
      if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      this.cut = true;
    }
  }

  /** Settles when the file has its final form; never rejects: a log that stays uncompressed can be read as well. */
  async close(compress: boolean): Promise<void> {
    if (this.fd === undefined) {
      try {
        writeFileSync(fsPath(compress ? `${this.path}.bz2` : this.path), compress ? emptyBzip2 : '');
      } catch {
        // a log that says nothing is no loss
      }
      return;
    }
    closeSync(this.fd);
    if (!compress) return;
    await new Promise<void>((resolve) => {
      const child = spawn('bzip2', ['-q', '-f', '--', this.path], { stdio: 'ignore' });
      child.on('error', () => resolve());
      child.on('close', () => resolve());
    });
  }
}
