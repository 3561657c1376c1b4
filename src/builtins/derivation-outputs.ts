// Which outputs a derivation has, and their paths where they are known.
import type { Evaluator } from '../eval/evaluator.ts';
import type { Derivation, DerivationOutput } from '../store/derivation.ts';
import type { PrintedParts } from '../store/hash-modulo.ts';
import { parseHashAllowEmpty } from '../store/hash.ts';
import { outputPlaceholder } from '../store/placeholder.ts';
import { makeFixedOutputPath } from '../store/store-path.ts';
import { EvalError } from '../util/errors.ts';
import type { DerivationDraft } from './derivation.ts';
import type { DerivationStore } from './derivation-store.ts';

/** `drv` has everything but outputs and their variables, which this adds; its variables are the draft's. */
export function decideOutputs(
  ev: Evaluator,
  store: DerivationStore,
  draft: DerivationDraft,
  drv: Derivation,
): { readonly drv: Derivation; readonly printed?: PrintedParts } {
  const names = draft.outputs;
  const onlyOut = names.length === 1 && names[0] === 'out';
  if (draft.name.endsWith('.drv') && !(draft.outputHashMode === 'text' && onlyOut)) {
    throw new EvalError("derivation names are allowed to end in '.drv' only if they produce a single derivation file");
  }
  const outputs = new Map<string, DerivationOutput>();
  const { env } = draft;
  if (draft.outputHash !== null) {
    if (!onlyOut) throw new EvalError('multiple outputs are not supported in fixed-output derivations');
    const warn = (message: string): void => ev.io.log(`warning: ${message}`);
    const { algorithm, digest } = parseHashAllowEmpty(draft.outputHash, draft.outputHashAlgo, warn);
    const method = draft.outputHashMode ?? 'flat';
    const path = makeFixedOutputPath({ name: draft.name, method, algorithm, hash: digest }, ev.io.storeDir);
    outputs.set('out', { kind: 'fixed', path, method, algorithm, hash: digest });
    env.set('out', path);
    return { drv: { ...drv, outputs, env } };
  }
  if (draft.contentAddressed || draft.impure) {
    if (draft.contentAddressed && draft.impure) {
      throw new EvalError('derivation cannot be both content-addressed and impure');
    }
    const method = draft.outputHashMode ?? 'nar';
    const algorithm = draft.outputHashAlgo ?? 'sha256';
    for (const name of names) {
      env.set(name, outputPlaceholder(name));
      outputs.set(name, { kind: draft.impure ? 'impure' : 'floating', method, algorithm });
    }
    return { drv: { ...drv, outputs, env } };
  }
  for (const name of names) {
    env.set(name, '');
    outputs.set(name, { kind: 'deferred' });
  }
  return store.hashes.fillOutputPaths({ ...drv, outputs, env });
}
