// What evaluation does with the store on its own: copying paths, building contexts.
import { EvalError } from '../util/errors.ts';
import { parseContextElement, type ContextBuilder } from './context.ts';
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
 * @throws EvalError where allow-import-from-derivation is off; StoreError, BuildError
 */
export function realiseContext(ev: Evaluator, context: ContextBuilder): void {
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
  if (first === undefined) return;
  if (!ev.settings.allowImportFromDerivation) {
    const what = `${first[0]}^${first[1].join(',')}`;
    throw new EvalError(
      `cannot build '${what}' during evaluation because the option 'allow-import-from-derivation' is disabled`,
    );
  }
  ev.io.realise(Array.from(wanted, ([drvPath, outputs]) => ({ drvPath, outputs })));
}
