// What instantiating must know about the derivations of one evaluation: their texts, outputs and hashes. Kept per
// EvalIo, as store paths are.
import type { Attrs } from '../eval/attrs.ts';
import { parseContextElement, type ContextElement } from '../eval/context.ts';
import type { EvalIo } from '../eval/io.ts';
import { parseDerivation, PrintedVariables, printDerivation } from '../store/aterm.ts';
import { staticOutputPath, type Derivation } from '../store/derivation.ts';
import { DerivationHashes, type PrintedParts } from '../store/hash-modulo.ts';
import { storePathName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';

export class DerivationStore {
  readonly hashes: DerivationHashes;
  private readonly io: EvalIo;
  private readonly outputs = new Map<StorePath, readonly string[]>();
  private readonly elements = new Map<string, ContextElement>();
  /** What instantiating gave, by what the derivation was made of. */
  private readonly made = new Map<string, { readonly path: StorePath; readonly result: Attrs }>();
  /** Some context is spelled so that a derivation with it can't be read again. */
  private odd = false;

  constructor(io: EvalIo) {
    this.io = io;
    this.hashes = new DerivationHashes(io.storeDir, (path) => this.read(path));
  }

  /** @throws StoreError where there is no such derivation */
  read(drvPath: StorePath): Derivation {
    return parseDerivation(this.io.readDerivation(drvPath), storePathName(drvPath).slice(0, -4), this.io.storeDir);
  }

  /** What a string's context says. Each is met again and again, and its paths should be the same strings. */
  contextElement(encoded: string): ContextElement {
    let element = this.elements.get(encoded);
    if (element === undefined) {
      this.elements.set(encoded, (element = parseContextElement(encoded)));
      this.odd ||= NOT_ESCAPED.test(encoded);
    }
    return element;
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

  /** Adds a derivation whose output paths are found, of which parts may have been printed before; returns its path. */
  add(drv: Derivation, parts?: PrintedParts): StorePath {
    const printed = parts ?? { variables: PrintedVariables.of(drv.env) };
    const references = [...drv.inputSrcs, ...drv.inputDrvs.keys(), ...(drv.dynamicInputs?.keys() ?? [])];
    const text = printDerivation(drv, { variables: printed.variables });
    const path = this.io.addDerivation(drv.name, text, references, this.knownOutputs(drv)) as StorePath;
    if (!this.hashes.has(path)) this.hashes.add(path, drv, printed);
    if (!this.outputs.has(path)) this.outputs.set(path, [...drv.outputs.keys()].sort());
    return path;
  }

  /** What derivationStrict gave for a derivation with the same makings, if that is there still. */
  find(makings: string): Attrs | undefined {
    const known = this.made.get(makings);
    return known !== undefined && this.io.hasDerivation?.(known.path) === true ? known.result : undefined;
  }

  remember(makings: string, path: StorePath, result: Attrs): void {
    this.made.set(makings, { path, result });
  }

  /** Output paths that nobody needs to check: undefined where one is not known, or the text may say something else. */
  private knownOutputs(drv: Derivation): Map<string, StorePath> | undefined {
    if (this.odd || NOT_ESCAPED.test(drv.system)) return undefined;
    const outputs = new Map<string, StorePath>();
    for (const [name, output] of drv.outputs) {
      const path = staticOutputPath(output);
      if (path === undefined) return undefined;
      outputs.set(name, path);
    }
    return outputs;
  }
}

/** What is printed into a derivation as it is: system, names, paths (aterm.ts). */
const NOT_ESCAPED = /["\\]/;

const stores = new WeakMap<EvalIo, DerivationStore>();

export function derivationStore(io: EvalIo): DerivationStore {
  let store = stores.get(io);
  if (store === undefined) stores.set(io, (store = new DerivationStore(io)));
  return store;
}
