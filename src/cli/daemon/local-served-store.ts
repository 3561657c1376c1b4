// A store on this machine for clients of the worker protocol: what `nix-daemon --stdio` serves.
import { BuildFailure } from '../../build/failure.ts';
import { failureNumbers } from '../../build/failure-numbers.ts';
import { LogFile } from '../../build/build-log.ts';
import { planRealisation } from '../../build/plan.ts';
import { contentAddressedInfo, contentAddressedPath, parseContentAddressMethod } from '../../store/content-address.ts';
import type { RemoteBuildResult } from '../../store/daemon/build-result.ts';
import type { DaemonSettings, MissingPaths } from '../../store/daemon/daemon-store.ts';
import { copies } from '../../store/daemon/served-store.ts';
import type { BuildMode, CollectRequest, Incoming, ServedStore } from '../../store/daemon/served-store.ts';
import type { Derivation } from '../../store/derivation.ts';
import { createHasher } from '../../store/hash.ts';
import type { LocalStore } from '../../store/local-store.ts';
import { narOfContents } from '../../store/nar-dump.ts';
import { requireDerivation, requirePathInfo } from '../../store/query.ts';
import { KnownOutputs } from '../../store/resolve-derivation.ts';
import { isTrusted } from '../../store/signatures.ts';
import type { PathInfo, StorePath } from '../../store/store.ts';
import { fromUtf8, toBuffer } from '../../util/bytes.ts';
import { NixError, StoreError, UsageError } from '../../util/errors.ts';
import { collect } from '../collect.ts';
import { verifyLocalStore, optimiseStore } from '../legacy/nix-store/maintain.ts';
import { localStore, type Operation } from '../legacy/nix-store/operation.ts';
import { allRoots } from '../legacy/nix-store/query.ts';
import { buildTargets } from '../legacy/nix-store/realise.ts';
import { say } from '../output.ts';
import { makeSubstituter, trustedKeys, type LazySubstituter } from '../substituters.ts';
import { readTarget } from './target.ts';

/** What a client's settings may not change: they are this program's own. */
const keptSettings: ReadonlySet<string> = new Set(['experimental-features', 'plugin-files', 'store', 'build-hook']);

/** Nix's number for what was built, or was there. */
const built = 0;

export class LocalServedStore implements ServedStore {
  readonly storeDir: string;
  readonly uri: string;
  private readonly store: LocalStore;
  private readonly operation: Operation;

  constructor(operation: Operation) {
    this.operation = operation;
    this.store = localStore(operation);
    this.storeDir = this.store.storeDir;
    this.uri = this.store.uri;
  }

  // ---- asking --------------------------------------------------------------------------------------------------

  isValidPath(path: StorePath): boolean {
    return this.store.isValidPath(path);
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    return this.store.pathInfo(path);
  }

  dumpPath(path: StorePath, sink: (chunk: Uint8Array) => void): void {
    this.store.dumpPath(path, sink);
  }

  validPaths(): StorePath[] {
    return this.store.validPaths();
  }

  referrers(path: StorePath): StorePath[] {
    return this.store.referrers(path);
  }

  validDerivers(path: StorePath): StorePath[] {
    return this.store.validDerivers(path);
  }

  pathFromHashPart(hashPart: string): StorePath | undefined {
    return this.store.pathFromHashPart(hashPart);
  }

  derivationOutputs(drvPath: StorePath): Map<string, StorePath | undefined> {
    const known = new KnownOutputs(this.store);
    const drv = requireDerivation(this.store, drvPath);
    return new Map([...drv.outputs.keys()].map((name) => [name, known.path(drvPath, name, drv)]));
  }

  findRoots(): (readonly [link: string, path: StorePath])[] {
    return allRoots(this.operation);
  }

  // ---- adding --------------------------------------------------------------------------------------------------

  async addNar(info: PathInfo, archive: Incoming, checkSignatures: boolean): Promise<void> {
    const { config } = this.operation;
    if (checkSignatures && config.bool('require-sigs') && !this.store.isValidPath(info.path)) {
      if (!isTrusted(info, await trustedKeys(config), this.storeDir)) {
        throw new StoreError(`cannot add path '${info.path}' because it lacks a signature by a trusted key`);
      }
    }
    this.store.addNar(info, archive);
  }

  addContents(name: string, method: string, references: readonly StorePath[], contents: Incoming): PathInfo {
    const { method: kind, algorithm } = parseContentAddressMethod(method);
    if (kind === 'git') throw new StoreError(`adding by Git hashes is not supported by store '${this.uri}'`);
    if (kind === 'text') {
      const path = this.store.addText(name, Buffer.concat([...copies(contents)]), references);
      this.store.flush();
      return requirePathInfo(this.store, path);
    }
    const incoming = this.store.incoming();
    try {
      const hasher = createHasher(algorithm);
      const parts: Buffer[] = [];
      for (const chunk of contents) {
        hasher.update(chunk);
        if (kind === 'nar') incoming.write(chunk);
        else parts.push(Buffer.from(chunk));
      }
      if (kind === 'flat') incoming.write(narOfContents(Buffer.concat(parts)));
      const path = incoming.finishWith((narHash, narSize) => {
        const ca = { method: kind, algorithm, digest: hasher.digest() };
        const at = contentAddressedPath(name, ca, references, this.storeDir);
        return contentAddressedInfo(at, { hash: narHash, size: narSize }, references, ca);
      });
      return requirePathInfo(this.store, path);
    } finally {
      incoming.close();
    }
  }

  addSignatures(path: StorePath, signatures: readonly string[]): void {
    requirePathInfo(this.store, path);
    this.store.addSignatures(path, signatures);
  }

  async addBuildLog(drvPath: StorePath, log: string): Promise<void> {
    const file = new LogFile(this.store.logDir, drvPath);
    file.write(toBuffer(log));
    await file.close(true);
  }

  addTempRoot(path: StorePath): void {
    this.store.addTempRoot(path);
  }

  addIndirectRoot(link: string): void {
    this.store.registerIndirectRoot(link);
  }

  // ---- fetching and building -----------------------------------------------------------------------------------

  private async withSubstituter<T>(work: (substituter: LazySubstituter | undefined) => Promise<T>): Promise<T> {
    const observer = {
      warn: (message: string): void => say(`warning: ${message}`),
      error: (message: string): void => say(`error: ${message}`),
    };
    const substituter = makeSubstituter({ config: this.operation.config, store: this.store, observer });
    try {
      return await work(substituter);
    } finally {
      await substituter?.close();
    }
  }

  /** What cannot be fetched is not there, as far as the client is concerned. */
  async substitute(paths: readonly StorePath[]): Promise<void> {
    await this.withSubstituter(async (substituter) => {
      for (const path of paths) {
        try {
          await substituter?.substitute(path);
        } catch (error) {
          if (!(error instanceof NixError)) throw error;
          say(`error: ${error.message}`);
        }
      }
    });
  }

  async missing(targets: readonly string[]): Promise<MissingPaths> {
    const wanted = targets.map((target) => readTarget(target, this.storeDir, 'itself'));
    return await this.withSubstituter((substituter) => planRealisation(this.store, wanted, substituter));
  }

  async build(targets: readonly string[], mode: BuildMode): Promise<RemoteBuildResult[]> {
    const wanted = targets.map((target) => readTarget(target, this.storeDir, 'itself'));
    this.store.flush();
    const how = { announce: false, check: mode === 'check', repair: mode === 'repair' };
    try {
      const outputs = (await buildTargets(this.operation, wanted, how))!;
      return outputs.map((found) => ({ status: built, message: '', outputs: found }));
    } catch (error) {
      if (!(error instanceof NixError)) throw error;
      const failure = failureOf(error);
      if (wanted.length === 1) return [failure];
    }
    // Which of them failed: all that can be built was, or has been tried.
    const results: RemoteBuildResult[] = [];
    for (const target of targets) results.push(...(await this.build([target], mode)));
    return results;
  }

  async buildDerivation(drvPath: StorePath, drv: Derivation, mode: BuildMode): Promise<RemoteBuildResult> {
    this.store.flush();
    const given = new Map([[drvPath, drv]]);
    const how = { announce: false, check: mode === 'check', repair: mode === 'repair', given };
    try {
      const outputs = await buildTargets(this.operation, [{ kind: 'derivation', drvPath, outputs: 'all' }], how);
      return { status: built, message: '', outputs: outputs![0]! };
    } catch (error) {
      if (!(error instanceof NixError)) throw error;
      return failureOf(error);
    }
  }

  // ---- looking after it ----------------------------------------------------------------------------------------

  collectGarbage({ action, paths, maxFreedBytes }: CollectRequest): { paths: readonly string[]; bytesFreed: number } {
    const specific = action === 'delete-specific';
    return collect(this.store, this.operation.config, {
      action: specific ? 'delete' : action,
      ...(specific ? { paths } : {}),
      maxFreedBytes,
    });
  }

  async verify(options: { readonly checkContents: boolean; readonly repair: boolean }): Promise<boolean> {
    return await verifyLocalStore(this.store, options, this.operation);
  }

  optimise(): void {
    optimiseStore(this.store);
  }

  setOptions(options: DaemonSettings): void {
    const { config } = this.operation;
    config.set('keep-failed', String(options.keepFailed));
    config.set('keep-going', String(options.keepGoing));
    config.set('fallback', String(options.fallback));
    config.set('max-jobs', String(options.maxJobs));
    config.set('max-silent-time', String(options.maxSilentTime));
    config.set('cores', String(options.cores));
    config.set('substitute', String(options.substitute));
    for (const [name, value] of options.others) {
      if (keptSettings.has(name)) continue;
      try {
        config.set(fromUtf8(name), fromUtf8(value));
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        say(`warning: ${error.message}`);
      }
    }
  }
}

function failureOf(error: NixError): RemoteBuildResult {
  const status = failureNumbers[error instanceof BuildFailure ? error.kind : 'misc'];
  return { status, message: error.message, outputs: new Map() };
}
