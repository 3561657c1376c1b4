// From the contexts of a derivation's strings to its inputs.
import { derivationChain } from '../eval/context.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { sortedKeys, sortedMap, type DynamicInput } from '../store/derivation.ts';
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
export function addContextInputs(ev: Evaluator, store: DerivationStore, context: Iterable<string>): DerivationInputs {
  const wanted = new Map<StorePath, string[]>();
  const dynamic = new Map<StorePath, DynamicNode>();
  const srcs = new Set<StorePath>();
  const want = (path: StorePath, output: string): void => {
    const outputs = wanted.get(path);
    if (outputs === undefined) wanted.set(path, [output]);
    else if (!outputs.includes(output)) outputs.push(output);
  };
  for (const encoded of context) {
    const element = store.contextElement(encoded);
    switch (element.kind) {
      case 'opaque':
        srcs.add(element.path as StorePath);
        break;
      case 'built':
        if (!element.drvPath.startsWith('!')) want(element.drvPath as StorePath, element.output);
        else dynamicNode(dynamic, element.drvPath).outputs.add(element.output);
        break;
      case 'drvDeep':
        for (const path of ev.io.closure(element.drvPath) as readonly StorePath[]) {
          srcs.add(path);
          if (isDerivationPath(path)) for (const output of store.outputNames(path)) want(path, output);
        }
    }
  }
  const inputDrvs = new Map<StorePath, readonly string[]>();
  for (const path of sortedKeys(wanted)) inputDrvs.set(path, wanted.get(path)!.sort());
  const dynamicInputs = new Map<StorePath, ReadonlyMap<string, DynamicInput>>();
  for (const [path, { children }] of dynamic) dynamicInputs.set(path, freeze(children));
  return {
    inputDrvs,
    dynamicInputs: sortedMap(dynamicInputs),
    inputSrcs: [...srcs].sort(),
  };
}

/** `drvPath` is `!output!` of a `/nix/store/….drv`, or of another such (dynamic derivations). */
function dynamicNode(nodes: Map<StorePath, DynamicNode>, drvPath: string): DynamicNode {
  const chain = derivationChain(drvPath);
  let found = childNode(nodes, chain.drvPath as StorePath);
  for (const output of chain.outputs) found = childNode(found.children, output);
  return found;
}

function childNode<K extends string>(nodes: Map<K, DynamicNode>, key: K): DynamicNode {
  let child = nodes.get(key);
  if (child === undefined) nodes.set(key, (child = { outputs: new Set(), children: new Map() }));
  return child;
}

function freeze(children: ReadonlyMap<string, DynamicNode>): ReadonlyMap<string, DynamicInput> {
  const out = new Map<string, DynamicInput>();
  for (const [name, node] of children) {
    out.set(name, { outputs: [...node.outputs].sort(), children: freeze(node.children) });
  }
  return sortedMap(out);
}
