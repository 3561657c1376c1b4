// A stream of bytes to a daemon, read and written synchronously: evaluation needs its answers at once. Node connects;
// we then read and write the descriptor, and never let Node's event loop at it. What the other side says while we write
// is taken in, so that neither waits for the other. See docs/decisions/0011-daemon.md.
import { spawn, type ChildProcess } from 'node:child_process';
import { readSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { shortSocketPath } from '../../util/socket-path.ts';
import { StoreError } from '../../util/errors.ts';

/** What Node keeps of a pipe or socket; not in its types, the same for many years. */
interface Handle {
  readonly fd: number;
  readStop(): void;
}

function handleOf(stream: unknown): Handle {
  const handle = (stream as { readonly _handle?: Handle | null })._handle;
  if (handle === null || handle === undefined || !(handle.fd >= 0)) throw new StoreError('cannot get at a descriptor');
  return handle;
}

/** Made at first use: a start-up snapshot has none. */
let clock: Int32Array | undefined;

/** Longer and longer waits, up to 2 ms. */
function pause(turn: number): void {
  clock ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(clock, 0, 0, Math.min(2, 0.02 * 1.3 ** turn));
}

export class Channel {
  /** For messages. */
  peer = 'Nix daemon';
  private readonly readFd: number;
  private readonly writeFd: number;
  private readonly closers: () => void;
  private input = Buffer.allocUnsafe(1 << 16);
  private start = 0;
  private end = 0;
  private readonly out = Buffer.allocUnsafe(1 << 16);
  private outLength = 0;
  private closed = false;

  private constructor(readFd: number, writeFd: number, closers: () => void) {
    this.readFd = readFd;
    this.writeFd = writeFd;
    this.closers = closers;
  }

  /** @throws StoreError where nobody listens */
  static unix(path: string): Channel {
    let failure: Error | undefined;
    let socket: Socket;
    try {
      socket = connect({ path: shortSocketPath(fromUtf8(path)) });
    } catch (error) {
      throw new StoreError(`cannot connect to socket at '${path}'`, { cause: error });
    }
    socket.pause(); // else it would read as soon as it is connected
    socket.on('error', (error) => (failure = error));
    socket.unref();
    let handle: Handle;
    try {
      // The system connects at once, or not at all.
      handle = handleOf(socket);
      writeSync(handle.fd, Buffer.alloc(0));
    } catch (error) {
      socket.destroy();
      throw new StoreError(`cannot connect to socket at '${path}'`, { cause: failure ?? error });
    }
    return new Channel(handle.fd, handle.fd, () => socket.destroy());
  }

  /**
   * A program that speaks the protocol on its standard input and output.
   * @param onError takes what it says on standard error; default: the user sees it
   * @throws StoreError
   */
  static command(program: string, args: readonly string[], onError?: (chunk: Buffer) => void): Channel {
    const errors = onError === undefined ? 'inherit' : 'pipe';
    const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', errors] });
    if (onError !== undefined) child.stderr?.on('data', onError);
    child.on('error', () => undefined); // said below
    child.stdin?.on('error', () => undefined);
    if (child.pid === undefined) throw new StoreError(`cannot start '${utf8(program)}'`);
    const output = handleOf(child.stdout);
    output.readStop();
    child.unref();
    (child.stdin as Socket).unref();
    (child.stdout as Socket).unref();
    return new Channel(output.fd, handleOf(child.stdin).fd, () => {
      child.stdin?.destroy();
      child.stdout?.destroy();
      child.kill();
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closers();
  }

  private gone(): never {
    this.close();
    throw new StoreError(`${this.peer} disconnected unexpectedly (maybe it crashed?)`);
  }

  /** Takes in what there is; false where there is nothing now. @throws StoreError at the end of the stream */
  private fill(): boolean {
    if (this.closed) throw new StoreError('the connection to the Nix daemon is closed');
    if (this.end === this.input.length) {
      if (this.start > 0) {
        this.input.copyWithin(0, this.start, this.end);
        this.end -= this.start;
        this.start = 0;
      } else {
        const larger = Buffer.allocUnsafe(this.input.length * 2);
        this.input.copy(larger, 0, 0, this.end);
        this.input = larger;
      }
    }
    try {
      const count = readSync(this.readFd, this.input, this.end, this.input.length - this.end, null);
      if (count === 0) this.gone();
      this.end += count;
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EINTR') return false;
      if (error instanceof StoreError) throw error;
      return this.gone();
    }
  }

  /** Waits, without blocking this process, until there is something to read. */
  async readable(): Promise<void> {
    this.flush();
    while (this.start === this.end && !this.fill()) await sleep(5);
  }

  private need(count: number): void {
    this.flush();
    for (let turn = 0; this.end - this.start < count;) {
      if (this.fill()) turn = 0;
      else pause(turn++);
    }
  }

  /** Valid until the next call. */
  read(count: number): Buffer {
    this.need(count);
    const bytes = this.input.subarray(this.start, this.start + count);
    this.start += count;
    if (this.start === this.end) this.start = this.end = 0;
    return bytes;
  }

  /** What there is, at least a byte, at most `max`, still to be read; valid until the next call. */
  peek(max: number): Buffer {
    this.need(1);
    return this.input.subarray(this.start, Math.min(this.end, this.start + max));
  }

  /** What has come and was not read. */
  buffered(): Buffer {
    return this.input.subarray(this.start, this.end);
  }

  /** Takes bytes that peek() showed. */
  skip(count: number): void {
    this.start += count;
    if (this.start === this.end) this.start = this.end = 0;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > this.out.length - this.outLength) {
      this.flush();
      if (bytes.length > this.out.length) {
        this.send(bytes);
        return;
      }
    }
    this.out.set(bytes, this.outLength);
    this.outLength += bytes.length;
  }

  flush(): void {
    const { outLength } = this;
    if (outLength === 0) return;
    this.outLength = 0;
    this.send(this.out.subarray(0, outLength));
  }

  /** Nobody reads any more, but it may have said why. @throws StoreError where it has said nothing */
  private takeLast(): void {
    try {
      while (this.fill());
    } catch (error) {
      if (this.start === this.end) throw error;
    }
  }

  private send(bytes: Uint8Array): void {
    for (let at = 0, turn = 0; at < bytes.length;) {
      try {
        at += writeSync(this.writeFd, bytes, at);
        turn = 0;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') {
          this.takeLast();
          return;
        }
        if (code !== 'EAGAIN' && code !== 'EINTR') this.gone();
        if (!this.fill()) pause(turn++);
      }
    }
  }
}
