// Operations of `nix-env` that make another user environment: --install, --upgrade, --uninstall, --set-flag, --set.
import { compareVersions } from '../../../builtins/versions.ts';
import { followLinksToStorePath } from '../../../store/follow-links.ts';
import { createGeneration, profileToken, switchLink } from '../../../store/profiles.ts';
import { utf8 } from '../../../util/bytes.ts';
import { parseDrvName } from '../../../util/drv-name.ts';
import { EvalError, UsageError } from '../../../util/errors.ts';
import { say } from '../../output.ts';
import { withFrame, type PackageInfo } from '../../user-env/package-info.ts';
import { comparePriorities, Selector } from '../../user-env/selectors.ts';
import { createUserEnv, installedPackages, realiseFor, targetOf } from '../../user-env/user-env.ts';
import { packagesFrom, type InstallSource, type NixEnvContext } from './context.ts';
import { prebuiltOf } from './prebuilt.ts';

const unknownFlag = (name: string): UsageError => new UsageError(`unknown flag '${name}'`);

/** Takes the flags that say where packages come from. @param other gets the rest; false: it does not know the flag */
function readFlags(
  { flags }: NixEnvContext,
  other: (name: string, args: readonly string[]) => boolean = () => false,
): InstallSource {
  let source: InstallSource = { kind: 'names' };
  for (const [name, ...args] of flags) {
    if (name === '--from-expression' || name === '-E') source = { kind: 'expressions' };
    else if (name === '--attr' || name === '-A') source = { kind: 'attributes' };
    else if (name === '--from-profile') source = { kind: 'profile', profile: args[0]! };
    else if (!other(name, args)) throw unknownFlag(name);
  }
  return source;
}

/** Says what will be built or fetched. */
async function sayMissing({ session }: NixEnvContext, packages: readonly PackageInfo[]): Promise<void> {
  if (packages.length === 0) return;
  await realiseFor(session, packages.map(targetOf), { announce: true, dryRun: true });
}

/** Decides on packages and makes their environment, again where somebody else was quicker. */
async function change(
  { session, profile, dryRun }: NixEnvContext,
  decide: () => Promise<PackageInfo[]> | PackageInfo[],
): Promise<void> {
  for (;;) {
    const token = profileToken(profile);
    const packages = await decide();
    if (dryRun || (await createUserEnv(session, packages, profile, token))) return;
  }
}

export async function install(context: NixEnvContext): Promise<void> {
  const { session, profile, info } = context;
  let [preserve, removeAll] = [false, false];
  let priority: string | undefined;
  const source = readFlags(context, (name, [value]) => {
    if (name === '--preserve-installed' || name === '-P') preserve = true;
    else if (name === '--remove-all' || name === '-r') removeAll = true;
    else if (name === '--priority') {
      if (!/^-?\d{1,9}$/.test(value!)) throw new UsageError("'--priority' requires an integer argument");
      priority = value!;
    } else return false;
    return true;
  });
  let added = packagesFrom(context, source, true);
  if (context.prebuiltOnly) added = await prebuiltOf(session, added);
  for (const one of added) {
    if (context.forceName !== '') one.name = context.forceName;
    if (priority !== undefined) one.setMeta('priority', String(Number(priority)));
  }
  const names = new Set(added.map(({ name }) => parseDrvName(name).name));
  await change(context, async () => {
    const kept: PackageInfo[] = [];
    if (!removeAll) {
      for (const one of installedPackages(session, profile)) {
        const replaced = !preserve && names.has(parseDrvName(one.name).name) && !one.metaBool('keep', false);
        if (replaced) info(`replacing old '${one.name}'`);
        else kept.push(one);
      }
      for (const one of added) info(`installing '${one.name}'`);
    }
    await sayMissing(context, added);
    return [...added, ...kept];
  });
}

/** Which versions an upgrade may take, by how the installed one compares to them. */
const UPGRADES: Readonly<Record<string, (comparison: number) => boolean>> = {
  '--lt': (comparison) => comparison < 0,
  '--leq': (comparison) => comparison <= 0,
  '--eq': (comparison) => comparison === 0,
  '--always': () => true,
};

export async function upgrade(context: NixEnvContext): Promise<void> {
  const { session, profile, info } = context;
  let mayTake = UPGRADES['--lt']!;
  const source = readFlags(context, (name) => {
    const chosen = UPGRADES[name];
    if (chosen !== undefined) mayTake = chosen;
    return chosen !== undefined;
  });
  await change(context, async () => {
    const installed = installedPackages(session, profile);
    let available = packagesFrom(context, source, false);
    if (context.prebuiltOnly) available = await prebuiltOf(session, available);
    const next = installed.map((one) =>
      withFrame(
        () => `while trying to find an upgrade for '${one.name}'`,
        () => {
          if (one.metaBool('keep', false)) return one;
          const best = bestUpgrade(one, available, mayTake);
          if (best === undefined || one.outPath === best.outPath) return one;
          const older = compareVersions(parseDrvName(one.name).version, parseDrvName(best.name).version) <= 0;
          info(`${older ? 'upgrading' : 'downgrading'} '${one.name}' to '${best.name}'`);
          return best;
        },
      ),
    );
    await sayMissing(context, next);
    return next;
  });
}

/** The one of best priority, of the highest version; the first of those. */
function bestUpgrade(
  one: PackageInfo,
  available: readonly PackageInfo[],
  mayTake: (comparison: number) => boolean,
): PackageInfo | undefined {
  const { name, version } = parseDrvName(one.name);
  let best: PackageInfo | undefined;
  for (const other of available) {
    const offered = parseDrvName(other.name);
    if (comparePriorities(one, other) > 0 || offered.name !== name) continue;
    if (!mayTake(compareVersions(version, offered.version))) continue;
    const better =
      best === undefined ||
      (comparePriorities(best, other) || compareVersions(parseDrvName(best.name).version, offered.version)) < 0;
    if (better) best = other;
  }
  return best;
}

/** As C++ does it: what is kept does not stay in order, and the manifest shows it. */
function partition<T>(items: readonly T[], keep: (item: T) => boolean): { kept: T[]; removed: T[] } {
  const all = [...items];
  let first = 0;
  let last = all.length;
  for (;;) {
    while (first < last && keep(all[first]!)) first++;
    if (first === last) break;
    last--;
    while (first < last && !keep(all[last]!)) last--;
    if (first === last) break;
    [all[first], all[last]] = [all[last]!, all[first]!];
    first++;
  }
  return { kept: all.slice(0, first), removed: all.slice(first) };
}

export async function uninstall(context: NixEnvContext): Promise<void> {
  const { session, profile, info, args, flags } = context;
  if (flags.length > 0) throw unknownFlag(flags[0]![0]);
  await change(context, () => {
    let left = installedPackages(session, profile);
    for (const word of args) {
      const path = word.includes('/') ? followLinksToStorePath(session.store, word, utf8(process.cwd())) : undefined;
      const selector = new Selector(word);
      const { kept, removed } = partition(left, (one) =>
        path === undefined ? !selector.matches(one.name) : one.outPath !== path,
      );
      if (removed.length === 0) say(`warning: selector '${word}' matched no installed derivations`);
      for (const one of removed) info(`uninstalling '${one.name}'`);
      left = kept;
    }
    return left;
  });
}

export async function setFlag(context: NixEnvContext): Promise<void> {
  const { session, profile, info, args, flags } = context;
  if (flags.length > 0) throw unknownFlag(flags[0]![0]);
  if (args.length < 2) throw new UsageError("not enough arguments to '--set-flag'");
  const [name, value, ...words] = args as [string, string, ...string[]];
  const selectors = words.map((word) => new Selector(word));
  await change({ ...context, dryRun: false }, () => {
    const installed = installedPackages(session, profile);
    for (const one of installed) {
      const selector = selectors.find((candidate) => candidate.matches(one.name));
      if (selector === undefined) continue;
      info(`setting flag on '${one.name}'`);
      selector.hits++;
      one.setMeta(name, value);
    }
    const unused = selectors.find(({ isUnused }) => isUnused);
    if (unused !== undefined) throw new EvalError(`selector '${unused.fullName}' matches no derivations`);
    return installed;
  });
}

/** The profile becomes the one package, without an environment. */
export async function set(context: NixEnvContext): Promise<void> {
  const { session, profile, dryRun, forceName } = context;
  if (session.store.realStoreDir === undefined) throw new EvalError('--set is not supported for this Nix store');
  const [one, ...others] = packagesFrom(context, readFlags(context), true);
  if (one === undefined || others.length > 0) throw new EvalError('--set requires exactly one derivation');
  if (forceName !== '') one.name = forceName;
  await realiseFor(session, [targetOf(one)], { announce: true, dryRun });
  if (!dryRun) switchLink(profile, createGeneration(session.store, profile, one.outPath));
}
