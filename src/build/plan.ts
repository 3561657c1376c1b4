// What realising targets would do: --dry-run, and the lists that are shown before a build.
import type { Derivation } from '../store/derivation.ts';
import { KnownOutputs } from '../store/resolve-derivation.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import { derivationOptions } from './derivation-options.ts';
import type { BuildTarget, Substituter } from './realise-options.ts';

export interface RealisationPlan {
  /** Derivations, inputs first. */
  readonly willBuild: readonly StorePath[];
  readonly willSubstitute: readonly StorePath[];
  /** Bytes to fetch, as far as known. */
  readonly downloadSize: number;
  /** Bytes of what is fetched, unpacked. */
  readonly narSize: number;
  /** Neither valid nor to be had. */
  readonly unknown: readonly StorePath[];
}

export async function planRealisation(
  store: BuildStore,
  targets: readonly BuildTarget[],
  substituter?: Substituter,
  given?: ReadonlyMap<StorePath, Derivation>,
): Promise<RealisationPlan> {
  const known = new KnownOutputs(store);
  const willBuild: StorePath[] = [];
  const willSubstitute = new Set<StorePath>();
  const unknown = new Set<StorePath>();
  let downloadSize = 0;
  let narSize = 0;

  const available = async (paths: readonly StorePath[]): Promise<boolean> => {
    const missing = paths.filter((path) => !store.isValidPath(path) && !willSubstitute.has(path));
    if (missing.length === 0) return true;
    if (substituter === undefined) return false;
    const found = await substituter.query(missing);
    if (!missing.every((path) => found.has(path))) return false;
    const closure = new Set(missing);
    for (const path of closure) {
      if (store.isValidPath(path) || willSubstitute.has(path)) continue;
      const info = found.get(path);
      if (info === undefined) {
        unknown.add(path);
        continue;
      }
      willSubstitute.add(path);
      downloadSize += info.downloadSize;
      narSize += info.narSize;
      for (const reference of info.references) closure.add(reference);
    }
    return true;
  };

  // Outputs asked of each derivation so far; a derivation is looked at again when more are asked for.
  const asked = new Map<StorePath, Set<string>>();
  const planned = new Set<StorePath>();
  // An explicit stack: chains of derivations are thousands long. `leave` puts a derivation after its inputs.
  const stack: { readonly drvPath: StorePath; readonly outputs: readonly string[] | 'all'; readonly leave: boolean }[] =
    [];
  for (const target of [...targets].reverse()) {
    if (target.kind === 'derivation') {
      const { through = [] } = target;
      const outputs = through.length === 0 ? target.outputs : through.slice(0, 1);
      stack.push({ drvPath: target.drvPath, outputs, leave: false });
    } else if (!(await available([target.path]))) unknown.add(target.path);
  }
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { drvPath, outputs, leave } = top;
    if (leave) {
      willBuild.push(drvPath);
      continue;
    }
    if (planned.has(drvPath)) continue;
    const told = given?.get(drvPath);
    if (told === undefined && !store.isValidPath(drvPath)) {
      unknown.add(drvPath);
      continue;
    }
    const drv = told ?? store.readDerivation(drvPath);
    const before = asked.get(drvPath) ?? new Set<string>();
    const fresh = [...(outputs === 'all' ? drv.outputs.keys() : outputs)].filter((name) => !before.has(name));
    for (const name of fresh) before.add(name);
    asked.set(drvPath, before);
    const paths = fresh.map((name) => known.path(drvPath, name, drv));
    const certain = paths.filter((path) => path !== undefined);
    const substitutable = substituter !== undefined && derivationOptions(drv, store.storeDir).allowSubstitutes;
    const done =
      certain.length === paths.length &&
      (substitutable ? await available(certain) : certain.every((path) => store.isValidPath(path)));
    if (done) continue;
    planned.add(drvPath);
    stack.push({ drvPath, outputs: [], leave: true });
    for (const path of drv.inputSrcs) if (!(await available([path]))) unknown.add(path);
    for (const [input, wanted] of [...drv.inputDrvs].reverse())
      stack.push({ drvPath: input, outputs: wanted, leave: false });
    // What these derivations will be is known when they are built; here they are outputs like others.
    for (const [input, children] of drv.dynamicInputs ?? [])
      stack.push({ drvPath: input, outputs: [...children.keys()], leave: false });
  }
  return { willBuild, willSubstitute: [...willSubstitute], downloadSize, narSize, unknown: [...unknown] };
}
