// What instantiating must know about the derivations of one evaluation: their texts, outputs and hashes. Kept per
// EvalIo, as store paths are.
import type { EvalIo } from '../eval/io.ts';
import { parseDerivation, PrintedVariables, printDerivation } from '../store/aterm.ts';
import type { Derivation } from '../store/derivation.ts';
import { DerivationHashes } from '../store/hash-modulo.ts';
import { storePathName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';

export class DerivationStore {
  readonly hashes: DerivationHashes;
  private readonly io: EvalIo;
  private readonly outputs = new Map<StorePath, readonly string[]>();

  constructor(io: EvalIo) {
    this.io = io;
    this.hashes = new DerivationHashes(io.storeDir, (path) => this.read(path));
  }

  /** @throws StoreError where there is no such derivation */
  read(drvPath: StorePath): Derivation {
    return parseDerivation(this.io.readDerivation(drvPath), storePathName(drvPath).slice(0, -4), this.io.storeDir);
  }

  /** Names of a derivation's outputs, sorted. */
  outputNames(drvPath: StorePath): readonly string[] {
    let names = this.outputs.get(drvPath);
    if (names === undefined) {
      names = [...this.read(drvPath).outputs.keys()].sort();
      this.outputs.set(drvPath, names);
    }
    return names;
  }

  /** Adds a derivation, of which the variables may have been printed before; returns its path. */
  add(drv: Derivation, printed?: PrintedVariables): StorePath {
    const variables = printed ?? PrintedVariables.of(drv.env);
    const references = [...drv.inputSrcs, ...drv.inputDrvs.keys(), ...(drv.dynamicInputs?.keys() ?? [])];
    const path = this.io.addDerivation(drv.name, printDerivation(drv, { variables }), references) as StorePath;
    if (!this.hashes.has(path)) this.hashes.add(path, drv, variables);
    if (!this.outputs.has(path)) this.outputs.set(path, [...drv.outputs.keys()].sort());
    return path;
  }
}

const stores = new WeakMap<EvalIo, DerivationStore>();

export function derivationStore(io: EvalIo): DerivationStore {
  let store = stores.get(io);
  if (store === undefined) stores.set(io, (store = new DerivationStore(io)));
  return store;
}
