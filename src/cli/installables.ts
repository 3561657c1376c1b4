// What commands on store paths are told to look at: store paths, links to them, derivations with outputs
// (`….drv^out`, `….drv^*`), or FILE, -E and -A as `tsnix build` takes them.
import { existsSync, readFileSync } from 'node:fs';
import { findAlongAttrPath } from '../eval/attr-path.ts';
import { followLinksToStorePath } from '../store/follow-links.ts';
import { LocalStore } from '../store/local-store.ts';
import type { QueriedStore } from '../store/queried-store.ts';
import { computeClosure, requireDerivation, requirePathInfo, sortPaths } from '../store/query.ts';
import { KnownOutputs, type TraceReader } from '../store/resolve-derivation.ts';
import { isDerivationPath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { utf8 } from '../util/bytes.ts';
import { MissingRealisationError, StoreError, UsageError } from '../util/errors.ts';
import type { BuildTarget } from '../build/realise-options.ts';
import type { Config } from './config.ts';
import { EVAL_FLAGS, flag, type Flag, type ParsedFlags } from './flags.ts';
import { splitOutputs } from './installable-outputs.ts';
import { openConfiguredStore } from './session.ts';

export const STDIN_FLAG = flag('stdin', 'read more of them from standard input, one a line');

export const INSTALLABLE_FLAGS: readonly Flag[] = [
  flag('expr', 'evaluate EXPR instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'evaluate FILE', { short: 'f', args: ['FILE'] }),
  flag('derivation', 'operate on derivations rather than their outputs', { aliases: ['drv'] }),
  STDIN_FLAG,
  ...EVAL_FLAGS,
];

/** For commands that take whole sets. */
export const STORE_PATHS_FLAGS: readonly Flag[] = [
  ...INSTALLABLE_FLAGS,
  flag('recursive', 'apply to the closure', { short: 'r' }),
  flag('all', 'apply to every path of the store'),
];

export interface Installable {
  /** As the user wrote it; for messages. */
  readonly label: string;
  readonly target: BuildTarget;
}

export interface InstallableOptions {
  readonly flags: ParsedFlags;
  readonly config: Config;
  /** Only these words; default: the positional arguments. */
  readonly words?: readonly string[];
}

/** The store of the command, which must lie on this machine. @throws StoreError */
export function openLocalStore(config: Config, readOnly: boolean): LocalStore {
  const store = openConfiguredStore(config, readOnly);
  if (store instanceof LocalStore) return store;
  throw new StoreError(`store '${store.uri}' does not lie on this machine`);
}

/** @throws StoreError, EvalError, UsageError */
export async function findInstallables(store: QueriedStore, options: InstallableOptions): Promise<Installable[]> {
  const words = options.words ?? [...options.flags.positionals, ...wordsOfStdin(options.flags)];
  const found: Installable[] = [];
  const others: string[] = [];
  const byNix = options.config.nixCommand;
  for (const word of words) {
    if (byNix && (options.flags.has('expr') || options.flags.has('file') || !word.includes('/'))) {
      others.push(word);
      continue;
    }
    const named = await namedInStore(store, word, options.config);
    if (named === undefined) others.push(word);
    else found.push(named);
  }
  const { flags, config } = options;
  // What standard input names may be nothing at all.
  const nothing = words.length === 0 && !flags.has('stdin');
  if (others.length > 0 || flags.has('expr') || flags.has('file') || nothing) {
    if (!config.nixCommand && nothing && !['expr', 'file', 'attr'].some((name) => flags.has(name))) {
      throw new UsageError('name a store path, a link to one, or a FILE');
    }
    found.push(...(await evaluated(others, options)));
  }
  return found;
}

/** What `--stdin` reads. */
export function wordsOfStdin(flags: ParsedFlags): string[] {
  if (!flags.has('stdin')) return [];
  return readFileSync(0, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** Undefined for what is no path in the store: then it is a FILE. @throws StoreError */
async function namedInStore(store: QueriedStore, word: string, config: Config): Promise<Installable | undefined> {
  const { base, outputs } = splitOutputs(word);
  let path: StorePath;
  try {
    path = followLinksToStorePath(store, utf8(base), utf8(process.cwd()));
  } catch (error) {
    const { isFlakeArgument } = await import('./flake-installable.ts');
    if (config.nixCommand && !base.startsWith(store.storeDir)) return undefined;
    if (existsSync(word) || /^<.+>$/.test(word) || isFlakeArgument(word, config)) return undefined;
    throw error;
  }
  if (outputs === undefined) return { label: utf8(word), target: { kind: 'path', path } };
  if (!isDerivationPath(path)) throw new StoreError(`path '${path}' is not a derivation`);
  return { label: utf8(word), target: { kind: 'derivation', drvPath: path, outputs } };
}

async function evaluated(files: readonly string[], { flags, config }: InstallableOptions): Promise<Installable[]> {
  const [{ Session }, { DerivationFinder, drvPathOf }, { outputsWanted, sourcesOf }, { preferPure }] =
    await Promise.all([
      import('./session.ts'),
      import('./derivations.ts'),
      import('./commands/sources.ts'),
      import('./flake-installable.ts'),
    ]);
  preferPure(flags, config);
  const session = new Session({ config, flags, readOnly: false, writes: true });
  try {
    const calls = session.calls();
    const found: Installable[] = [];
    for (const source of sourcesOf(session, true, files)) {
      const root = source.load();
      for (const attrPath of source.attrPaths) {
        const { slot } = findAlongAttrPath(session.evaluator, utf8(attrPath), root, calls);
        const finder = new DerivationFinder(session.evaluator, calls);
        finder.collect(slot, utf8(attrPath));
        for (const drv of finder.found) {
          const drvPath = session.asStorePath(drvPathOf(session.evaluator, drv.attrs));
          const outputs = outputsWanted(session, source, drv);
          found.push({
            label: utf8(attrPath === '' ? source.label : attrPath),
            target: { kind: 'derivation', drvPath, outputs },
          });
        }
      }
    }
    return found;
  } finally {
    await session.close();
  }
}

/** The store paths that an installable means: of derivations their outputs, with `derivation` themselves. @throws StoreError */
export function pathsOf(
  store: TraceReader & Pick<QueriedStore, 'pathInfo'>,
  { target }: Installable,
  derivation: boolean,
): StorePath[] {
  if (derivation) return [derivationOf(store, target)];
  if (target.kind === 'path') return [target.path];
  const drv = requireDerivation(store, target.drvPath);
  // Of content-addressed ones what they were built to.
  const known = new KnownOutputs(store);
  const names = target.outputs === 'all' ? [...drv.outputs.keys()] : target.outputs;
  const paths = names.map((name) => {
    if (!drv.outputs.has(name)) {
      throw new StoreError(`derivation '${target.drvPath}' does not have wanted outputs '${name}'`);
    }
    const path = known.path(target.drvPath, name, drv);
    if (path === undefined) {
      throw new MissingRealisationError(
        `cannot operate on output '${name}' of the unbuilt derivation '${target.drvPath}^${name}'`,
      );
    }
    return path;
  });
  return target.outputs === 'all' ? paths.sort() : paths;
}

/** @throws StoreError */
export function derivationOf(store: Pick<QueriedStore, 'pathInfo'>, target: BuildTarget): StorePath {
  if (target.kind === 'derivation') return target.drvPath;
  if (isDerivationPath(target.path)) return target.path;
  const { deriver } = requirePathInfo(store, target.path);
  if (deriver !== null) return deriver;
  throw new StoreError(`'${target.path}' does not have a known deriver`);
}

/** For commands with STORE_PATHS_FLAGS: all paths meant, dependencies first. @throws StoreError */
export async function storePathsOf(store: QueriedStore, options: InstallableOptions): Promise<StorePath[]> {
  const { flags } = options;
  if (flags.has('all')) {
    if (flags.positionals.length > 0) throw new UsageError("'--all' does not expect arguments");
    return sortPaths(store, store.validPaths());
  }
  const paths = new Set<StorePath>();
  for (const installable of await findInstallables(store, options)) {
    for (const path of pathsOf(store, installable, flags.has('derivation'))) paths.add(path);
  }
  return sortPaths(store, flags.has('recursive') ? computeClosure(store, paths) : paths);
}
