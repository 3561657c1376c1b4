// `nix-store --serve`: the store for a peer at the other end of standard input and output. Without --write it only
// answers questions. One request after the other; an error is told on standard error and ends the connection.
import { BuildFailure } from '../../../build/failure.ts';
import { failureNumbers } from '../../../build/failure-numbers.ts';
import type { BuildTarget } from '../../../build/realise-options.ts';
import { readBasicDerivation } from '../../../store/daemon/basic-derivation.ts';
import { importPaths } from '../../../store/export-import.ts';
import { parseHash, printHash } from '../../../store/hash.ts';
import { LocalStore } from '../../../store/local-store.ts';
import { DaemonStore } from '../../../store/daemon/daemon-store.ts';
import { ServeStore } from '../../../store/daemon/serve-store.ts';
import type { QueriedStore } from '../../../store/queried-store.ts';
import { computeClosure } from '../../../store/query.ts';
import { serveCommand, serveMagic, serveVersion } from '../../../store/serve-protocol.ts';
import { parseStorePath } from '../../../store/store-path.ts';
import type { PathInfo, StorePath } from '../../../store/store.ts';
import { WireInput, wireNumber, wireText } from '../../../store/wire-input.ts';
import { NixError, StoreError } from '../../../util/errors.ts';
import type { Config } from '../../config.ts';
import { readTarget } from '../../daemon/target.ts';
import { printBytes, say } from '../../output.ts';
import { makeSubstituter } from '../../substituters.ts';
import { allowFlags, hasFlag, localStore, noArguments, type Operation } from './operation.ts';
import { buildTargets } from './realise.ts';

export async function serve(operation: Operation): Promise<number> {
  allowFlags(operation, ['write']);
  noArguments(operation);
  await new Server(operation).run();
  return 0;
}

class Server {
  private readonly operation: Operation;
  private readonly config: Config;
  private readonly store: QueriedStore;
  private readonly mayWrite: boolean;
  private readonly input = new WireInput(0);
  private reply: Uint8Array[] = [];
  /** The lower of both. */
  private minor = serveVersion & 0xff;

  constructor(operation: Operation) {
    this.operation = operation;
    this.config = operation.config;
    this.store = operation.store;
    this.mayWrite = hasFlag(operation, 'write');
  }

  async run(): Promise<void> {
    if (this.input.take(8).readBigUInt64LE() !== BigInt(serveMagic.client)) throw new StoreError('protocol mismatch');
    this.number(serveMagic.server);
    this.number(serveVersion);
    this.send();
    const theirs = this.input.number();
    if (theirs >> 8 !== serveVersion >> 8) throw new StoreError('protocol mismatch');
    this.minor = Math.min(this.minor, theirs & 0xff);
    while (!this.input.atEnd()) {
      await this.request(this.input.number());
      this.send();
    }
  }

  // ---- pieces --------------------------------------------------------------------------------------------------

  private number(value: number): void {
    this.reply.push(wireNumber(value));
  }

  private text(value: string): void {
    this.reply.push(wireText(value));
  }

  private texts(values: readonly string[]): void {
    this.number(values.length);
    for (const value of values) this.text(value);
  }

  private send(): void {
    const { reply } = this;
    this.reply = [];
    printBytes(Buffer.concat(reply));
  }

  private path(): StorePath {
    return parseStorePath(this.input.text(), this.store.storeDir);
  }

  private paths(): StorePath[] {
    return this.input.texts().map((text) => parseStorePath(text, this.store.storeDir));
  }

  private requireWrite(what: string): void {
    if (!this.mayWrite) throw new StoreError(`${what} paths is not allowed`);
  }

  // ---- requests ------------------------------------------------------------------------------------------------

  private async request(command: number): Promise<void> {
    const { input, store } = this;
    switch (command) {
      case serveCommand.queryValidPaths:
        return this.queryValidPaths();
      case serveCommand.queryPathInfos:
        for (const path of this.paths()) this.describe(path);
        this.text('');
        return;
      case serveCommand.dumpStorePath:
        store.dumpPath(this.path(), printBytes);
        return;
      case serveCommand.importPaths:
        this.requireWrite('importing');
        importPaths(localStore(this.operation), input);
        this.number(1);
        return;
      case serveCommand.buildPaths:
        return this.buildPaths();
      case serveCommand.queryClosure: {
        const includeOutputs = input.number() !== 0;
        this.texts([...computeClosure(store, this.paths(), { includeOutputs })].sort());
        return;
      }
      case serveCommand.buildDerivation:
        return this.buildDerivation();
      case serveCommand.addToStoreNar:
        this.requireWrite('importing');
        await this.addNar();
        this.number(1);
        return;
      default:
        throw new StoreError(`unknown serve command ${String(command)}`);
    }
  }

  private async queryValidPaths(): Promise<void> {
    const { store } = this;
    const lock = this.input.number() !== 0;
    const substitute = this.input.number() !== 0;
    const paths = this.paths();
    if (lock && this.mayWrite) for (const path of paths) store.addTempRoot(path);
    if (substitute && this.mayWrite) await this.substitute(paths);
    this.texts(paths.filter((path) => store.isValidPath(path)));
  }

  /** What cannot be fetched is not there, as far as the peer is concerned. */
  private async substitute(paths: readonly StorePath[]): Promise<void> {
    const { config } = this;
    const store = localStore(this.operation);
    const error = (message: string): void => say(`error: ${message}`);
    const warn = (message: string): void => say(`warning: ${message}`);
    const substituter = makeSubstituter({ config, store, observer: { warn, error } });
    try {
      for (const path of paths) {
        try {
          await substituter?.substitute(path);
        } catch (reason) {
          if (!(reason instanceof NixError)) throw reason;
          error(reason.message);
        }
      }
    } finally {
      await substituter?.close();
    }
  }

  private describe(path: StorePath): void {
    const info = this.store.pathInfo(path);
    if (info === undefined) return;
    this.text(path);
    this.text(info.deriver ?? '');
    this.texts(info.references);
    this.number(info.narSize); // to download
    this.number(info.narSize);
    if (this.minor < 4) return;
    this.text(printHash({ algorithm: 'sha256', digest: info.narHash }, 'nix32'));
    this.text(info.ca ?? '');
    this.texts(info.signatures);
  }

  private async addNar(): Promise<void> {
    const { input, store } = this;
    const path = this.path();
    const deriver = input.text();
    const { digest } = parseHash(input.text(), 'sha256');
    const info: PathInfo = {
      path,
      deriver: deriver === '' ? null : parseStorePath(deriver, store.storeDir),
      narHash: digest,
      references: [...new Set(this.paths())].sort(),
      registrationTime: input.number(),
      narSize: input.number(),
      ultimate: input.number() !== 0,
      signatures: input.texts(),
      ca: input.text() || null,
    };
    if (info.narSize === 0) throw new StoreError('narInfo is too old and missing the narSize field');
    if (!(store instanceof LocalStore)) {
      await this.passOn(info);
      return;
    }
    const incoming = store.incoming();
    try {
      const isValid = incoming.isValid(path);
      input.bytes(info.narSize, (chunk) => {
        if (!isValid) incoming.write(chunk);
      });
      if (!isValid) incoming.finish(info);
    } finally {
      incoming.close();
    }
  }

  /** To a store that lies elsewhere, and is as trusted as whoever started this. */
  private async passOn(info: PathInfo): Promise<void> {
    const { input, store } = this;
    const archive = input.archiveChunks();
    if (store.isValidPath(info.path)) while (archive.next().done !== true);
    else if (store instanceof DaemonStore || store instanceof ServeStore) await store.addNar(info, archive, false);
    else throw new StoreError(`cannot add paths to the store '${store.uri}'`);
  }

  /** The peer's settings for builds. Nothing is substituted: the peer knows what it wants built here. */
  private readBuildSettings(): void {
    const { config, input, minor } = this;
    config.set('substitute', 'false');
    config.set('keep-build-log', 'false');
    config.set('max-silent-time', String(input.number()));
    config.set('timeout', String(input.number()));
    if (minor >= 2) config.set('max-build-log-size', String(input.number()));
    if (minor >= 3) {
      const repeats = input.number();
      input.number(); // whether outputs that differ are an error, of old
      if (repeats !== 0)
        throw new StoreError('client requested repeating builds, but this is not currently implemented');
    }
    if (minor >= 7) config.set('keep-failed', input.number() === 0 ? 'false' : 'true');
  }

  private async buildPaths(): Promise<void> {
    this.requireWrite('building');
    const targets = this.input.texts().map((text) => readTarget(text, this.store.storeDir));
    this.readBuildSettings();
    try {
      await buildTargets(this.operation, targets, { announce: false });
      this.number(0);
    } catch (error) {
      if (!(error instanceof NixError)) throw error;
      this.number(error.exitStatus);
      this.text(error.message);
    }
  }

  private async buildDerivation(): Promise<void> {
    this.requireWrite('building');
    const drvPath = this.path();
    const drv = readBasicDerivation(this.input, drvPath, this.store.storeDir);
    this.readBuildSettings();
    const started = Math.floor(Date.now() / 1000);
    let status = 0;
    let message = '';
    let outputs: ReadonlyMap<string, StorePath> = new Map();
    try {
      const target: BuildTarget = { kind: 'derivation', drvPath, outputs: 'all' };
      const given = new Map([[drvPath, drv]]);
      outputs = (await buildTargets(this.operation, [target], { announce: false, quiet: true, given }))![0]!;
    } catch (error) {
      if (!(error instanceof NixError)) throw error;
      status = failureNumbers[error instanceof BuildFailure ? error.kind : 'misc'];
      ({ message } = error);
    }
    this.number(status);
    this.text(message);
    if (this.minor >= 3) for (const value of [1, 0, started, Math.floor(Date.now() / 1000)]) this.number(value);
    if (this.minor < 6) return;
    this.number(outputs.size);
    for (const [name, path] of outputs) {
      // Peers look at the name and the path only.
      const id = `sha256:${'0'.repeat(64)}!${name}`;
      const outPath = path.slice(this.store.storeDir.length + 1);
      this.text(id);
      this.text(JSON.stringify({ dependentRealisations: {}, id, outPath, signatures: [] }));
    }
  }
}
