// From what a builder left to valid store objects: every output is checked, made canonical, scanned for references,
// hashed, compared with what was promised, moved into the store and registered, all outputs in one transaction.
// Follows registerOutputs() of Nix's libstore/unix/build/derivation-builder.cc.
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { NixError, NotImplementedError, StoreError } from '../util/errors.ts';
import { canonicalise } from '../store/canonicalise.ts';
import { deletePath } from '../store/delete-path.ts';
import { methodPrefix, outputPathName } from '../store/derivation.ts';
import type { Derivation, DerivationOutput } from '../store/derivation.ts';
import { equalDigests, printDigest, printHash } from '../store/hash.ts';
import { hashFile, hashNar } from '../store/nar.ts';
import { hashAndScan, topologicalSort } from '../store/references.ts';
import { baseName, hashPart, makeFixedOutputPath } from '../store/store-path.ts';
import type { PathInfo, StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';
import { checkOutputs } from './output-checks.ts';
import { rewriteObject } from './rewrite.ts';
import { moveObject } from './work-space.ts';

export interface RegisterRequest {
  readonly store: BuildStore;
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  /** Outputs to take; the others are valid already. */
  readonly wanted: readonly string[];
  readonly finalPaths: ReadonlyMap<string, StorePath>;
  /** The paths that the builder was told; they differ from the final ones where hashes must be rewritten. */
  readonly scratchPaths: ReadonlyMap<string, StorePath>;
  /** Where outputs lie on this machine, by base name of their scratch path. */
  readonly outputsDir: string;
  /** The input closure. */
  readonly inputs: ReadonlySet<StorePath>;
  /** Id that the builder had, if not ours. */
  readonly owner?: number;
  /** False where no system call filter kept the builder from it. */
  readonly filtered: boolean;
  /** Rebuilt to compare: nothing is moved or registered. */
  readonly check: boolean;
  readonly keepFailed: boolean;
}

interface Output {
  readonly name: string;
  readonly spec: DerivationOutput;
  readonly actual: string;
  readonly path: StorePath;
  readonly narHash: Uint8Array;
  readonly narSize: number;
  readonly references: readonly StorePath[];
  readonly ca: string | null;
  /** Of a fixed output: what it really is. */
  readonly contentHash?: Uint8Array;
}

/** @throws BuildFailure; then nothing was registered (but a fixed output of another hash, under its own path) */
export function registerOutputs(request: RegisterRequest): void {
  const outputs = orderByReferences(request, collect(request));
  for (const output of outputs) checkFixed(request, output);
  checkOutputs(
    request.drvPath,
    request.options,
    new Map(outputs.map((output) => [output.name, output])),
    request.store,
  );
  if (request.check) {
    for (const output of outputs) compare(request, output);
    return;
  }
  for (const output of outputs) place(request.store, output);
  request.store.registerValidPaths(outputs.map((output) => pathInfo(request, output)));
}

function actualPath(request: RegisterRequest, name: string): string {
  return `${request.outputsDir}/${baseName(request.scratchPaths.get(name)!)}`;
}

function collect(request: RegisterRequest): Output[] {
  const seen = new Set<string>();
  const { owner } = request;
  for (const name of request.wanted) {
    const actual = actualPath(request, name);
    checkRoot(request, name, actual);
    if (!request.filtered) refuseSetuid(actual);
    try {
      canonicalise(actual, { seen, ...(owner === undefined ? {} : { owners: (uid: number) => uid === owner }) });
    } catch (error) {
      throw asRejection(error);
    }
  }
  // The builder may only have learnt of its inputs and of its own outputs.
  const candidates = [...request.inputs, ...request.scratchPaths.values()];
  return request.wanted.map((name) => describe(request, name, candidates));
}

function checkRoot(request: RegisterRequest, name: string, actual: string): void {
  let stat: Stats;
  try {
    stat = lstatSync(fsPath(actual));
  } catch {
    throw new BuildFailure(
      'outputRejected',
      `builder for '${request.drvPath}' failed to produce output path for output '${name}' at "${actual}"`,
    );
  }
  const link = stat.isSymbolicLink();
  if ((!link && (stat.mode & 0o022) !== 0) || (request.owner !== undefined && stat.uid !== request.owner)) {
    throw new BuildFailure(
      'outputRejected',
      `suspicious ownership or permission on "${actual}" for output '${name}'; rejecting this build output`,
    );
  }
}

/** What the system call filter forbids is refused afterwards where there is none. */
function refuseSetuid(path: string): void {
  const stat = lstatSync(fsPath(path));
  if (stat.isFile() && (stat.mode & 0o6000) !== 0) {
    throw new BuildFailure('outputRejected', `file '${path}' is setuid or setgid; rejecting this build output`);
  }
  if (!stat.isDirectory()) return;
  for (const name of readdirSync(fsPath(path), { encoding: 'latin1' })) refuseSetuid(`${path}/${name}`);
}

function asRejection(error: unknown): unknown {
  if (error instanceof BuildFailure || !(error instanceof NixError)) return error;
  return new BuildFailure('outputRejected', error.message, { cause: error });
}

function describe(request: RegisterRequest, name: string, candidates: readonly StorePath[]): Output {
  const { drv, options, finalPaths, scratchPaths } = request;
  const spec = drv.outputs.get(name)!;
  const path = finalPaths.get(name)!;
  const actual = actualPath(request, name);
  const renamed = new Map<StorePath, StorePath>();
  for (const [output, from] of scratchPaths) {
    const to = finalPaths.get(output)!;
    if (from !== to) renamed.set(from, to);
  }
  const found = hashAndScan(actual, options.unsafeDiscardReferences.has(name) ? [] : candidates);
  const references = [...new Set(found.references.map((reference) => renamed.get(reference) ?? reference))].sort();
  let { hash: narHash, size: narSize } = found;
  if (renamed.size > 0) {
    const target = `${actual}.rewritten`;
    deletePath(target);
    rewriteObject(actual, target, new Map([...renamed].map(([from, to]) => [hashPart(from), hashPart(to)])));
    deletePath(actual);
    moveObject(target, actual);
    canonicalise(actual);
    ({ hash: narHash, size: narSize } = hashNar(actual));
  }
  const base = { name, spec, narHash, narSize, references };
  switch (spec.kind) {
    case 'inputAddressed':
      return { ...base, actual, path, ca: null };
    case 'fixed': {
      const hash = fixedHash(spec, actual);
      const ca = `fixed:${methodPrefix(spec.method)}${spec.algorithm}:${printDigest(hash, 'nix32')}`;
      if (equalDigests(hash, spec.hash)) return { ...base, actual, path, ca, contentHash: hash };
      const realPath = makeFixedOutputPath(
        { name: outputPathName(drv.name, name), method: spec.method, algorithm: spec.algorithm, hash },
        request.store.storeDir,
      );
      return { ...base, actual, path: realPath, ca, contentHash: hash };
    }
    default:
      throw new NotImplementedError(`outputs of kind '${spec.kind}' (content-addressed derivations)`);
  }
}

function fixedHash(spec: DerivationOutput & { kind: 'fixed' }, actual: string): Uint8Array {
  switch (spec.method) {
    case 'nar':
      return hashNar(actual, spec.algorithm).hash;
    case 'flat':
    case 'text': {
      const stat = lstatSync(fsPath(actual));
      if (!stat.isFile() || (stat.mode & 0o100) !== 0) {
        throw new BuildFailure(
          'outputRejected',
          `output path "${actual}" should be a non-executable regular file since recursive hashing is not enabled (one of outputHashMode={flat,text} is true)`,
        );
      }
      return hashFile(actual, spec.algorithm).hash;
    }
    case 'git':
      throw new NotImplementedError("outputHashMode 'git'");
  }
}

/** Dependencies first. @throws BuildFailure for a cycle of outputs */
function orderByReferences(request: RegisterRequest, outputs: readonly Output[]): Output[] {
  const byPath = new Map(outputs.map((output) => [output.path, output]));
  try {
    return topologicalSort([...byPath.keys()], (path) => byPath.get(path)?.references ?? []).map((path) =>
      byPath.get(path)!,
    );
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const [to, from] = [...error.message.matchAll(/'([^']*)'/g)].map(
      (match) => byPath.get(match[1] as StorePath)?.name,
    );
    throw new BuildFailure(
      'outputRejected',
      `cycle detected in build of '${request.drvPath}' in the references of output '${to}' from output '${from}'`,
    );
  }
}

function checkFixed(request: RegisterRequest, output: Output): void {
  const { spec } = output;
  if (spec.kind !== 'fixed') return;
  const wanted = request.finalPaths.get(output.name)!;
  if (output.path !== wanted) {
    const sri = (digest: Uint8Array): string => printHash({ algorithm: spec.algorithm, digest }, 'sri');
    if (!request.check) keepUnderRealPath(request, output);
    throw new BuildFailure(
      'hashMismatch',
      `hash mismatch in fixed-output derivation '${request.drvPath}':\n  specified: ${sri(spec.hash)}\n     got:    ${sri(output.contentHash!)}`,
    );
  }
  if (output.references.length > 0) {
    throw new BuildFailure(
      'hashMismatch',
      `fixed-output derivations must not reference store paths: '${request.drvPath}' references ${output.references.length} distinct paths, e.g. '${output.references[0]!}'`,
    );
  }
}

/** A wrong fixed output is kept under the path of its real hash: mending the hash then needs no second download. */
function keepUnderRealPath(request: RegisterRequest, output: Output): void {
  const { store } = request;
  if (output.references.length > 0 || store.isValidPath(output.path)) return;
  const locks = store.tryLockPaths([output.path]);
  if (locks === undefined) return;
  try {
    place(store, output);
    store.registerValidPaths([pathInfo(request, output)]);
  } finally {
    locks.release(true);
  }
}

function place(store: BuildStore, output: Output): void {
  if (store.realPath(output.path) !== output.actual) store.moveIntoStore(output.actual, output.path);
}

function pathInfo(request: RegisterRequest, output: Output): PathInfo {
  return {
    path: output.path,
    narHash: output.narHash,
    narSize: output.narSize,
    references: output.references,
    deriver: request.drvPath,
    registrationTime: Math.floor(Date.now() / 1000),
    ultimate: true,
    signatures: [],
    ca: output.ca,
  };
}

function compare(request: RegisterRequest, output: Output): void {
  const { store } = request;
  const old = store.pathInfo(output.path);
  if (old === undefined || equalDigests(old.narHash, output.narHash)) return;
  const target = store.realPath(output.path);
  let differs = '';
  if (request.keepFailed) {
    const kept = `${target}.check`;
    if (existsSync(fsPath(kept))) deletePath(kept);
    moveObject(output.actual, kept);
    differs = ` from "${kept}"`;
  }
  throw new BuildFailure(
    'notDeterministic',
    `derivation '${request.drvPath}' may not be deterministic: output "${target}" differs${differs}`,
  );
}
