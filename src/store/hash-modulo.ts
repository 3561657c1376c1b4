// Hashes of derivations "modulo" their fixed outputs, and output paths from them. A derivation's identity as an
// input of others is the sha256 of its ATerm in which every input derivation is replaced by *its* identity; a
// fixed-output derivation's identity depends on nothing but its output, so that how a file is fetched never changes
// what depends on it.
// See the Nix manual, "Derivation hashes modulo"; Dolstra 2006, section 5.4.
import { compareBytes } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { printDerivation, PrintedVariables, printInputs } from './aterm.ts';
import { methodPrefix, type Derivation, type DerivationOutput } from './derivation.ts';
import { hashString, printDigest } from './hash.ts';
import { makeOutputPath } from './store-path.ts';
import type { StorePath } from './store.ts';

/** How a derivation appears in the ATerms of those that have it as input. Hashes are hex. */
export type HashModulo =
  | { readonly kind: 'derivation'; readonly hash: string }
  | { readonly kind: 'outputs'; readonly hashes: ReadonlyMap<string, string> }
  /** Has no output path before it was built, or depends on such a derivation. */
  | { readonly kind: 'deferred' };

/** What of a derivation was printed while its output paths were found, and is needed again for its hash. */
export interface PrintedParts {
  readonly variables: PrintedVariables;
  /** The inputs by their hashes. */
  readonly inputs?: string;
}

function sha256Hex(text: string): string {
  return printDigest(hashString('sha256', text), 'base16');
}

const DEFERRED: HashModulo = { kind: 'deferred' };

/** Hashes of derivations, memoised by path. One per store directory and source of derivations. */
export class DerivationHashes {
  private readonly known = new Map<string, HashModulo>();
  private readonly storeDir: string;
  private readonly read: (drvPath: StorePath) => Derivation;

  /** `read` finds an input derivation; it may throw what it likes. */
  constructor(storeDir: string, read: (drvPath: StorePath) => Derivation) {
    this.storeDir = storeDir;
    this.read = read;
  }

  has(drvPath: StorePath): boolean {
    return this.known.has(drvPath);
  }

  /** Remembers a derivation that was just made; its inputs must be known or readable. */
  add(drvPath: StorePath, drv: Derivation, printed?: PrintedParts): HashModulo {
    const hash = this.compute(drv, printed);
    this.known.set(drvPath, hash);
    return hash;
  }

  /** The hash modulo of a derivation in the store. No deep recursion: graphs are thousands deep. */
  of(drvPath: StorePath): HashModulo {
    const done = this.known.get(drvPath);
    if (done !== undefined) return done;
    const stack: { path: StorePath; drv: Derivation }[] = [{ path: drvPath, drv: this.read(drvPath) }];
    const open = new Set<StorePath>([drvPath]);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      let missing: StorePath | undefined;
      // The inputs of a fixed-output derivation do not matter: they need not even exist.
      if (inputsMatter(top.drv)) {
        for (const input of top.drv.inputDrvs.keys()) {
          if (!this.known.has(input)) {
            missing = input;
            break;
          }
        }
      }
      if (missing === undefined) {
        this.add(top.path, top.drv);
        open.delete(top.path);
        stack.pop();
      } else {
        if (open.has(missing)) throw new StoreError(`derivation '${missing}' depends on itself`);
        open.add(missing);
        stack.push({ path: missing, drv: this.read(missing) });
      }
    }
    return this.known.get(drvPath)!;
  }

  private compute(drv: Derivation, printed: PrintedParts | undefined): HashModulo {
    const fixed = new Map<string, string>();
    let allKnown = drv.outputs.size > 0;
    for (const [name, output] of drv.outputs) {
      if (output.kind === 'fixed') {
        const hex = printDigest(output.hash, 'base16');
        fixed.set(name, sha256Hex(`fixed:out:${methodPrefix(output.method)}${output.algorithm}:${hex}:${output.path}`));
      } else if (output.kind !== 'inputAddressed') allKnown = false;
    }
    if (fixed.size > 0) return { kind: 'outputs', hashes: fixed };
    if (!allKnown) return DEFERRED;
    const inputs = printed?.inputs ?? this.inputsModulo(drv);
    if (inputs === null) return DEFERRED;
    return { kind: 'derivation', hash: sha256Hex(printDerivation(drv, { inputs, variables: printed?.variables })) };
  }

  /**
   * Inputs as the hashed ATerm lists them; null if one is deferred. Two inputs with the same hash become one entry
   * with the outputs of both.
   */
  private inputsModulo(drv: Derivation): string | null {
    if (drv.dynamicInputs !== undefined && drv.dynamicInputs.size > 0) return null;
    const inputs = new Map<string, readonly string[]>();
    const add = (hash: string, outputs: readonly string[]): void => {
      const present = inputs.get(hash);
      inputs.set(hash, present === undefined ? outputs : [...new Set([...present, ...outputs])].sort(compareBytes));
    };
    for (const [path, outputs] of drv.inputDrvs) {
      const modulo = this.of(path);
      switch (modulo.kind) {
        case 'deferred':
          return null;
        case 'derivation':
          add(modulo.hash, outputs);
          break;
        case 'outputs':
          for (const output of outputs) {
            const hash = modulo.hashes.get(output);
            if (hash === undefined) throw new StoreError(`no hash for output '${output}' of derivation '${drv.name}'`);
            add(hash, ['out']);
          }
      }
    }
    return printInputs(inputs);
  }

  /** Output paths of an input-addressed derivation; null if they can be known only after its inputs are built. */
  inputAddressedPaths(drv: Derivation): Map<string, StorePath> | null {
    const inputs = this.inputsModulo(drv);
    return inputs === null ? null : this.outputPaths(drv, inputs, undefined);
  }

  private outputPaths(
    drv: Derivation,
    inputs: string,
    variables: PrintedVariables | undefined,
  ): Map<string, StorePath> {
    const hash = hashString('sha256', printDerivation(drv, { inputs, maskOutputs: true, variables }));
    const paths = new Map<string, StorePath>();
    for (const name of drv.outputs.keys()) {
      paths.set(name, makeOutputPath(drv.name, name, hash, this.storeDir));
    }
    return paths;
  }

  /**
   * Fills in the output paths of a derivation whose outputs are all `deferred`, and the variables named like them.
   * Unchanged if they can't be known yet.
   */
  fillOutputPaths(drv: Derivation): { readonly drv: Derivation; readonly printed: PrintedParts } {
    const variables = PrintedVariables.of(drv.env);
    const inputs = this.inputsModulo(drv);
    if (inputs === null) return { drv, printed: { variables } };
    const paths = this.outputPaths(drv, inputs, variables);
    const outputs = new Map<string, DerivationOutput>();
    const env = new Map(drv.env);
    for (const [name, path] of paths) {
      outputs.set(name, { kind: 'inputAddressed', path });
      env.set(name, path);
    }
    return { drv: { ...drv, outputs, env }, printed: { variables: variables.with(paths), inputs } };
  }
}

function inputsMatter(drv: Derivation): boolean {
  for (const output of drv.outputs.values()) if (output.kind !== 'inputAddressed') return false;
  return drv.dynamicInputs === undefined || drv.dynamicInputs.size === 0;
}
