// Nix's worker protocol, client side, versions 1.25 (2.4) to 1.37: the handshake, the frames in which a daemon tells
// what it does, and the pieces that requests and answers are made of. See the Nix manual, "Worker Protocol"; numbers are
// 64 bits little-endian, strings as in a NAR.
import { NixError, StoreError } from '../../util/errors.ts';
import type { Channel } from './channel.ts';
import { maxItems, Wire } from './wire.ts';

const clientMagic = 0x6e697863;
const daemonMagic = 0x6478696f;
const clientVersion = (1 << 8) | 37;
const oldestVersion = (1 << 8) | 25;
const frame = {
  last: 0x616c7473,
  next: 0x6f6c6d67,
  error: 0x63787470,
  read: 0x64617461,
  write: 0x64617416,
  startActivity: 0x53545254,
  stopActivity: 0x53544f50,
  result: 0x52534c54,
} as const;

export const operation = {
  isValidPath: 1,
  queryReferrers: 6,
  addToStore: 7,
  ensurePath: 10,
  addTempRoot: 11,
  addIndirectRoot: 12,
  findRoots: 14,
  setOptions: 19,
  collectGarbage: 20,
  queryAllValidPaths: 23,
  queryPathInfo: 26,
  queryPathFromHashPart: 29,
  queryValidPaths: 31,
  queryValidDerivers: 33,
  optimiseStore: 34,
  buildDerivation: 36,
  verifyStore: 35,
  addSignatures: 37,
  narFromPath: 38,
  addToStoreNar: 39,
  queryMissing: 40,
  queryDerivationOutputMap: 41,
  buildPaths: 9,
  buildPathsWithResults: 46,
} as const;

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
  /** `2.8.0`, where the daemon says. */
  readonly daemonVersion: string = '';
  observer: DaemonObserver = {};
  private readonly builds = new Map<string, string>();

  /** Shakes hands. @throws StoreError */
  constructor(channel: Channel) {
    super(channel);
    this.number(clientMagic);
    this.number(clientVersion);
    if (this.readNumber() !== daemonMagic) throw new StoreError('protocol mismatch: there is no Nix daemon');
    const theirs = this.readNumber();
    this.version = Math.min(theirs, clientVersion);
    if (theirs >> 8 !== 1) throw new StoreError('Nix daemon protocol version not supported');
    if (theirs < oldestVersion) throw new StoreError('the Nix daemon version is too old');
    this.number(0); // CPU affinity, of old
    this.number(0); // reserved space, of old
    if (this.minor >= 33) this.daemonVersion = this.readString();
    if (this.minor >= 35) this.readNumber(); // whether it trusts us
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
