// User environments: what `nix-env` installs into. A tree of links to packages, and a manifest that says which they are;
// a profile leads to the current one. Whatever happens on the way, the profile leads to the old one or to the new one.
import { existsSync, realpathSync } from 'node:fs';
import type { BuildTarget } from '../../build/realise-options.ts';
import { Attrs, AttrsBuilder } from '../../eval/attrs.ts';
import { printAmbiguous } from '../../eval/print-ambiguous.ts';
import { ContextString, type Slot } from '../../eval/value.ts';
import { followLinksToStore } from '../../store/follow-links.ts';
import { createGeneration, profileToken, switchLink, withProfileLock } from '../../store/profiles.ts';
import { resolveInStore } from '../../store/resolve-in-store.ts';
import type { StorePath } from '../../store/store.ts';
import { fromUtf8, fsPath, utf8 } from '../../util/bytes.ts';
import { EvalError, StoreError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import { sandboxShell } from '../commands/build.ts';
import { drvPathOf } from '../derivations.ts';
import { say } from '../output.ts';
import { realiseTargets } from '../realise-targets.ts';
import type { Session } from '../session.ts';
import { findPackages } from './find-packages.ts';
import type { PackageInfo } from './package-info.ts';

/** Where a file of a profile is: for evaluation, and on this machine. */
interface ProfileFile {
  readonly path: string;
  readonly real: string;
}

/** Undefined where it is not there. Links in a store that lies elsewhere are followed by their logical names. */
export function profileFile(session: Session, profile: string, name: string): ProfileFile | undefined {
  const { store } = session;
  let inStore: string | undefined;
  try {
    inStore = resolveInStore(store, `${followLinksToStore(store, profile, utf8(process.cwd()))}/${name}`);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
  if (inStore !== undefined) return { path: inStore, real: store.realPath(inStore) };
  const path = `${profile}/${name}`;
  if (!existsSync(fsPath(path))) return undefined;
  const real = utf8(realpathSync(fromUtf8(path)));
  return { path: real, real };
}

/** What a profile has; nothing where there is none. @throws EvalError for one of `nix profile` */
export function installedPackages(session: Session, profile: string): PackageInfo[] {
  if (profileFile(session, profile, 'manifest.json') !== undefined) {
    throw new EvalError(`profile "${profile}" is incompatible with 'nix-env'; please use 'nix profile' instead`);
  }
  const manifest = profileFile(session, profile, 'manifest.nix');
  if (manifest === undefined) return [];
  const { evaluator: ev } = session;
  session.io.allowPath?.(manifest.path);
  const calls = { args: new AttrsBuilder().build() };
  return findPackages(ev, ev.evalFile(manifest.path), '', { calls, ignoreAssertions: false });
}

/** Builds or fetches. @throws BuildFailure @returns paths by name of the output; null for a dry run */
export async function realiseFor(
  session: Session,
  targets: readonly BuildTarget[],
  { announce = false, dryRun = false } = {},
): Promise<ReadonlyMap<string, StorePath>[] | null> {
  const { config, flags, store } = session;
  const logs = !flags.has('no-build-output') && !flags.has('quiet');
  session.flush();
  return await realiseTargets(targets, {
    config,
    store,
    logs,
    plainLogs: true,
    announce,
    quiet: flags.has('quiet'),
    dryRun,
    check: false,
    repair: flags.has('repair'),
    substitute: session.usesEmbeddedPackages ? 'named' : 'any',
    shell: () => sandboxShell(session, logs),
  });
}

/** All outputs of its derivation, or what it is. */
export function targetOf(one: PackageInfo): BuildTarget {
  const { drvPath } = one;
  if (drvPath === null) return { kind: 'path', path: one.outPath };
  return { kind: 'derivation', drvPath, outputs: 'all' };
}

const sName = intern('name');
const sSystem = intern('system');
const sOutPath = intern('outPath');
const sDrvPath = intern('drvPath');
const sMeta = intern('meta');
const sOutputs = intern('outputs');
const sType = intern('type');
const sActive = intern('active');
const sPriority = intern('priority');

interface Element {
  readonly value: Attrs;
  readonly meta: Attrs;
  readonly outputs: readonly StorePath[];
  readonly references: readonly StorePath[];
}

/** What the manifest says of a package. @throws EvalError */
function elementOf(one: PackageInfo, keepDerivations: boolean): Element {
  const drvPath = keepDerivations ? one.drvPath : null;
  const outputs = one.outputsToInstall();
  const meta = new AttrsBuilder();
  for (const name of one.metaNames()) {
    const value = one.metaValue(name);
    if (value !== undefined) meta.set(intern(name), value);
  }
  const element = new AttrsBuilder().set(sType, 'derivation').set(sName, one.name);
  const { system } = one;
  if (system !== '') element.set(sSystem, system);
  element.set(sOutPath, one.outPath);
  if (drvPath !== null) element.set(sDrvPath, drvPath);
  for (const [name, path] of outputs) element.set(intern(name), Attrs.single(sOutPath, path, 0));
  element.set(sOutputs, [...outputs.keys()]);
  const builtMeta = meta.build();
  element.set(sMeta, builtMeta);
  return {
    value: element.build(),
    meta: builtMeta,
    outputs: [...outputs.values()],
    references: [...outputs.values(), ...(drvPath === null ? [] : [drvPath])],
  };
}

/** Priority of a package that says none. */
const DEFAULT_PRIORITY = 5;

/** What is called with the manifest, and for each package its state, priority and outputs. */
const ENVIRONMENT = `{ manifest, derivations }: derivation {
  name = "user-environment";
  system = "builtin";
  builder = "builtin:buildenv";
  inherit manifest derivations;
  preferLocalBuild = true;
  allowSubstitutes = false;
}`;

/**
 * Builds the environment of packages and lets the profile lead to it.
 * @param token what the profile was when they were decided on
 * @returns false where somebody else changed the profile in the meantime: decide again
 * @throws BuildFailure, EvalError, StoreError
 */
export async function createUserEnv(
  session: Session,
  packages: readonly PackageInfo[],
  profile: string,
  token: string,
): Promise<boolean> {
  const { evaluator: ev, store, config } = session;
  const toBuild = packages.filter(({ drvPath }) => drvPath !== null).map(targetOf);
  if (toBuild.length > 0) await realiseFor(session, toBuild);

  const keepDerivations = config.bool('keep-env-derivations');
  const elements = packages.map((one) => elementOf(one, keepDerivations));
  const outputs = [...new Set(elements.flatMap((element) => element.outputs))];
  for (const path of outputs) store.addTempRoot(path);
  const missing = outputs.filter((path) => !store.isValidPath(path));
  if (missing.length > 0) {
    await realiseFor(
      session,
      missing.map((path) => ({ kind: 'path', path })),
    );
  }

  const text = printAmbiguous(
    ev,
    elements.map(({ value }): Slot => value),
    null,
    true,
  );
  const references = [...new Set(elements.flatMap((element) => element.references))].sort();
  const manifest = store.addText('env-manifest.nix', text, references);
  const derivations = elements.map(({ meta, outputs: paths }): Slot => {
    const list: Slot[] = [meta.get(sActive) ?? 'true', meta.get(sPriority) ?? DEFAULT_PRIORITY, paths.length];
    return [...list, ...paths];
  });
  const environment = ev.call(
    ev.evalString(ENVIRONMENT, '/', { kind: 'string' }),
    [
      Attrs.from([
        ['manifest', new ContextString(manifest, [manifest])],
        ['derivations', derivations],
      ]),
    ],
    0,
  );
  const drvPath = session.asStorePath(drvPathOf(ev, ev.expectAttrs(environment, 0, '')));
  const built = await realiseFor(session, [{ kind: 'derivation', drvPath, outputs: ['out'] }]);
  return switchProfile(session, profile, built![0]!.get('out')!, token);
}

/** @returns false where the profile is not what `token` says */
function switchProfile(session: Session, profile: string, environment: StorePath, token: string): boolean {
  return withProfileLock(profile, say, () => {
    if (profileToken(profile) !== token) {
      say(`profile "${profile}" changed while we were busy; restarting`);
      return false;
    }
    switchLink(profile, createGeneration(session.store, profile, environment));
    return true;
  });
}
