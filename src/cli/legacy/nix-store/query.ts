// `nix-store --query`, `--print-env`, `--read-log`: what the store knows.
import { DaemonStore } from '../../../store/daemon/daemon-store.ts';
import { findRoots, findTempRoots } from '../../../store/find-roots.ts';
import {
  computeClosure,
  dotGraph,
  graphMl,
  queryBinding,
  queryDeriver,
  queryHash,
  queryOutputs,
  querySet,
  requireDerivation,
  requirePathInfo,
  treeLines,
  type SetQuery,
} from '../../../store/query.ts';
import { isDerivationPath, parseStorePath } from '../../../store/store-path.ts';
import type { StorePath } from '../../../store/store.ts';
import { utf8 } from '../../../util/bytes.ts';
import { StoreError, UsageError } from '../../../util/errors.ts';
import { buildLogOf } from '../../../store/build-log-file.ts';
import { collectable } from '../../collect.ts';
import { print } from '../../output.ts';
import { allowFlags, hasFlag, localStore, namedPath, type Operation } from './operation.ts';
import { realisePaths } from './realise.ts';

const SETS: Readonly<Record<string, SetQuery>> = {
  requisites: 'requisites',
  references: 'references',
  referrers: 'referrers',
  'referrers-closure': 'referrersClosure',
};
const QUERIES: readonly string[] = [
  ...Object.keys(SETS),
  ...[
    'outputs',
    'deriver',
    'valid-derivers',
    'binding',
    'hash',
    'size',
    'tree',
    'graph',
    'graphml',
    'resolve',
    'roots',
  ],
];
const MODIFIERS: readonly string[] = ['use-output', 'force-realise', 'include-outputs'];

/** Which query the flags ask for. @throws UsageError */
function chosenQuery(operation: Operation): string {
  let chosen: string | undefined;
  for (const { name, word } of operation.flags) {
    if (MODIFIERS.includes(name)) continue;
    if (!QUERIES.includes(name)) throw new UsageError(`unknown flag '${utf8(word)}'`);
    if (chosen !== undefined && chosen !== name) {
      throw new UsageError(`query type '${utf8(word)}' conflicts with earlier flag`);
    }
    chosen = name;
  }
  return chosen ?? 'outputs';
}

export async function query(operation: Operation): Promise<number> {
  const { store } = operation;
  let { args } = operation;
  let binding = '';
  if (hasFlag(operation, 'binding')) {
    if (args.length === 0) throw new UsageError('expected binding name');
    binding = args[0]!;
    args = args.slice(1);
  }
  const kind = chosenQuery(operation);
  const useOutput = hasFlag(operation, 'use-output');
  const named = (): StorePath[] => args.map((arg) => namedPath(operation, arg));
  /** With --use-output the outputs of derivations; built first with --force-realise. */
  const used = async (outputs = useOutput): Promise<StorePath[]> => {
    const paths = named();
    if (hasFlag(operation, 'force-realise')) await realisePaths(operation, paths);
    return paths.flatMap((path) => (outputs && isDerivationPath(path) ? queryOutputs(store, path) : [path]));
  };
  const line = (text: string): void => {
    print(`${text}\n`);
  };
  const lines = (texts: Iterable<string>): void => {
    print([...texts].map((text) => `${text}\n`).join(''));
  };
  switch (kind) {
    case 'outputs':
      lines(await used(true));
      break;
    case 'requisites':
    case 'references':
    case 'referrers':
    case 'referrers-closure':
      lines(querySet(store, SETS[kind]!, await used(), hasFlag(operation, 'include-outputs')));
      break;
    case 'valid-derivers':
      lines(querySet(store, 'validDerivers', named()));
      break;
    case 'deriver':
      for (const path of named()) line(queryDeriver(store, path));
      break;
    case 'binding':
      for (const path of named()) line(queryBinding(store, path, binding));
      break;
    case 'hash':
      for (const path of await used()) line(queryHash(store, path));
      break;
    case 'size':
      for (const path of await used()) line(String(requirePathInfo(store, path).narSize));
      break;
    case 'tree':
      lines(treeLines(store, named()));
      break;
    case 'graph':
      print(dotGraph(store, await used()));
      break;
    case 'graphml':
      print(graphMl(store, await used()));
      break;
    case 'resolve':
      lines(named());
      break;
    case 'roots':
      lines(rootsOf(operation, await used()));
      break;
  }
  return 0;
}

/** Roots through which paths are alive, sorted (Nix: in no order). */
function rootsOf(operation: Operation, paths: readonly StorePath[]): string[] {
  const { store } = operation;
  const kept = computeClosure(store, paths, {
    flip: true,
    includeOutputs: operation.config.bool('keep-outputs'),
    includeDerivers: operation.config.bool('keep-derivations'),
  });
  return allRoots(operation)
    .filter(([, path]) => kept.has(path))
    .map(([link, path]) => `${link} -> ${path}`);
}

/** Every root and what it keeps, by the root's name. */
export function allRoots(operation: Operation): [link: string, path: StorePath][] {
  const store = collectable(operation.store);
  const links =
    store instanceof DaemonStore
      ? store.findRoots()
      : [...findRoots(store, { keepStale: store.readOnly }), ...findTempRoots(store)].flatMap(([path, links]) =>
          [...links].map((link): [string, StorePath] => [link, path]),
        );
  return links.sort(([a, p], [b, q]) => (a < b || (a === b && p < q) ? -1 : 1));
}

/** In single quotes for a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `--print-env DRV`: the environment of a build, for a shell to read. */
export function printEnv(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  const { args } = operation;
  if (args.length !== 1) throw new UsageError("'--print-env' requires one derivation store path");
  const { store } = operation;
  const drv = requireDerivation(store, parseStorePath(args[0]!, store.storeDir));
  for (const [name, value] of drv.env) print(`export ${name}; ${name}=${quoted(value)}\n`);
  print(`export _args; _args=${quoted(drv.args.join(' '))}\n`);
  return 0;
}

/** `--read-log PATH…`. */
export function readLog(operation: Operation): number {
  if (operation.flags.length > 0) throw new UsageError('unknown flag');
  const store = operation.store instanceof DaemonStore ? operation.store : localStore(operation);
  for (const arg of operation.args) {
    const path = namedPath(operation, arg);
    const log = buildLogOf(store, path);
    if (log === undefined) throw new StoreError(`build log of derivation '${path}' is not available`);
    print(log);
  }
  return 0;
}

/** `--check-validity PATH…`. */
export function checkValidity(operation: Operation): number {
  allowFlags(operation, ['print-invalid']);
  const printInvalid = hasFlag(operation, 'print-invalid');
  for (const arg of operation.args) {
    const path = namedPath(operation, arg);
    if (operation.store.isValidPath(path)) continue;
    if (!printInvalid) throw new StoreError(`path '${path}' is not valid`);
    print(`${path}\n`);
  }
  return 0;
}
