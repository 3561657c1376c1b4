// Nix's worker protocol, client side, versions 1.25 (2.4) to 1.37: the handshake, the frames in which a daemon tells
// what it does, and the pieces that requests and answers are made of. See the Nix manual, "Worker Protocol"; numbers are
// 64 bits little-endian, strings as in a NAR.
import { NixError, StoreError } from '../../util/errors.ts';
import type { Channel } from './channel.ts';
import { frame, oldestWorkerVersion, workerMagic, workerVersion } from './operations.ts';
import { maxItems, Wire } from './wire.ts';

/** What a daemon tells while it works. Texts are byte strings. */
export interface DaemonObserver {
  message?(text: string): void;
  buildStarted?(drvPath: string): void;
  buildLine?(drvPath: string, line: string): void;
  buildPhase?(drvPath: string, phase: string): void;
  buildFinished?(drvPath: string): void;
  copying?(path: string, uri: string): void;
}

/** An error on the other side, in its words. */
export class DaemonError extends StoreError {
  override readonly code = 'DAEMON';
}

/** Activities and results that are looked at. */
const actBuild = 105;
const actSubstitute = 108;
const resBuildLogLine = 101;
const resSetPhase = 104;

export class DaemonConnection extends Wire {
  /** (major << 8) | minor, the lower of both. */
  readonly version: number;
  /** What the daemon speaks at most. */
  readonly theirVersion: number;
  /** `2.8.0`, where the daemon says. */
  readonly daemonVersion: string = '';
  /** Whether we may do everything there; undefined where it does not say. */
  readonly trustsUs: boolean | undefined = undefined;
  observer: DaemonObserver = {};
  private readonly builds = new Map<string, string>();

  /** Shakes hands. @throws StoreError */
  constructor(channel: Channel) {
    super(channel);
    this.number(workerMagic.client);
    this.number(workerVersion);
    if (this.readNumber() !== workerMagic.daemon) throw new StoreError('protocol mismatch: there is no Nix daemon');
    const theirs = this.readNumber();
    this.theirVersion = theirs;
    this.version = Math.min(theirs, workerVersion);
    if (theirs >> 8 !== 1) throw new StoreError('Nix daemon protocol version not supported');
    if (theirs < oldestWorkerVersion) throw new StoreError('the Nix daemon version is too old');
    this.number(0); // CPU affinity, of old
    this.number(0); // reserved space, of old
    if (this.minor >= 33) this.daemonVersion = this.readString();
    if (this.minor >= 35) this.trustsUs = [undefined, true, false][this.readNumber()];
    this.finish();
  }

  get minor(): number {
    return this.version & 0xff;
  }

  // ---- what it tells meanwhile ---------------------------------------------------------------------------------

  /** Reads frames until the daemon is done with a request. @throws DaemonError */
  finish(): void {
    while (this.frame());
  }

  /** As finish(), without blocking this process: for what takes long. */
  async finishLater(signal?: AbortSignal): Promise<void> {
    const stop = (): void => this.channel.close();
    signal?.addEventListener('abort', stop);
    try {
      do await this.channel.readable();
      while (this.frame());
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** One frame; false where it was the last. */
  private frame(): boolean {
    const kind = this.readNumber();
    switch (kind) {
      case frame.last:
        return false;
      case frame.next:
        this.observer.message?.(this.readString().replace(/\n$/, ''));
        return true;
      case frame.error:
        throw this.readError();
      case frame.startActivity:
        this.startActivity();
        return true;
      case frame.stopActivity: {
        const activity = this.readId();
        const drvPath = this.builds.get(activity);
        this.builds.delete(activity);
        if (drvPath !== undefined) this.observer.buildFinished?.(drvPath);
        return true;
      }
      case frame.result: {
        const drvPath = this.builds.get(this.readId());
        const type = this.readNumber();
        const [text] = this.readFields();
        if (drvPath === undefined || typeof text !== 'string') return true;
        if (type === resBuildLogLine) this.observer.buildLine?.(drvPath, text);
        else if (type === resSetPhase) this.observer.buildPhase?.(drvPath, text);
        return true;
      }
      default:
        throw new StoreError(`got unknown message type ${kind.toString(16)} from Nix daemon`);
    }
  }

  private startActivity(): void {
    const activity = this.readId();
    this.readNumber(); // level
    const type = this.readNumber();
    this.readString();
    const [first, second] = this.readFields();
    this.readId(); // parent
    if (type === actBuild && typeof first === 'string') {
      this.builds.set(activity, first);
      this.observer.buildStarted?.(first);
    } else if (type === actSubstitute && typeof first === 'string' && typeof second === 'string') {
      this.observer.copying?.(first, second);
    }
  }

  private readFields(): (string | number)[] {
    const count = this.readNumber();
    if (count > 1000) throw new StoreError('the Nix daemon sent a list that is too long');
    const fields: (string | number)[] = [];
    for (let i = 0; i < count; i++) {
      const type = this.readNumber();
      if (type === 0) {
        // Counts of bytes may be "unknown", all bits set.
        const bytes = this.channel.read(8);
        fields.push(Number(bytes.readBigUInt64LE(0)));
      } else if (type === 1) fields.push(this.readString());
      else throw new StoreError(`got unsupported field type ${type.toString(16)} from Nix daemon`);
    }
    return fields;
  }

  private readError(): NixError {
    if (this.minor < 26) {
      const message = this.readString();
      this.readNumber(); // exit status
      return new DaemonError(message);
    }
    this.readString(); // "Error"
    this.readNumber(); // level
    this.readString(); // name, of old
    const message = this.readString();
    this.readNumber(); // no position
    const traces = this.readNumber();
    for (let i = 0; i < Math.min(traces, maxItems); i++) {
      this.readNumber();
      this.readString();
    }
    return new DaemonError(message);
  }
}
