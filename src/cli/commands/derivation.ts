// `tsnix derivation show` and `add`: derivations as JSON.
import { readFileSync } from 'node:fs';
import { printDerivation } from '../../store/aterm.ts';
import type { Derivation, DerivationOutput } from '../../store/derivation.ts';
import { DerivationHashes } from '../../store/hash-modulo.ts';
import { hashBytes } from '../../store/hash.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { computeClosure, requireDerivation } from '../../store/query.ts';
import { baseName, isDerivationPath, makeTextPath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { fromBuffer, toBuffer } from '../../util/bytes.ts';
import { NixError, StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { derivationAsJson, derivationJsonVersion, DerivationReader } from '../derivation-json.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { derivationOf, findInstallables, INSTALLABLE_FLAGS } from '../installables.ts';
import { print } from '../output.ts';
import { JSON_FLAGS, printJson, type JsonValue } from '../print-json.ts';
import { openConfiguredStore } from '../session.ts';

export const SHOW_FLAGS: readonly Flag[] = [
  ...INSTALLABLE_FLAGS,
  flag('recursive', 'show the derivations of the inputs, too', { short: 'r' }),
  ...JSON_FLAGS.filter((known) => known.name === 'pretty'),
  ...COMMON_FLAGS,
];

export async function derivationShow(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, SHOW_FLAGS, config);
  const store = openConfiguredStore(config, true);
  try {
    let paths = new Set<StorePath>();
    for (const { target } of await findInstallables(store, { flags, config })) paths.add(derivationOf(store, target));
    if (flags.has('recursive')) paths = computeClosure(store, paths);
    const derivations = new Map<string, JsonValue>();
    for (const path of paths) {
      if (isDerivationPath(path)) derivations.set(baseName(path), derivationAsJson(requireDerivation(store, path)));
    }
    printJson({ version: derivationJsonVersion, derivations }, flags);
    return 0;
  } finally {
    await store.close();
  }
}

export const ADD_FLAGS: readonly Flag[] = [
  flag('dry-run', 'only print the path'),
  flag('store', 'the store to use', { args: ['URI'] }),
  ...COMMON_FLAGS,
];

/** Output paths that were left open, and the variables of their names. */
export function withOutputPaths(drv: Derivation, store: QueriedStore): Derivation {
  if (![...drv.outputs.values()].some((output) => output.kind === 'deferred')) return drv;
  const hashes = new DerivationHashes(store.storeDir, (path) => requireDerivation(store, path));
  const paths = hashes.inputAddressedPaths(drv);
  if (paths === null) return drv;
  const outputs = new Map<string, DerivationOutput>();
  const env = new Map(drv.env);
  for (const [name, output] of drv.outputs) {
    const path = paths.get(name);
    if (output.kind !== 'deferred' || path === undefined) {
      outputs.set(name, output);
      continue;
    }
    outputs.set(name, { kind: 'inputAddressed', path });
    if ((env.get(name) ?? '') === '') env.set(name, path);
  }
  return { ...drv, outputs, env };
}

export async function derivationAdd(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, ADD_FLAGS, config);
  if (flags.positionals.length > 0) throw new UsageError('no arguments expected');
  const dryRun = flags.has('dry-run');
  const store = openConfiguredStore(config, dryRun);
  try {
    const read = new DerivationReader(store.storeDir, config.experimentalFeatures).read(fromBuffer(readFileSync(0)));
    const drv = withOutputPaths(read, store);
    const bytes = toBuffer(printDerivation(drv));
    const references = [...new Set([...drv.inputSrcs, ...drv.inputDrvs.keys(), ...(drv.dynamicInputs?.keys() ?? [])])];
    const name = `${drv.name}.drv`;
    if (dryRun) print(`${makeTextPath(name, hashBytes('sha256', bytes), references, store.storeDir)}\n`);
    else {
      checkEnvironment(drv);
      const path = store.addText(name, bytes, references);
      store.flush();
      print(`${path}\n`);
    }
    return 0;
  } catch (error) {
    if (error instanceof NixError) error.addFrame('while adding a derivation from JSON', 0);
    throw error;
  } finally {
    await store.close();
  }
}

/** Variables named as outputs must say where these will be. @throws StoreError */
function checkEnvironment(drv: Derivation): void {
  for (const [name, output] of drv.outputs) {
    if (output.kind !== 'inputAddressed') continue;
    const value = drv.env.get(name);
    if (value !== undefined && value !== output.path) {
      throw new StoreError(`derivation has incorrect environment variable '${name}', should be '${output.path}'`);
    }
  }
}
