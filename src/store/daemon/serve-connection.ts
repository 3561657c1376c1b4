// The serve protocol, client side: a store at the other end of `nix-store --serve --write`.
import { fromBuffer } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { parseHash } from '../hash.ts';
import { ignoreNar, type NarVisitor } from '../nar-parse.ts';
import { serveCommand, serveMagic, serveVersion } from '../serve-protocol.ts';
import { parseStorePath } from '../store-path.ts';
import type { Derivation } from '../derivation.ts';
import type { PathInfo, StorePath } from '../store.ts';
import { writeBasicDerivation } from './basic-derivation.ts';
import { readBuiltOutputs, type RemoteBuildResult, type RemoteBuildSettings } from './build-result.ts';
import type { Channel } from './channel.ts';
import { DaemonError } from './connection.ts';
import { Wire } from './wire.ts';

/** Bytes shown of a greeting that is none. */
const maxSaid = 500;

export class ServeConnection extends Wire {
  readonly host: string;
  /** What the other side speaks: (major << 8) | minor. */
  readonly theirVersion: number;
  /** Of the version, the lower of both. */
  private readonly minor: number;
  private readonly storeDir: string;

  /** Shakes hands. @throws StoreError */
  constructor(channel: Channel, host: string, storeDir: string) {
    super(channel);
    this.host = host;
    this.storeDir = storeDir;
    channel.peer = `'nix-store --serve' on '${host}'`;
    this.number(serveMagic.client);
    this.number(serveVersion);
    let greeting: Buffer;
    try {
      greeting = Buffer.from(channel.read(8));
    } catch (error) {
      channel.close();
      throw new StoreError(`cannot connect to '${host}'`, { cause: error });
    }
    if (greeting.readBigUInt64LE() !== BigInt(serveMagic.server)) {
      // Most often it is what a shell's start-up files say.
      const said = fromBuffer(Buffer.concat([greeting, channel.buffered().subarray(0, maxSaid)]));
      throw this.refuse(`protocol mismatch from '${host}', got '${said.trimEnd()}'`);
    }
    const theirs = this.readNumber();
    this.theirVersion = theirs;
    // Since 2.4 archives are described by hash and signatures, since 2.5 they can be sent one by one.
    if (theirs >> 8 !== 2 || (theirs & 0xff) < 5) throw this.refuse(`protocol version on '${host}' is not supported`);
    this.minor = Math.min(theirs & 0xff, serveVersion & 0xff);
  }

  private refuse(reason: string): StoreError {
    this.channel.close();
    return new StoreError(`'nix-store --serve' ${reason}`);
  }

  private readPaths(): StorePath[] {
    return this.readStrings().map((text) => parseStorePath(text, this.storeDir));
  }

  /** Which of these are valid there; they are kept from being collected meanwhile. */
  validPaths(paths: readonly StorePath[], substitute: boolean): Set<StorePath> {
    this.number(serveCommand.queryValidPaths);
    this.boolean(true);
    this.boolean(substitute);
    this.strings(paths);
    return new Set(this.readPaths());
  }

  closure(paths: readonly StorePath[], includeOutputs: boolean): StorePath[] {
    this.number(serveCommand.queryClosure);
    this.boolean(includeOutputs);
    this.strings(paths);
    return this.readPaths();
  }

  /** Those that are valid there. */
  pathInfos(paths: readonly StorePath[]): Map<StorePath, PathInfo> {
    this.number(serveCommand.queryPathInfos);
    this.strings(paths);
    const infos = new Map<StorePath, PathInfo>();
    for (let text = this.readString(); text !== ''; text = this.readString()) {
      const path = parseStorePath(text, this.storeDir);
      const deriver = this.readString();
      const references = this.readPaths();
      this.readNumber(); // bytes to download
      const narSize = this.readNumber();
      const hash = this.readString();
      infos.set(path, {
        path,
        deriver: deriver === '' ? null : parseStorePath(deriver, this.storeDir),
        references: [...new Set(references)].sort(),
        narSize,
        narHash: parseHash(hash, 'sha256').digest,
        ca: this.readString() || null,
        signatures: this.readStrings(),
        registrationTime: 0,
        ultimate: false,
      });
    }
    return infos;
  }

  /** Chunks are valid only during the call. */
  nar(path: StorePath, sink: (chunk: Uint8Array) => void, visitor: NarVisitor = ignoreNar): void {
    this.number(serveCommand.dumpStorePath);
    this.string(path);
    this.readArchive(visitor, sink);
  }

  /** The archive goes to the channel next, then endNar(). */
  beginNar(info: PathInfo): void {
    this.number(serveCommand.addToStoreNar);
    this.pathInfo(info);
  }

  /** @throws StoreError where the other side does not take it */
  endNar(path: StorePath): void {
    if (this.readNumber() !== 1) throw new StoreError(`failed to add path '${path}' to remote host '${this.host}'`);
  }

  /** @throws StoreError where the other side does not take it */
  addNar(info: PathInfo, write: (sink: (chunk: Uint8Array) => void) => void): void {
    this.beginNar(info);
    write((chunk) => {
      this.channel.write(chunk);
    });
    this.endNar(info.path);
  }

  /**
   * Has paths built or fetched, without blocking this process.
   * @param targets `PATH` or `DRV!OUT,OUT`
   * @throws DaemonError with what is said there
   */
  async buildPaths(targets: readonly string[], settings: RemoteBuildSettings): Promise<void> {
    this.number(serveCommand.buildPaths);
    this.strings(targets);
    this.buildSettings(settings);
    await this.channel.readable();
    if (this.readNumber() !== 0) throw new DaemonError(this.readString());
  }

  private buildSettings(settings: RemoteBuildSettings): void {
    this.number(settings.maxSilentTime);
    this.number(settings.timeout);
    this.number(settings.maxLogSize);
    this.number(0); // repeat, of old
    this.number(0);
    if (this.minor >= 7) this.boolean(settings.keepFailed);
  }

  /**
   * Has a derivation built that is not there; its inputs are. Waits without blocking this process.
   * @throws StoreError where the connection ends
   */
  async buildDerivation(
    drvPath: StorePath,
    drv: Derivation,
    inputs: readonly StorePath[],
    settings: RemoteBuildSettings,
  ): Promise<RemoteBuildResult> {
    this.number(serveCommand.buildDerivation);
    this.string(drvPath);
    writeBasicDerivation(this, drv, inputs);
    this.buildSettings(settings);
    await this.channel.readable();
    const status = this.readNumber();
    const message = this.readString();
    for (let i = 0; i < 4; i++) this.readNumber(); // times built, determinism, start and stop
    const outputs = this.minor >= 6 ? readBuiltOutputs(this, this.storeDir) : new Map<string, StorePath>();
    return { status, message, outputs };
  }
}
