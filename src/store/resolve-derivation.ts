// Derivations whose paths are known only once their inputs are built: content-addressed ones, what depends on them, and
// outputs of derivations that are outputs themselves. Resolving puts the real paths in the place of the placeholders; the
// resolved derivation has no input derivations any more, and the build trace is kept by its path.
// See the Nix manual, "Derivation resolution" and "Build trace".
import { toBuffer } from '../util/bytes.ts';
import { printDerivation } from './aterm.ts';
import { staticOutputPath } from './derivation.ts';
import type { Derivation, DynamicInput } from './derivation.ts';
import { hashBytes } from './hash.ts';
import { DerivationHashes } from './hash-modulo.ts';
import { downstreamPlaceholder } from './placeholder.ts';
import { makeTextPath } from './store-path.ts';
import type { StorePath } from './store.ts';

/** What resolving asks of a store. */
export interface TraceReader {
  readonly storeDir: string;
  readDerivation(drvPath: StorePath): Derivation;
  isValidPath(path: StorePath): boolean;
  /** From the build trace of this store: what an output of a resolved derivation came to be. */
  realisation(drvPath: StorePath, output: string): StorePath | undefined;
}

/** An output of `drvPath` and, where it is a derivation, an output of that, and so on: at least one. */
export interface OutputChain {
  readonly drvPath: StorePath;
  readonly outputs: readonly string[];
}

/** Outputs that a derivation has for inputs: those of static derivations first. */
export function inputChains(drv: Derivation): OutputChain[] {
  const chains: OutputChain[] = [];
  for (const [drvPath, outputs] of drv.inputDrvs) {
    for (const output of outputs) chains.push({ drvPath, outputs: [output] });
  }
  const walk = (drvPath: StorePath, prefix: readonly string[], children: ReadonlyMap<string, DynamicInput>): void => {
    for (const [name, node] of children) {
      for (const output of node.outputs) chains.push({ drvPath, outputs: [...prefix, name, output] });
      walk(drvPath, [...prefix, name], node.children);
    }
  };
  for (const [drvPath, children] of drv.dynamicInputs ?? []) walk(drvPath, [], children);
  return chains;
}

/** `optional`: also fixed outputs, which saves building them anew where only their inputs' derivations changed. */
export function shouldResolve(drv: Derivation, optional: boolean): boolean {
  const dynamic = (drv.dynamicInputs?.size ?? 0) > 0;
  if (drv.inputDrvs.size === 0 && !dynamic) return false;
  if (dynamic) return true;
  for (const { kind } of drv.outputs.values()) {
    if (kind === 'floating' || kind === 'deferred' || kind === 'impure') return true;
    if (kind === 'fixed') return optional;
  }
  return false;
}

/** The derivation with the paths of its inputs; undefined where `outputOf` does not know one. */
export function resolveDerivation(
  drv: Derivation,
  outputOf: (chain: OutputChain) => StorePath | undefined,
  storeDir: string,
): Derivation | undefined {
  const sources = new Set(drv.inputSrcs);
  const rewrites: [string, string][] = [];
  for (const chain of inputChains(drv)) {
    const path = outputOf(chain);
    if (path === undefined) return undefined;
    sources.add(path);
    rewrites.push([downstreamPlaceholder(chain.drvPath, chain.outputs), path]);
  }
  const rewrite = (text: string): string => {
    for (const [from, to] of rewrites) if (text.includes(from)) text = text.replaceAll(from, to);
    return text;
  };
  const { dynamicInputs: _, ...rest } = drv;
  const resolved: Derivation = {
    ...rest,
    inputDrvs: new Map(),
    inputSrcs: [...sources].sort(),
    builder: rewrite(drv.builder),
    args: drv.args.map(rewrite),
    env: new Map([...drv.env].map(([name, value]) => [rewrite(name), rewrite(value)])),
  };
  const deferred = [...drv.outputs.values()].some(({ kind }) => kind === 'deferred');
  if (!deferred) return resolved;
  const hashes = new DerivationHashes(storeDir, () => {
    throw new Error('a resolved derivation has no input derivations');
  });
  return hashes.fillOutputPaths(resolved).drv;
}

/** Text and path that a resolved derivation has in the store. */
export function resolvedDerivationFile(
  drv: Derivation,
  storeDir: string,
): { readonly path: StorePath; readonly text: Uint8Array } {
  const text = toBuffer(printDerivation(drv));
  return { text, path: makeTextPath(`${drv.name}.drv`, hashBytes('sha256', text), drv.inputSrcs, storeDir) };
}

/** What is known of outputs, from derivations and the build trace; remembers what it found. */
export class KnownOutputs {
  private readonly reader: TraceReader;
  private readonly optional: boolean;
  private readonly resolved = new Map<StorePath, { path: StorePath; drv: Derivation } | undefined>();

  /** @param optional see shouldResolve() */
  constructor(reader: TraceReader, optional = false) {
    this.reader = reader;
    this.optional = optional;
  }

  /** The path of an output, valid or not; undefined where only building tells. */
  path(drvPath: StorePath, output: string, drv = this.reader.readDerivation(drvPath)): StorePath | undefined {
    const spec = drv.outputs.get(output);
    if (spec === undefined || spec.kind === 'impure') return undefined;
    const known = staticOutputPath(spec);
    if (known !== undefined) return known;
    const { reader } = this;
    if (!shouldResolve(drv, this.optional)) return reader.realisation(drvPath, output);
    const resolved = this.resolve(drvPath, drv);
    if (resolved === undefined) return undefined;
    const found = resolved.drv.outputs.get(output)!;
    return staticOutputPath(found) ?? reader.realisation(resolved.path, output);
  }

  /** As path(), where the output is valid. */
  chain({ drvPath, outputs }: OutputChain): StorePath | undefined {
    let at: StorePath | undefined = drvPath;
    for (const output of outputs) {
      if (!this.reader.isValidPath(at)) return undefined;
      at = this.path(at, output);
      if (at === undefined) return undefined;
    }
    return at;
  }

  private resolve(drvPath: StorePath, drv: Derivation): { path: StorePath; drv: Derivation } | undefined {
    if (this.resolved.has(drvPath)) return this.resolved.get(drvPath);
    const { storeDir } = this.reader;
    const found = resolveDerivation(drv, (chain) => this.chain(chain), storeDir);
    const entry = found === undefined ? undefined : { drv: found, path: resolvedDerivationFile(found, storeDir).path };
    this.resolved.set(drvPath, entry);
    return entry;
  }
}
