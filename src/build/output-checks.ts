// What a derivation demands of its outputs: size, and what they may and may not refer to.
// Follows Nix's libstore/build/derivation-check.cc.
import { baseName } from '../store/store-path.ts';
import type { PathInfo, StorePath, SyncStore } from '../store/store.ts';
import type { DerivationOptions, OutputChecks } from './derivation-options.ts';
import { BuildFailure } from './failure.ts';

export interface NewOutput {
  readonly path: StorePath;
  readonly narSize: number;
  /** Sorted. */
  readonly references: readonly StorePath[];
}

/** @throws BuildFailure for the first demand that is not met */
export function checkOutputs(
  drvPath: StorePath,
  options: DerivationOptions,
  outputs: ReadonlyMap<string, NewOutput>,
  store: SyncStore,
): void {
  const byPath = new Map([...outputs.values()].map((output) => [output.path, output]));
  for (const [name, output] of outputs) {
    const checks = options.checksOf(name);
    if (checks !== undefined) checkOutput({ drvPath, name, output, checks, outputs, byPath, store });
  }
}

interface Check {
  readonly drvPath: StorePath;
  readonly name: string;
  readonly output: NewOutput;
  readonly checks: OutputChecks;
  readonly outputs: ReadonlyMap<string, NewOutput>;
  readonly byPath: ReadonlyMap<StorePath, NewOutput>;
  readonly store: SyncStore;
}

function checkOutput(check: Check): void {
  const { checks, output } = check;
  if (checks.maxSize !== undefined && output.narSize > checks.maxSize) {
    reject(`path '${output.path}' is too large at ${output.narSize} bytes; limit is ${checks.maxSize} bytes`);
  }
  if (checks.maxClosureSize !== undefined) {
    const { size } = closureOf(check);
    if (size > checks.maxClosureSize) {
      reject(`closure of path '${output.path}' is too large at ${size} bytes; limit is ${checks.maxClosureSize} bytes`);
    }
  }
  if (checks.allowedReferences !== undefined) checkReferences(check, checks.allowedReferences, true, false);
  if (checks.allowedRequisites !== undefined) checkReferences(check, checks.allowedRequisites, true, true);
  if (checks.disallowedReferences.length > 0) checkReferences(check, checks.disallowedReferences, false, false);
  if (checks.disallowedRequisites.length > 0) checkReferences(check, checks.disallowedRequisites, false, true);
}

function checkReferences(check: Check, words: readonly string[], allowed: boolean, recursive: boolean): void {
  const { output, outputs, checks, store } = check;
  const listed = new Set<string>();
  for (const word of words) {
    if (word.startsWith(`${store.storeDir}/`)) listed.add(word);
    else {
      const other = outputs.get(word);
      if (other === undefined) {
        reject(
          `derivation '${check.drvPath}' output check for '${check.name}' contains output name '${word}', but this is ` +
            `not a valid output of this derivation. (Valid outputs are [${[...outputs.keys()].join(', ')}].)`,
        );
      }
      listed.add(other.path);
    }
  }
  const used = recursive ? closureOf(check).paths : new Set(output.references);
  if (recursive && checks.ignoreSelfReferences) used.delete(output.path);
  const bad = [...used]
    .filter((path) => listed.has(path) !== allowed)
    .sort((a, b) => (baseName(a) < baseName(b) ? -1 : 1));
  if (bad.length > 0) {
    const list = bad.map((path) => `\n  ${path}`).join('');
    reject(`output '${output.path}' is not allowed to refer to the following paths:${list}`);
  }
}

/** Other outputs of the same derivation are not valid yet: their references are known here only. */
function closureOf(check: Check): { paths: Set<StorePath>; size: number } {
  const paths = new Set<StorePath>();
  const open = [check.output.path];
  let size = 0;
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (paths.has(path)) continue;
    paths.add(path);
    const info: NewOutput | PathInfo | undefined = check.byPath.get(path) ?? check.store.pathInfo(path);
    if (info === undefined) reject(`path '${path}' is not valid`);
    size += info.narSize;
    open.push(...info.references);
  }
  return { paths, size };
}

function reject(message: string): never {
  throw new BuildFailure('outputRejected', message);
}
