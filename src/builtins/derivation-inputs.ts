// From the contexts of a derivation's strings to its inputs.
import { derivationChain, parseContextElement, type Context } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { sortedMap, type DynamicInput } from '../store/derivation.ts';
import { isDerivationPath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import type { DerivationStore } from './derivation-store.ts';

export interface DerivationInputs {
  readonly inputDrvs: ReadonlyMap<StorePath, readonly string[]>;
  readonly dynamicInputs: ReadonlyMap<StorePath, ReadonlyMap<string, DynamicInput>>;
  readonly inputSrcs: readonly StorePath[];
}

interface DynamicNode {
  readonly outputs: Set<string>;
  readonly children: Map<string, DynamicNode>;
}

/**
 * Opaque paths are sources; an output is an input derivation with that output; drv-deep is the whole closure of a
 * `.drv`, sources and all outputs of all derivations, so that the builder may walk the graph.
 */
export function addContextInputs(ev: Evaluator, store: DerivationStore, context: Context | null): DerivationInputs {
  const drvs = new Map<StorePath, DynamicNode>();
  const srcs = new Set<StorePath>();
  const node = (path: StorePath): DynamicNode => {
    let found = drvs.get(path);
    if (found === undefined) drvs.set(path, (found = { outputs: new Set(), children: new Map() }));
    return found;
  };
  for (const encoded of context ?? []) {
    const element = parseContextElement(encoded);
    switch (element.kind) {
      case 'opaque':
        srcs.add(element.path as StorePath);
        break;
      case 'built':
        builtNode(node, element.drvPath).outputs.add(element.output);
        break;
      case 'drvDeep':
        for (const path of ev.io.closure(element.drvPath) as readonly StorePath[]) {
          srcs.add(path);
          if (!isDerivationPath(path)) continue;
          const { outputs } = node(path);
          for (const output of store.outputNames(path)) outputs.add(output);
        }
    }
  }
  const inputDrvs = new Map<StorePath, readonly string[]>();
  const dynamicInputs = new Map<StorePath, ReadonlyMap<string, DynamicInput>>();
  for (const [path, { outputs, children }] of drvs) {
    if (outputs.size > 0) inputDrvs.set(path, [...outputs].sort());
    if (children.size > 0) dynamicInputs.set(path, freeze(children));
  }
  return {
    inputDrvs: sortedMap(inputDrvs),
    dynamicInputs: sortedMap(dynamicInputs),
    inputSrcs: [...srcs].sort(),
  };
}

/** `drvPath` is `/nix/store/….drv`, or `!output!` of such (dynamic derivations), any number of times. */
function builtNode(node: (path: StorePath) => DynamicNode, drvPath: string): DynamicNode {
  const chain = derivationChain(drvPath);
  let found = node(chain.drvPath as StorePath);
  for (const output of chain.outputs) {
    let child = found.children.get(output);
    if (child === undefined) found.children.set(output, (child = { outputs: new Set(), children: new Map() }));
    found = child;
  }
  return found;
}

function freeze(children: ReadonlyMap<string, DynamicNode>): ReadonlyMap<string, DynamicInput> {
  const out = new Map<string, DynamicInput>();
  for (const [name, node] of children) {
    out.set(name, { outputs: [...node.outputs].sort(), children: freeze(node.children) });
  }
  return sortedMap(out);
}
