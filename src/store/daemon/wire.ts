// What requests and answers of Nix's protocols are made of, over a channel: numbers are 64 bits little-endian, strings as
// in a NAR.
import { fromBuffer, toBuffer } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { printDigest } from '../hash.ts';
import { NarParser, type NarVisitor } from '../nar-parse.ts';
import type { PathInfo } from '../store.ts';
import type { Channel } from './channel.ts';

/** No string of the protocols is longer: names, messages, derivations. */
const maxString = 256 << 20;
export const maxItems = 10_000_000;

export class Wire {
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  // ---- writing -------------------------------------------------------------------------------------------------

  number(value: number): void {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeUInt32LE(value % 0x1_0000_0000, 0);
    bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), 4);
    this.channel.write(bytes);
  }

  boolean(value: boolean): void {
    this.number(value ? 1 : 0);
  }

  string(text: string): void {
    this.bytes(toBuffer(text));
  }

  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.channel.write(bytes);
    this.channel.write(Buffer.alloc(-bytes.length & 7));
  }

  strings(texts: readonly string[]): void {
    this.number(texts.length);
    for (const text of texts) this.string(text);
  }

  /** What is known of a path, as requests that add one have it. */
  pathInfo(info: PathInfo): void {
    this.string(info.path);
    this.string(info.deriver ?? '');
    this.string(printDigest(info.narHash, 'base16'));
    this.strings(info.references);
    this.number(info.registrationTime);
    this.number(info.narSize);
    this.boolean(info.ultimate);
    this.strings(info.signatures);
    this.string(info.ca ?? '');
  }

  /** A piece of data of any size; the empty one ends it. */
  frameOf(chunk: Uint8Array): void {
    this.number(chunk.length);
    this.channel.write(chunk);
  }

  /** Data of any size, all of it. */
  framed(write: (sink: (chunk: Uint8Array) => void) => void): void {
    write((chunk) => {
      if (chunk.length > 0) this.frameOf(chunk);
    });
    this.number(0);
  }

  // ---- reading -------------------------------------------------------------------------------------------------

  /** @throws StoreError for what no number of ours can hold */
  readNumber(): number {
    const bytes = this.channel.read(8);
    const high = bytes.readUInt32LE(4);
    if (high >= 0x20_0000) throw new StoreError('the Nix daemon sent a number that is too large');
    return high * 0x1_0000_0000 + bytes.readUInt32LE(0);
  }

  /** A number of which only equality matters: all 64 bits of it. */
  protected readId(): string {
    return this.channel.read(8).toString('latin1');
  }

  readBoolean(): boolean {
    return this.readNumber() !== 0;
  }

  readString(): string {
    const length = this.readNumber();
    if (length > maxString) throw new StoreError('the Nix daemon sent a string that is too long');
    const text = fromBuffer(this.channel.read(length));
    this.channel.read(-length & 7);
    return text;
  }

  readStrings(): string[] {
    const count = this.readNumber();
    if (count > maxItems) throw new StoreError('the Nix daemon sent a list that is too long');
    const texts: string[] = [];
    for (let i = 0; i < count; i++) texts.push(this.readString());
    return texts;
  }

  /** A NAR that comes bare: only its own end tells where it ends. Chunks are valid only during the call. */
  readArchive(visitor: NarVisitor, sink: (chunk: Uint8Array) => void): void {
    const parser = new NarParser(visitor);
    while (!parser.done) {
      const chunk = this.channel.peek(1 << 16);
      const used = parser.write(chunk);
      sink(chunk.subarray(0, used));
      this.channel.skip(used);
    }
  }
}
