// What evaluation does with the store on its own: copying paths, building contexts.
import { EvalError, ImportFromDerivationError } from '../util/errors.ts';
import { downstreamPlaceholder } from '../store/placeholder.ts';
import type { StorePath } from '../store/store.ts';
import { derivationChain, parseContextElement, type ContextBuilder } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import type { EvalIo } from './io.ts';

/** A path as a store object, as interpolation makes it: symlinks are followed in the ancestors only. */
export function copyPathToStore(io: EvalIo, path: string): string {
  if (path.endsWith('.drv')) throw new EvalError("file names are not allowed to end in '.drv'");
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const parent = io.realPath(slash <= 0 ? '/' : path.slice(0, slash));
  return io.addPath(parent === '/' ? `/${name}` : `${parent}/${name}`, { name, method: 'nar' });
}

/**
 * Makes sure that everything in a context exists, building outputs where it must (import from derivation).
 * @returns `text` with the paths of outputs that only building has told
 * @throws ImportFromDerivationError where allow-import-from-derivation is off; StoreError, BuildError
 */
export function realiseContext(ev: Evaluator, context: ContextBuilder, text: string): string {
  const wanted = new Map<string, string[]>();
  for (const encoded of context.get() ?? []) {
    const element = parseContextElement(encoded);
    if (element.kind === 'opaque') ev.io.ensurePath(element.path);
    else if (element.kind === 'drvDeep') ev.io.ensurePath(element.drvPath);
    else {
      const outputs = wanted.get(element.drvPath);
      if (outputs === undefined) wanted.set(element.drvPath, [element.output]);
      else outputs.push(element.output);
    }
  }
  const [first] = wanted;
  if (first === undefined) return text;
  const what = `${first[0]}^${first[1].join(',')}`;
  if (!ev.settings.allowImportFromDerivation) {
    throw new ImportFromDerivationError(
      `cannot build '${what}' during evaluation because the option 'allow-import-from-derivation' is disabled`,
    );
  }
  if (ev.settings.traceImportFromDerivation === true) {
    ev.io.log(`warning: built '${what}' during evaluation due to an import from derivation`);
  }
  const made = ev.io.realise(Array.from(wanted, ([drvPath, outputs]) => ({ drvPath, outputs })));
  if (!ev.settings.experimentalFeatures.has('ca-derivations')) return text;
  let rewritten = text;
  for (const { drvPath, output, path } of made) {
    const chain = derivationChain(drvPath);
    const placeholder = downstreamPlaceholder(chain.drvPath as StorePath, [...chain.outputs, output]);
    rewritten = rewritten.replaceAll(placeholder, path);
  }
  return rewritten;
}
