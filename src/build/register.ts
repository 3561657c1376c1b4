// From what a builder left to valid store objects: every output is checked, made canonical, scanned for references,
// hashed, compared with what was promised, moved into the store and registered, all outputs in one transaction.
// Follows registerOutputs() of Nix's libstore/unix/build/derivation-builder.cc.
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { NixError, StoreError } from '../util/errors.ts';
import { canonicalise } from '../store/canonicalise.ts';
import { deletePath } from '../store/delete-path.ts';
import { printContentAddress } from '../store/content-address.ts';
import { outputPathName } from '../store/derivation.ts';
import type { ContentAddressMethod, Derivation, DerivationOutput } from '../store/derivation.ts';
import { hashGitTree } from '../store/git-hash.ts';
import { equalDigests, printHash } from '../store/hash.ts';
import type { HashAlgorithm } from '../store/hash.ts';
import { hashFile, hashNar, narChunks } from '../store/nar.ts';
import { restoreChunks } from '../store/nar-ingest.ts';
import { hashAndScan, topologicalSort } from '../store/references.ts';
import { baseName, hashPart, makeFixedOutputPath } from '../store/store-path.ts';
import { withSignatures, type SecretKey } from '../store/signatures.ts';
import type { PathInfo, StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import type { DerivationOptions } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';
import { checkOutputs } from './output-checks.ts';
import { hashModuloSelf, rewriteObject } from '../store/rewrite.ts';
import type { BuildMode } from './settings.ts';
import { moveObject } from './work-space.ts';

export interface RegisterRequest {
  readonly store: BuildStore;
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
  /** Outputs to take; the others are valid already. */
  readonly wanted: readonly string[];
  /** As far as they are known before. */
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
  /** The builder could reach processes that still run (by the network, or without a sandbox). */
  readonly reachedOut: boolean;
  /** check: rebuilt to compare, nothing is moved or registered; repair: what is there is replaced. */
  readonly mode: BuildMode;
  readonly keepFailed: boolean;
  /** Sign what is registered. */
  readonly secretKeys: readonly SecretKey[];
  /** Compares two objects (arguments) that should be the same. */
  readonly diff?: (args: readonly string[]) => void;
}

/** An output as its builder left it, but canonical. */
interface Scanned {
  readonly name: string;
  readonly actual: string;
  readonly scratch: StorePath;
  readonly hash: Uint8Array;
  readonly size: number;
  readonly references: readonly StorePath[];
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

/**
 * @returns where each wanted output lies
 * @throws BuildFailure; then nothing was registered (but a fixed output of another hash, under its own path)
 */
export async function registerOutputs(request: RegisterRequest): Promise<ReadonlyMap<string, StorePath>> {
  const outputs = collect(request);
  for (const output of outputs) checkFixed(request, output);
  checkOutputs(
    request.drvPath,
    request.options,
    new Map(outputs.map((output) => [output.name, output])),
    request.store,
  );
  if (request.mode === 'check') for (const output of outputs) compare(request, output);
  else {
    const known = outputs.filter(
      ({ name, path }) => !isUnforeseen(request, name) && request.finalPaths.get(name) === path,
    );
    // Content-addressed ones are whole at once: others may come to the same path.
    for (const output of outputs) if (!known.includes(output)) await registerUnforeseen(request, output);
    for (const output of known) place(request, output);
    request.store.registerValidPaths(known.map((output) => pathInfo(request, output)));
  }
  return new Map(outputs.map((output) => [output.name, output.path]));
}

/** Contents decide its path, whatever it came to be before. */
function isUnforeseen({ drv }: RegisterRequest, name: string): boolean {
  const { kind } = drv.outputs.get(name)!;
  return kind === 'floating' || kind === 'impure';
}

/** An output whose path nobody has locked yet. */
async function registerUnforeseen(request: RegisterRequest, output: Output): Promise<void> {
  const { store } = request;
  store.addTempRoot(output.path);
  const locks = await store.lockPaths([output.path]);
  try {
    if (store.isValidPath(output.path)) deletePath(output.actual);
    else {
      place(request, output);
      store.registerValidPaths([pathInfo(request, output)]);
    }
  } finally {
    locks.release(true);
  }
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
    if (request.reachedOut) renewFiles(actual);
  }
  // The builder may only have learnt of its inputs and of its own outputs.
  const candidates = [...request.inputs, ...request.scratchPaths.values()];
  const scanned = request.wanted.map((name): Scanned => {
    const actual = actualPath(request, name);
    const discard = request.options.unsafeDiscardReferences.has(name);
    return {
      name,
      actual,
      scratch: request.scratchPaths.get(name)!,
      ...hashAndScan(actual, discard ? [] : candidates),
    };
  });
  const renamed = new Map<StorePath, StorePath>();
  for (const [name, path] of request.finalPaths) {
    const stays = !isUnforeseen(request, name) || !request.wanted.includes(name);
    if (stays) renamed.set(request.scratchPaths.get(name)!, path);
  }
  // An output's path may depend on those of the others that it refers to.
  return orderByReferences(request, scanned).map((output) => {
    const made = settle(request, output, renamed);
    renamed.set(output.scratch, made.path);
    return made;
  });
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

/** Whoever was handed a descriptor of an output's file, and still has it, writes to a file that is no output any more. */
function renewFiles(actual: string): void {
  const copy = `${actual}.copy`;
  deletePath(copy);
  restoreChunks(copy, narChunks(actual));
  deletePath(actual);
  moveObject(copy, actual);
}

function asRejection(error: unknown): unknown {
  if (error instanceof BuildFailure || !(error instanceof NixError)) return error;
  return new BuildFailure('outputRejected', error.message, { cause: error });
}

/** Puts other hash parts into an object. Pairs of the same path are left out. */
function rewriteInPlace(actual: string, renamed: Iterable<readonly [StorePath, StorePath]>): boolean {
  const rewrites = new Map<string, string>();
  for (const [from, to] of renamed) if (from !== to) rewrites.set(hashPart(from), hashPart(to));
  if (rewrites.size === 0) return false;
  const target = `${actual}.rewritten`;
  deletePath(target);
  rewriteObject(actual, target, rewrites);
  deletePath(actual);
  moveObject(target, actual);
  canonicalise(actual);
  return true;
}

/** Decides an output's path and gives it the paths of the others. */
function settle(request: RegisterRequest, scanned: Scanned, renamed: ReadonlyMap<StorePath, StorePath>): Output {
  const { drv } = request;
  const { name, actual, scratch } = scanned;
  const spec = drv.outputs.get(name)!;
  const rewritten = rewriteInPlace(actual, renamed);
  const finalOf = (path: StorePath): StorePath => renamed.get(path) ?? path;
  if (spec.kind === 'floating' || spec.kind === 'impure') {
    const hash = contentHash(spec, actual, scratch);
    const path = makeFixedOutputPath(
      {
        name: outputPathName(drv.name, name),
        method: spec.method,
        algorithm: spec.algorithm,
        hash,
        references: scanned.references.filter((reference) => reference !== scratch).map(finalOf),
        self: scanned.references.includes(scratch),
      },
      request.store.storeDir,
    );
    rewriteInPlace(actual, [[finalOf(scratch), path]]);
    const { hash: narHash, size: narSize } = hashNar(actual);
    const references = sortedSet(scanned.references.map((to) => (to === scratch ? path : finalOf(to))));
    const ca = printContentAddress({ method: spec.method, algorithm: spec.algorithm, digest: hash });
    return { name, spec, actual, path, narHash, narSize, references, ca };
  }
  const { hash: narHash, size: narSize } = rewritten ? hashNar(actual) : scanned;
  const path = request.finalPaths.get(name)!;
  const base = { name, spec, actual, narHash, narSize, references: sortedSet(scanned.references.map(finalOf)) };
  switch (spec.kind) {
    case 'inputAddressed':
      return { ...base, path, ca: null };
    case 'fixed': {
      const hash = contentHash(spec, actual);
      const ca = printContentAddress({ method: spec.method, algorithm: spec.algorithm, digest: hash });
      const realPath = pathOfFixed(request, name, { ...spec, hash }, base.references);
      return { ...base, path: equalDigests(hash, spec.hash) ? path : realPath, ca, contentHash: hash };
    }
    case 'deferred':
      throw new Error('a deferred derivation is resolved before it is built');
  }
}

/** @throws BuildFailure where such an output must not refer to anything */
function pathOfFixed(
  request: RegisterRequest,
  output: string,
  { method, algorithm, hash }: Extract<DerivationOutput, { kind: 'fixed' }>,
  references: readonly StorePath[],
): StorePath {
  const name = outputPathName(request.drv.name, output);
  try {
    return makeFixedOutputPath({ name, method, algorithm, hash, references }, request.store.storeDir);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new BuildFailure('misc', error.message, { cause: error });
  }
}

function sortedSet(paths: readonly StorePath[]): StorePath[] {
  return [...new Set(paths)].sort();
}

/** Hash of an output as its content address has it. `self`: the path whose hash part counts for nothing. */
function contentHash(
  spec: { readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm },
  actual: string,
  self?: StorePath,
): Uint8Array {
  switch (spec.method) {
    case 'nar':
      return self === undefined
        ? hashNar(actual, spec.algorithm).hash
        : hashModuloSelf(narChunks(actual), hashPart(self), spec.algorithm);
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
      return hashGitTree(actual, spec.algorithm);
  }
}

/** Dependencies first. @throws BuildFailure for a cycle of outputs */
function orderByReferences(request: RegisterRequest, outputs: readonly Scanned[]): Scanned[] {
  const byPath = new Map(outputs.map((output) => [output.scratch, output]));
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
    if (request.mode === 'normal') keepUnderRealPath(request, output);
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
    place(request, output);
    store.registerValidPaths([pathInfo(request, output)]);
  } finally {
    locks.release(true);
  }
}

function place({ store, mode }: RegisterRequest, output: Output): void {
  if (mode === 'repair') {
    if (store.realPath(output.path) !== output.actual) store.replaceValidPath(output.actual, output.path);
  } else store.moveIntoStore(output.actual, output.path);
}

function pathInfo(request: RegisterRequest, output: Output): PathInfo {
  const info: PathInfo = {
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
  return request.secretKeys.length === 0 ? info : { ...info, signatures: withSignatures(info, request.secretKeys) };
}

function compare(request: RegisterRequest, output: Output): void {
  const { store } = request;
  const old = store.pathInfo(output.path);
  if (old === undefined || equalDigests(old.narHash, output.narHash)) return;
  const target = store.realPath(output.path);
  let differs = '';
  if (request.keepFailed || request.diff !== undefined) {
    const kept = `${target}.check`;
    if (existsSync(fsPath(kept))) deletePath(kept);
    moveObject(output.actual, kept);
    request.diff?.([target, kept, request.drvPath, request.outputsDir]);
    differs = ` from "${kept}"`;
  }
  throw new BuildFailure(
    'notDeterministic',
    `derivation '${request.drvPath}' may not be deterministic: output "${target}" differs${differs}`,
  );
}
