// The page that shows a profile: one file with everything in it, made of lib/pages/profile.html and the data.
import type { ObservedEvaluator } from '../../eval/observed-evaluator.ts';
import { fillPage } from '../../util/page-template.ts';
import type { CallStack } from './call-stack.ts';
import { FunctionTable } from './formats.ts';

/** Parts of a stack that took less than this share of the time are left out of the flame graph. */
const MIN_SHARE = 0.0002;

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

export function profilePage(stack: CallStack, ev: ObservedEvaluator): string {
  const table = new FunctionTable(ev.positions);
  const functions = [...stack.costs.values()].map((cost) => ({
    fn: table.numberOf({ callee: cost.callee, callPos: cost.callPos, drvName: undefined }),
    calls: cost.calls,
    selfMs: rounded(cost.selfMs),
    totalMs: rounded(cost.totalMs),
    selfValues: cost.selfValues,
    totalValues: cost.totalValues,
  }));
  const { counts } = ev;
  const data = {
    tree: flameTree(stack, table),
    names: table.names,
    functions,
    samples: stack.samples.length,
    counts: {
      'function calls': counts.functionCalls,
      'builtin calls': counts.primopCalls,
      thunks: counts.thunks,
      environments: counts.envs,
      sets: counts.sets,
      attributes: counts.setElements,
      'list elements': counts.listElements,
      'set updates': counts.updates,
      'values copied by updates': counts.updatedValues,
      'attribute lookups': counts.lookups,
    },
  };
  return fillPage('profile', data);
}

interface FlameNodes {
  readonly parent: number[];
  readonly fn: number[];
  readonly ms: number[];
  readonly bytes: number[];
}

/** Nodes, parents first, with all that is below them counted; frames of one function called by one are one. */
function flameTree(stack: CallStack, table: FunctionTable): FlameNodes {
  const merged: FlameNodes = { parent: [-1], fn: [-1], ms: [0], bytes: [0] };
  const places = new Map<string, number>();
  const to: number[] = [0];
  // A node is always younger than its parent.
  for (let node = 1; node < stack.parents.length; node++) {
    const parent = to[stack.parents[node]!]!;
    const fn = table.numberOf(stack.frames[node]!);
    const key = `${parent} ${fn}`;
    let place = places.get(key);
    if (place === undefined) {
      place = merged.parent.push(parent) - 1;
      merged.fn.push(fn);
      merged.ms.push(0);
      merged.bytes.push(0);
      places.set(key, place);
    }
    to[node] = place;
  }
  for (const { node, ms, bytes } of stack.samples) {
    merged.ms[to[node]!]! += ms;
    merged.bytes[to[node]!]! += bytes;
  }
  for (let i = merged.parent.length - 1; i > 0; i--) {
    merged.ms[merged.parent[i]!]! += merged.ms[i]!;
    merged.bytes[merged.parent[i]!]! += merged.bytes[i]!;
  }
  const kept: FlameNodes = { parent: [], fn: [], ms: [], bytes: [] };
  const numbers: number[] = [];
  merged.parent.forEach((parent, i) => {
    const shown = i === 0 || (numbers[parent]! >= 0 && merged.ms[i]! >= merged.ms[0]! * MIN_SHARE);
    numbers.push(shown ? kept.parent.push(i === 0 ? -1 : numbers[parent]!) - 1 : -1);
    if (!shown) return;
    kept.fn.push(merged.fn[i]!);
    kept.ms.push(rounded(merged.ms[i]!));
    kept.bytes.push(merged.bytes[i]!);
  });
  return kept;
}
