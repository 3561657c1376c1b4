// Nix's worker protocol, client side, versions 1.25 (2.4) to 1.37: the handshake, the frames in which a daemon tells
// what it does, and the pieces that requests and answers are made of. See the Nix manual, "Worker Protocol"; numbers are
// 64 bits little-endian, strings as in a NAR.
import { newActivityId, type ActivityId, type ActivityLog, type Field } from '../../util/activity.ts';
import { NixError, StoreError } from '../../util/errors.ts';
import type { Channel } from './channel.ts';
import { frame, oldestWorkerVersion, workerMagic, workerVersion } from './operations.ts';
import { maxItems, Wire } from './wire.ts';

/** What a daemon tells while it works. Texts are byte strings. */
export type DaemonObserver = Partial<Pick<ActivityLog, 'start' | 'stop' | 'result'>> & {
  message?(text: string): void;
};

/** An error on the other side, in its words. */
export class DaemonError extends StoreError {
  override readonly code = 'DAEMON';
}

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
  /** Ours of its activities. */
  private readonly activities = new Map<string, ActivityId>();

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
        const theirs = this.readId();
        const id = this.activities.get(theirs);
        this.activities.delete(theirs);
        if (id !== undefined) this.observer.stop?.(id);
        return true;
      }
      case frame.result: {
        const id = this.activities.get(this.readId());
        const type = this.readNumber();
        const fields = this.readFields();
        if (id !== undefined) this.observer.result?.(id, type, fields);
        return true;
      }
      default:
        throw new StoreError(`got unknown message type ${kind.toString(16)} from Nix daemon`);
    }
  }

  private startActivity(): void {
    const theirs = this.readId();
    const level = this.readNumber();
    const type = this.readNumber();
    const text = this.readString();
    const fields = this.readFields();
    const parent = this.activities.get(this.readId()) ?? 0;
    if (this.activities.size >= maxItems) throw new StoreError('the Nix daemon does too much at a time');
    const id = newActivityId();
    this.activities.set(theirs, id);
    this.observer.start?.({ id, level, type, text, fields, parent });
  }

  private readFields(): Field[] {
    const count = this.readNumber();
    if (count > 1000) throw new StoreError('the Nix daemon sent a list that is too long');
    const fields: Field[] = [];
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
