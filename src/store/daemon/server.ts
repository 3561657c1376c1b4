// Nix's worker protocol, server side, versions 1.25 (Nix 2.4) to 1.37: the handshake, one request after the other, and
// how failures are told. What requests mean is in server-requests.ts.
import type { ActivityLog, Field } from '../../util/activity.ts';
import { StoreError, NixError } from '../../util/errors.ts';
import { printDigest } from '../hash.ts';
import { parseStorePath } from '../store-path.ts';
import type { PathInfo, StorePath } from '../store.ts';
import { WireInput, wireNumber, wireText } from '../wire-input.ts';
import { frame, oldestWorkerVersion, workerMagic, workerVersion } from './operations.ts';
import { requests } from './server-requests.ts';
import type { ServedStore } from './served-store.ts';

export interface DaemonServerOptions {
  readonly store: ServedStore;
  readonly input: WireInput;
  /** Takes all of a chunk before it returns. */
  readonly output: (chunk: Uint8Array) => void;
  /** Version that clients are told. */
  readonly version: string;
  /** Whether clients may do everything. */
  readonly trusted: boolean;
}

function wireFields(fields: readonly Field[]): Buffer[] {
  const each = fields.flatMap((field) =>
    typeof field === 'number' ? [wireNumber(0), wireNumber(field)] : [wireNumber(1), wireText(field)],
  );
  return [wireNumber(fields.length), ...each];
}

/** What a request is given. */
export class DaemonServer {
  readonly store: ServedStore;
  readonly input: WireInput;
  readonly trusted: boolean;
  /** Of the version, the lower of both. */
  minor = workerVersion & 0xff;
  private readonly output: (chunk: Uint8Array) => void;
  private readonly version: string;
  private reply: Uint8Array[] = [];
  /** Something of an answer is on its way: a failure can't be told any more. */
  private begun = false;
  /** A request has been read and is not answered. */
  private working = false;

  constructor({ store, input, output, version, trusted }: DaemonServerOptions) {
    this.store = store;
    this.input = input;
    this.output = output;
    this.version = version;
    this.trusted = trusted;
  }

  /** Until the client goes. @throws StoreError where it does not keep to the protocol */
  async run(): Promise<void> {
    if (this.input.atEnd()) return;
    this.greet();
    while (!this.input.atEnd()) await this.serve(this.input.number());
  }

  private greet(): void {
    const { input } = this;
    if (input.take(8).readBigUInt64LE() !== BigInt(workerMagic.client)) throw new StoreError('protocol mismatch');
    this.number(workerMagic.daemon);
    this.number(workerVersion);
    this.send();
    const theirs = input.number();
    if (theirs < oldestWorkerVersion) throw new StoreError('the Nix client version is too old');
    this.minor = Math.min(theirs, workerVersion) & 0xff;
    if (input.number() !== 0) input.number(); // CPU affinity, of old
    input.number(); // reserved space, of old
    if (this.minor >= 33) this.text(this.version);
    if (this.minor >= 35) this.number(this.trusted ? 1 : 2);
    this.number(frame.last);
    this.send();
  }

  private async serve(code: number): Promise<void> {
    const request = requests.get(code);
    if (request === undefined) throw new StoreError(`invalid operation ${String(code)}`);
    this.begun = false;
    try {
      const work = request(this);
      this.working = true;
      await work();
      this.begin();
      this.send();
    } catch (error) {
      if (this.begun || !(error instanceof NixError)) throw error;
      this.reply = [];
      this.fail(error);
      this.send();
    } finally {
      this.working = false;
    }
  }

  /** Tells the client what happens, where it waits for an answer of which nothing has been sent; else false. */
  private tell(...parts: readonly Buffer[]): boolean {
    if (!this.working || this.begun) return false;
    this.output(Buffer.concat(parts));
    return true;
  }

  /** @param elsewhere takes messages that the client can't be told now */
  log(elsewhere: (text: string) => void): ActivityLog {
    const message = (text: string): void => {
      if (!this.tell(wireNumber(frame.next), wireText(`${text}\n`))) elsewhere(text);
    };
    return {
      message: (_, text) => {
        message(text);
      },
      failure: ({ text }) => {
        message(text(true));
      },
      start: ({ id, level, type, text, fields, parent }) => {
        const head = [frame.startActivity, id, level, type].map(wireNumber);
        this.tell(...head, wireText(text), ...wireFields(fields), wireNumber(parent));
      },
      stop: (id) => {
        this.tell(wireNumber(frame.stopActivity), wireNumber(id));
      },
      result: (id, type, fields) => {
        this.tell(...[frame.result, id, type].map(wireNumber), ...wireFields(fields));
      },
    };
  }

  /** The work is done: what follows is the answer. */
  begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.reply.unshift(wireNumber(frame.last));
  }

  private fail(error: NixError): void {
    this.number(frame.error);
    if (this.minor < 26) {
      this.text(error.message);
      this.number(error.exitStatus);
      return;
    }
    this.text('Error');
    this.number(0); // level
    this.text('Error');
    this.text(error.message);
    this.number(0); // no position
    this.number(0); // no traces
  }

  // ---- writing -------------------------------------------------------------------------------------------------

  number(value: number): void {
    this.reply.push(wireNumber(value));
  }

  boolean(value: boolean): void {
    this.number(value ? 1 : 0);
  }

  text(value: string): void {
    this.reply.push(wireText(value));
  }

  texts(values: readonly string[]): void {
    this.number(values.length);
    for (const value of values) this.text(value);
  }

  /** What is known of a path, without its name. */
  info(info: PathInfo): void {
    this.text(info.deriver ?? '');
    this.text(printDigest(info.narHash, 'base16'));
    this.texts(info.references);
    this.number(info.registrationTime);
    this.number(info.narSize);
    this.boolean(info.ultimate);
    this.texts(info.signatures);
    this.text(info.ca ?? '');
  }

  send(): void {
    const { reply } = this;
    this.reply = [];
    if (reply.length > 0) this.output(Buffer.concat(reply));
  }

  /** Bytes of an answer, at once. */
  readonly bytes = (chunk: Uint8Array): void => {
    this.begin();
    this.send();
    this.output(chunk);
  };

  // ---- reading -------------------------------------------------------------------------------------------------

  path(): StorePath {
    return parseStorePath(this.input.text(), this.store.storeDir);
  }

  paths(): StorePath[] {
    return this.input.texts().map((text) => parseStorePath(text, this.store.storeDir));
  }
}
