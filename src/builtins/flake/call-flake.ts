// From a locked flake to the value that it is, and builtins.getFlake.
import { Attrs, AttrsBuilder } from '../../eval/attrs.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { callFlakeSource } from '../../eval/internal-files.ts';
import { printPosition } from '../../eval/print-position.ts';
import { makeString, PathValue, type BuiltinRecord, type Slot, type Value } from '../../eval/value.ts';
import { splitStorePath } from '../../store/store-path.ts';
import { EvalError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import { requireFeature } from '../features.ts';
import { fetchInput } from '../fetch-input.ts';
import { fetchTree, treeAttrs } from '../fetch-tree.ts';
import { parseFlakeRef } from '../flake-ref/flake-ref.ts';
import { resolveInRegistries } from '../flake-ref/registry.ts';
import { isLocked } from '../flake-ref/schemes.ts';
import { realisePath } from '../path-argument.ts';
import { isNode, printLockFile } from './lock-file.ts';
import { lockFlakeDir, lockFlakeRef, type LockedFlake, type LockOptions } from './lock-flake.ts';

const callers = new WeakMap<Evaluator, Value>();

/** The flake as a set: its outputs, `inputs`, `sourceInfo` … Inputs that nobody asks for are not fetched. */
export function callFlake(ev: Evaluator, locked: LockedFlake): Value {
  const { flake, root, places, isChanged } = locked;
  const { text, keys } = printLockFile(root);
  const known = new AttrsBuilder();
  for (const [node, place] of places) {
    const key = keys.get(node);
    if (key === undefined) continue;
    const { storePath, rest } = splitStorePath(place, ev.io.storeDir);
    const { input } = isNode(node) ? node.locked : flake.locked;
    const sourceInfo = treeAttrs(storePath, input, { isChanged: node === root && isChanged }).build();
    known.set(
      intern(key),
      Attrs.from([
        ['sourceInfo', sourceInfo],
        ['dir', rest.replace(/^\//, '')],
      ]),
    );
  }
  let caller = callers.get(ev);
  if (caller === undefined) {
    caller = ev.evalString(callFlakeSource, '/', { kind: 'internal', name: 'call-flake.nix' });
    callers.set(ev, caller);
  }
  return ev.call(caller, [text, known.build(), ev.internalBuiltins.get('fetchFinalTree')!], 0);
}

function getFlake(ev: Evaluator, argument: Slot): Value {
  const { pureEval, fetch } = ev.settings;
  const options: LockOptions = {
    allowUnlocked: !pureEval,
    useRegistries: !pureEval && fetch.useRegistries,
  };
  const value = ev.force(argument);
  if (value instanceof PathValue) return callFlake(ev, lockFlakeDir(ev, realisePath(ev, value), options));
  const text = ev.expectStringNoContext(value, 0, 'while evaluating the argument passed to builtins.getFlake');
  const ref = parseFlakeRef(text);
  if (pureEval && !isLocked(ref.input, fetch.trustArchives)) {
    throw new EvalError(
      `cannot call 'getFlake' on unlocked flake reference '${text}', at ${printPosition(ev.positions, 0)} (use --impure to override)`,
    );
  }
  return callFlake(ev, lockFlakeRef(ev, ref, options));
}

export const flakeBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'getFlake',
    args: ['args'],
    feature: 'flakes',
    doc:
      'The flake that a flake reference (a string) or a path in the store means: a set of its outputs, `inputs`, ' +
      '`outputs`, `sourceInfo`, `outPath` and what is known of the tree. Inputs are fetched when they are needed; a lock ' +
      'file that is missing or out of date is made up, but not written. In pure evaluation the reference must be locked.',
    impl: (ev, _pos, args) => getFlake(ev, args),
  },
  {
    name: 'flakeTree',
    args: ['reference'],
    internal: true,
    doc: 'The tree that a flake reference means, which need not hold a flake.',
    impl(ev, _pos, reference) {
      requireFeature(ev.settings, 'flakes');
      // As in Nix the whole tree, whatever folder of it the reference names.
      const { input } = parseFlakeRef(ev.expectStringNoContext(reference, 0, ''), { isFlake: false });
      const { storePath } = fetchInput(ev, resolveInRegistries(ev, input, 'all').input);
      return makeString(storePath, [storePath]);
    },
  },
  {
    name: 'fetchFinalTree',
    args: ['input'],
    internal: true,
    doc: 'fetchTree for an input of a lock file: its attributes are all there is to know.',
    impl: (ev, _pos, input) => fetchTree(ev, 0, input, true),
  },
];
