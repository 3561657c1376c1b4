// `nix profile`: packages of a user, by name, with the flakes that they came from.
import { resolve } from 'node:path';
import { EnvConflictError } from '../../build/builtin/link-tree.ts';
import type { BuildTarget } from '../../build/realise-options.ts';
import { isLocked } from '../../builtins/flake-ref/schemes.ts';
import { sameFlakeRef, showFlakeRef } from '../../builtins/flake-ref/flake-ref.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { followLinksToStorePath } from '../../store/follow-links.ts';
import { deleteOldGenerations, findGenerations, switchGeneration } from '../../store/profiles.ts';
import { tryParseStorePath } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import { GREEN, NORMAL, RED } from '../../util/excerpt.ts';
import type { Config } from '../config.ts';
import { DerivationFinder, drvPathOf } from '../derivations.ts';
import { FLAKE_FLAGS, flakeAttributes, loadFlakeArgument, preferPure } from '../flake-installable.ts';
import { BUILD_FLAGS, COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { splitOutputs } from '../installable-outputs.ts';
import { STDIN_FLAG, wordsOfStdin } from '../installables.ts';
import { parseOlderThan } from '../legacy/nix-collect-garbage.ts';
import { print, say } from '../output.ts';
import { JSON_FLAGS, printJson } from '../print-json.ts';
import { Session } from '../session.ts';
import { PackageInfo } from '../user-env/package-info.ts';
import { defaultProfile } from '../user-env/profile-dirs.ts';
import {
  changeProfile,
  DEFAULT_PRIORITY,
  elementName,
  identifierOf,
  installablesOf,
  manifestDiff,
  ProfileManifest,
  showOutputs,
  type ElementSource,
  type ProfileElement,
} from '../user-env/profile-manifest.ts';
import { compileRegex } from '../user-env/selectors.ts';
import { realiseFor } from '../user-env/user-env.ts';
import { directTarget } from './build.ts';
import { printClosureDiff } from './diff-closures.ts';
import { outputsWanted, sourcesOf } from './sources.ts';

const PROFILE_FLAG = flag('profile', 'the profile', { args: ['PATH'] });
const DRY_RUN_FLAG = flag('dry-run', 'only say what would be done');
const STORE_FLAG = flag('store', 'the store to use', { args: ['URI'] });
const MATCH_FLAGS: readonly Flag[] = [
  flag('all', 'all packages of the profile'),
  flag('regex', 'packages that a regular expression matches', { args: ['PATTERN'] }),
];

export const ADD_FLAGS: readonly Flag[] = [
  PROFILE_FLAG,
  flag('priority', 'of the package; small ones win', { args: ['PRIORITY'] }),
  flag('expr', 'add what EXPR evaluates to', { short: 'E', args: ['EXPR'] }),
  flag('file', 'add packages of FILE', { short: 'f', args: ['FILE'] }),
  STDIN_FLAG,
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];
export const REMOVE_FLAGS: readonly Flag[] = [PROFILE_FLAG, ...MATCH_FLAGS, ...EVAL_FLAGS, ...COMMON_FLAGS];
export const UPGRADE_FLAGS: readonly Flag[] = [
  PROFILE_FLAG,
  ...MATCH_FLAGS,
  ...EVAL_FLAGS,
  ...FLAKE_FLAGS,
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];
export const LIST_FLAGS: readonly Flag[] = [PROFILE_FLAG, ...JSON_FLAGS, ...EVAL_FLAGS, ...COMMON_FLAGS];
export const HISTORY_FLAGS: readonly Flag[] = [PROFILE_FLAG, ...EVAL_FLAGS, ...COMMON_FLAGS];
export const DIFF_FLAGS: readonly Flag[] = [PROFILE_FLAG, STORE_FLAG, ...COMMON_FLAGS];
export const ROLLBACK_FLAGS: readonly Flag[] = [
  PROFILE_FLAG,
  DRY_RUN_FLAG,
  STORE_FLAG,
  flag('to', 'the version to go to', { args: ['VERSION'] }),
  ...COMMON_FLAGS,
];
export const WIPE_FLAGS: readonly Flag[] = [
  PROFILE_FLAG,
  DRY_RUN_FLAG,
  STORE_FLAG,
  flag('older-than', 'only versions older than so many days (30d)', { args: ['AGE'] }),
  ...COMMON_FLAGS,
];

const warn = (message: string): void => say(`warning: ${message}`);

function profileOf(flags: ParsedFlags, config: Config): string {
  const named = flags.get('profile');
  return named === undefined ? defaultProfile(config) : utf8(resolve(named));
}

async function withSession(
  argv: readonly string[],
  config: Config,
  table: readonly Flag[],
  writes: boolean,
  work: (session: Session, profile: string) => Promise<void> | void,
): Promise<number> {
  config.nixCommand = true; // what it takes are installables
  const flags = parseFlags(argv, table, config);
  // Manifests are files.
  if (table === ADD_FLAGS || table === UPGRADE_FLAGS) preferPure(flags, config);
  const session = new Session({ config, flags, readOnly: !writes, writes });
  try {
    await work(session, profileOf(flags, config));
    return 0;
  } finally {
    await session.close();
  }
}

/** What is to be built for an element, and what is known of it before. */
interface Wanted {
  readonly targets: readonly BuildTarget[];
  readonly source?: ElementSource;
  readonly priority: number;
}

function wantedOf(session: Session, word: string | undefined): Wanted {
  const { evaluator: ev } = session;
  const direct = word === undefined ? undefined : directTarget(session, word);
  if (direct !== undefined) return { targets: [direct.target], priority: DEFAULT_PRIORITY };
  const source = sourcesOf(session, true, word === undefined ? [] : [word])[0]!;
  const calls = session.calls();
  const found = source.flake ? flakeOutput(session, word ?? '.') : undefined;
  const attrPath = source.attrPaths[0] ?? '';
  const slot = found?.value ?? findAlongAttrPath(ev, utf8(attrPath), source.load(), calls).slot;
  const finder = new DerivationFinder(ev, calls);
  finder.collect(slot, utf8(attrPath));
  let priority = DEFAULT_PRIORITY;
  const targets = finder.found.map((drv): BuildTarget => {
    const package_ = new PackageInfo(ev, drv.attrPath, drv.attrs);
    priority = Number(package_.metaInt('priority', DEFAULT_PRIORITY));
    const drvPath = session.asStorePath(drvPathOf(ev, drv.attrs));
    return { kind: 'derivation', drvPath, outputs: outputsWanted(session, source, drv) };
  });
  return { targets, priority, ...(found === undefined ? {} : { source: found.source }) };
}

function flakeOutput(
  session: Session,
  word: string,
): { value: Parameters<DerivationFinder['collect']>[0]; source: ElementSource } {
  const { base, outputs } = splitOutputs(word);
  const { evaluator, flags, config } = session;
  const { value, attrPath, locked } = loadFlakeArgument(evaluator, base, flags, config, flakeAttributes(config.system));
  return { value, source: { original: locked.flake.original, locked: locked.flake.locked, attrPath, outputs } };
}

/** Builds what is wanted: the store paths of each. */
async function realiseAll(session: Session, wanted: readonly Wanted[]): Promise<StorePath[][]> {
  const outputs = await realiseFor(
    session,
    wanted.flatMap(({ targets }) => targets),
    { announce: true },
  );
  let at = 0;
  return wanted.map(({ targets }) => {
    const paths = outputs!.slice(at, (at += targets.length)).flatMap((map) => [...map.values()]);
    return [...new Set(paths)].sort();
  });
}

export function profileAdd(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, ADD_FLAGS, true, async (session, profile) => {
    const { flags } = session;
    const named = flags.get('priority');
    if (named !== undefined && !/^-?\d{1,15}$/.test(named)) {
      throw new UsageError(`'${utf8(named)}' is not an integer`);
    }
    const words = [...flags.positionals, ...wordsOfStdin(flags)];
    const wanted = (words.length === 0 && !flags.has('stdin') ? [undefined] : words).map((word) =>
      wantedOf(session, word),
    );
    const paths = await realiseAll(session, wanted);
    const added = wanted.map(({ source, priority }, i): ProfileElement => ({
      storePaths: paths[i]!,
      active: true,
      priority: named === undefined ? priority : Number(named),
      ...(source === undefined ? {} : { source }),
    }));
    let last: ProfileManifest | undefined;
    try {
      changeProfile(session, profile, (manifest) => {
        last = manifest;
        for (const element of added) addElement(manifest, element);
        return manifest;
      });
    } catch (error) {
      if (error instanceof EnvConflictError && last !== undefined) throw explainConflict(error, last);
      throw error;
    }
  });
}

function addElement(manifest: ProfileManifest, element: ProfileElement): void {
  const name = elementName(element);
  const existing = manifest.get(name);
  const [old, now] = [existing?.source, element.source];
  if (
    existing !== undefined &&
    old !== undefined &&
    now !== undefined &&
    existing.priority === element.priority &&
    sameFlakeRef(old.original, now.original) &&
    old.attrPath === now.attrPath
  ) {
    warn(`'${name}' is already added`);
    return;
  }
  manifest.add(element, name);
}

/** Which elements are in each other's way, and what to do about it. */
function explainConflict(error: EnvConflictError, manifest: ProfileManifest): Error {
  const { fileA, fileB, priority } = error;
  const find = (
    elements: readonly (readonly [string, ProfileElement])[],
  ): { file: string; name: string; refs: readonly string[] } | undefined => {
    for (const [name, element] of elements) {
      for (const path of element.storePaths) {
        const file = [fileA, fileB].find((candidate) => candidate.startsWith(path));
        if (file !== undefined) return { file, name, refs: installablesOf(element) };
      }
    }
    return undefined;
  };
  const [old, added] = [find(manifest.elements), find(manifest.elements.toReversed())];
  if (old === undefined || added === undefined) return error;
  const command = `  nix profile add ${added.refs.join(' ')} --priority`;
  return new EvalError(
    `An existing package already provides the following file:\n\n  "${old.file}"\n\n` +
      `This is the conflicting file from the new package:\n\n  "${added.file}"\n\n` +
      `To remove the existing package:\n\n  nix profile remove ${old.name}\n\n` +
      'The new package can also be added next to the existing one by assigning a different priority.\n' +
      `The conflicting packages have a priority of ${String(priority)}.\n` +
      `To prioritise the new package:\n\n${command} ${String(priority - 1)}\n\n` +
      `To prioritise the existing package:\n\n${command} ${String(priority + 1)}`,
  );
}

interface Matcher {
  readonly title: string;
  readonly matches: (name: string, element: ProfileElement) => boolean;
}

function matchersOf({ flags, store }: Session): Matcher[] {
  const matchers: Matcher[] = [];
  if (flags.has('all')) matchers.push({ title: '--all', matches: () => true });
  for (const pattern of flags.list('regex').map(utf8)) {
    const regex = compileRegex(pattern.toLowerCase());
    matchers.push({
      title: `Regex '${pattern}'`,
      matches: (_, element) => regex.match(identifierOf(element).toLowerCase()) !== null,
    });
  }
  for (const word of flags.positionals.map(utf8)) {
    if (/^\d+$/.test(word)) throw new EvalError(`'nix profile' no longer supports indices ('${word}')`);
    const path = tryParseStorePath(word, store.storeDir);
    matchers.push(
      path === undefined
        ? { title: `Package name '${word}'`, matches: (name) => name === word }
        : {
            title: `Store path '${word.slice(store.storeDir.length + 1)}'`,
            matches: (_, { storePaths }) => storePaths.includes(path),
          },
    );
  }
  if (matchers.length === 0) throw new UsageError('No packages specified.');
  if (flags.has('all') && matchers.length > 1) {
    throw new UsageError('--all cannot be used with package names or regular expressions.');
  }
  return matchers;
}

/** Names in order. */
function matchingNames(manifest: ProfileManifest, matchers: readonly Matcher[]): Set<string> {
  const { elements } = manifest;
  if (elements.length === 0) {
    warn('There are no packages in the profile.');
    return new Set();
  }
  const found = new Set<string>();
  for (const { title, matches } of matchers) {
    const names = elements.filter(([name, element]) => matches(name, element)).map(([name]) => name);
    for (const name of names) found.add(name);
    if (names.length === 0) warn(`${title} does not match any packages in the profile.`);
  }
  return new Set([...found].sort());
}

export function profileRemove(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, REMOVE_FLAGS, true, (session, profile) => {
    const matchers = matchersOf(session);
    changeProfile(session, profile, (manifest) => {
      const names = matchingNames(manifest, matchers);
      if (names.size === 0) {
        warn("No packages to remove. Use 'nix profile list' to see the current profile.");
        return undefined;
      }
      for (const name of names) say(`removing '${identifierOf(manifest.get(name)!)}'`);
      const next = manifest.without(names);
      if (!session.flags.has('quiet')) {
        say(`removed ${String(names.size)} packages, kept ${String(next.elements.length)} packages`);
      }
      return next;
    });
  });
}

export function profileUpgrade(argv: readonly string[], config: Config): Promise<number> {
  config.setByFlag('tarball-ttl', '0');
  return withSession(argv, config, UPGRADE_FLAGS, true, async (session, profile) => {
    const { flags, settings } = session;
    const matchers = matchersOf(session);
    const manifest = ProfileManifest.read(session, profile);
    const names = matchingNames(manifest, matchers);
    if (names.size === 0) {
      warn("No packages to upgrade. Use 'nix profile list' to see the current profile.");
      return;
    }
    const upgrades: { name: string; wanted: Wanted }[] = [];
    let upgradable = 0;
    for (const name of names) {
      const element = manifest.get(name)!;
      const { source } = element;
      if (source === undefined) {
        warn(
          `Found package '${identifierOf(element)}', but it was not added from a flake, so it can't be checked for upgrades!`,
        );
        continue;
      }
      if (isLocked(source.original.input, settings.fetch.trustArchives)) {
        warn(
          `Found package '${identifierOf(element)}', but it was added from a locked flake reference so it can't be upgraded!`,
        );
        continue;
      }
      upgradable++;
      // The dot: this attribute, and no other.
      const word = `${showFlakeRef(source.original)}#.${source.attrPath}${showOutputs(source.outputs)}`;
      const wanted = wantedOf(session, fromUtf8(word));
      const { locked } = wanted.source!;
      if (isLocked(locked.input, settings.fetch.trustArchives) && sameFlakeRef(source.locked, locked)) continue;
      if (!flags.has('quiet')) {
        say(`upgrading '${source.attrPath}' from flake '${showFlakeRef(source.locked)}' to '${showFlakeRef(locked)}'`);
      }
      upgrades.push({ name, wanted });
    }
    if (upgradable === 0) {
      warn('Found some packages but none of them could be upgraded.');
      return;
    }
    if (flags.has('dry-run')) return;
    const paths = await realiseAll(
      session,
      upgrades.map(({ wanted }) => wanted),
    );
    changeProfile(session, profile, (current) => {
      let next = current;
      upgrades.forEach(({ name, wanted }, i) => {
        const old = current.get(name);
        if (old !== undefined) next = next.with(name, { ...old, source: wanted.source!, storePaths: paths[i]! });
      });
      return next;
    });
  });
}

const BOLD = '\x1b[1m';

export function profileList(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, LIST_FLAGS, false, (session, profile) => {
    const manifest = ProfileManifest.read(session, profile);
    if (session.flags.has('json')) {
      printJson(manifest.toJson(), session.flags);
      return;
    }
    manifest.elements.forEach(([name, { active, source, storePaths }], i) => {
      if (i > 0) print('\n');
      // Nix quirk: styled, wherever the output goes.
      print(`Name:               ${BOLD}${name}${NORMAL}${active ? '' : ` ${RED}(inactive)${NORMAL}`}\n`);
      if (source !== undefined) {
        print(`Flake attribute:    ${source.attrPath}${showOutputs(source.outputs)}\n`);
        print(`Original flake URL: ${showFlakeRef(source.original)}\n`);
        print(`Locked flake URL:   ${showFlakeRef(source.locked)}\n`);
      }
      print(`Store paths:        ${storePaths.join(' ')}\n`);
    });
  });
}

export function profileHistory(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, HISTORY_FLAGS, false, (session, profile) => {
    const { generations, current } = findGenerations(profile);
    let before: { readonly number: number; readonly manifest: ProfileManifest } | undefined;
    for (const { number, path, creationTime } of generations) {
      const manifest = ProfileManifest.read(session, path);
      if (before !== undefined) print('\n');
      const date = new Date(creationTime * 1000).toISOString().slice(0, 10);
      const from = before === undefined ? '' : ` <- ${String(before.number)}`;
      print(`Version ${number === current ? GREEN : BOLD}${String(number)}${NORMAL} (${date})${from}:\n`);
      for (const line of manifestDiff(before?.manifest ?? new ProfileManifest(), manifest)) print(`  ${line}\n`);
      before = { number, manifest };
    }
  });
}

export function profileDiffClosures(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, DIFF_FLAGS, false, (session, profile) => {
    const { store } = session;
    const { generations } = findGenerations(profile);
    const at = (path: string): StorePath => followLinksToStorePath(store, path, utf8(process.cwd()));
    generations.slice(1).forEach(({ number, path }, i) => {
      const before = generations[i]!;
      if (i > 0) print('\n');
      print(`Version ${String(before.number)} -> ${String(number)}:\n`);
      printClosureDiff(store, at(before.path), at(path), '  ');
    });
  });
}

export function profileRollback(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, ROLLBACK_FLAGS, false, ({ flags }, profile) => {
    const to = flags.get('to');
    if (to !== undefined && !/^\d{1,15}$/.test(to)) throw new UsageError(`'${utf8(to)}' is not an integer`);
    switchGeneration(profile, to === undefined ? undefined : Number(to), { dryRun: flags.has('dry-run'), log: say });
  });
}

export function profileWipeHistory(argv: readonly string[], config: Config): Promise<number> {
  return withSession(argv, config, WIPE_FLAGS, false, ({ flags }, profile) => {
    const age = flags.get('older-than');
    const olderThan = age === undefined ? undefined : parseOlderThan(utf8(age), Math.floor(Date.now() / 1000));
    const options = { dryRun: flags.has('dry-run'), log: say };
    deleteOldGenerations(profile, { ...options, ...(olderThan === undefined ? {} : { olderThan }) });
  });
}
