// `tsnix store ls|cat|dump-path` and `tsnix nar ls|cat|pack|dump-path`: looking into objects, in the store or in NAR files.
import { followLinksToStore } from '../../store/follow-links.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { dumpNar } from '../../store/nar-dump.ts';
import { canonPath, splitStorePath } from '../../store/store-path.ts';
import { utf8 } from '../../util/bytes.ts';
import { StoreError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { absolutePath } from '../hash-objects.ts';
import { INSTALLABLE_FLAGS, storePathsOf } from '../installables.ts';
import { isTerminal, print, printBytes, say } from '../output.ts';
import { remoteTree } from '../remote-tree.ts';
import { compactJson, type JsonValue } from '../print-json.ts';
import { DiskTree, NarTree, type TreeView, readFromNar } from '../tree-view.ts';
import { openConfiguredStore } from '../session.ts';

const STORE_FLAG = flag('store', 'the store to use', { args: ['URI'] });
const LIST_FLAGS: readonly Flag[] = [
  flag('recursive', 'list directories in it, too', { short: 'R' }),
  flag('long', 'show types, permissions and sizes', { short: 'l' }),
  flag('directory', 'show a directory itself', { short: 'd' }),
  flag('json', 'print JSON'),
];
export const NAR_LS_FLAGS: readonly Flag[] = [...LIST_FLAGS, ...COMMON_FLAGS];
export const STORE_LS_FLAGS: readonly Flag[] = [...LIST_FLAGS, STORE_FLAG, ...COMMON_FLAGS];
export const STORE_CAT_FLAGS: readonly Flag[] = [STORE_FLAG, ...COMMON_FLAGS];
export const NAR_FLAGS: readonly Flag[] = COMMON_FLAGS;
export const STORE_DUMP_FLAGS: readonly Flag[] = [...INSTALLABLE_FLAGS, ...COMMON_FLAGS];

function positionals(flags: ParsedFlags, count: number): string[] {
  const words = flags.positionals.map(utf8);
  if (words.length > count) throw new UsageError(`unexpected argument '${words[count]!}'`);
  if (words.length < count) throw new UsageError('more arguments are required');
  return words;
}

/** An object of the store, and where in it a path leads. @throws StoreError */
function inStore(store: QueriedStore, word: string): { readonly tree: TreeView; readonly path: string } {
  const { storePath, rest } = splitStorePath(followLinksToStore(store, word, utf8(process.cwd())), store.storeDir);
  if (!store.isValidPath(storePath)) throw new StoreError(`path '${storePath}' is not a valid store path`);
  const tree =
    store.realStoreDir === undefined
      ? remoteTree(store, storePath)
      : new DiskTree(store.realPath(storePath), storePath);
  return { tree, path: rest };
}

async function onStore(argv: readonly string[], config: Config, table: readonly Flag[], run: Looker): Promise<number> {
  const flags = parseFlags(argv, table, config);
  const [word] = positionals(flags, 1);
  const store = openConfiguredStore(config, true);
  try {
    const { tree, path } = inStore(store, word!);
    run(tree, path, flags);
    return 0;
  } finally {
    await store.close();
  }
}

type Looker = (tree: TreeView, path: string, flags: ParsedFlags) => void;

function onNar(argv: readonly string[], config: Config, table: readonly Flag[], run: Looker): Promise<number> {
  const flags = parseFlags(argv, table, config);
  const [file, word] = positionals(flags, 2);
  const path = canonPath(`/${word!}`);
  run(new NarTree(absolutePath(file!)), path === '/' ? '' : path, flags);
  return Promise.resolve(0);
}

export const storeLs = (argv: readonly string[], config: Config): Promise<number> =>
  onStore(argv, config, STORE_LS_FLAGS, list);
export const storeCat = (argv: readonly string[], config: Config): Promise<number> =>
  onStore(argv, config, STORE_CAT_FLAGS, cat);
export const narLs = (argv: readonly string[], config: Config): Promise<number> =>
  onNar(argv, config, NAR_LS_FLAGS, list);

export function narCat(argv: readonly string[], config: Config): Promise<number> {
  const [file, word] = positionals(parseFlags(argv, NAR_FLAGS, config), 2);
  const path = canonPath(`/${word!}`);
  readFromNar(absolutePath(file!), path === '/' ? '' : path, printBytes);
  return Promise.resolve(0);
}

function cat(tree: TreeView, path: string): void {
  if (tree.entry(path).type !== 'regular') throw new StoreError(`path '${path || '/'}' is not a regular file`);
  tree.read(path, printBytes);
}

function list(tree: TreeView, path: string, flags: ParsedFlags): void {
  if (flags.has('json')) {
    if (flags.has('directory')) throw new UsageError("'--directory' is useless with '--json'");
    print(`${compactJson(asJson(tree, path, flags.has('recursive')))}\n`);
  } else listText(tree, path, flags);
}

function asJson(tree: TreeView, path: string, recursive: boolean): JsonValue {
  const entry = tree.entry(path);
  if (entry.type !== 'directory') {
    const { ...fields } = entry;
    return fields;
  }
  const entries = tree
    .names(path)
    .map((name): [string, JsonValue] => [name, recursive ? asJson(tree, `${path}/${name}`, true) : {}]);
  return { type: 'directory', entries: new Map(entries) };
}

function listText(tree: TreeView, root: string, flags: ParsedFlags): void {
  const recursive = flags.has('recursive');
  const show = (path: string, label: string): void => {
    const entry = tree.entry(path);
    if (flags.has('long')) {
      const mode =
        entry.type === 'directory'
          ? 'dr-xr-xr-x'
          : entry.type === 'symlink'
            ? 'lrwxrwxrwx'
            : entry.executable
              ? '-r-xr-xr-x'
              : '-r--r--r--';
      const size = String(entry.type === 'regular' ? entry.size : 0).padStart(20);
      print(`${mode} ${size} ${label}${entry.type === 'symlink' ? ` -> ${entry.target}` : ''}\n`);
    } else print(`${label}\n`);
    if (recursive && entry.type === 'directory') showNames(path, label);
  };
  const showNames = (path: string, label: string): void => {
    for (const name of tree.names(path)) show(`${path}/${name}`, `${label}/${name}`);
  };
  const isDirectory = tree.entry(root).type === 'directory';
  if (isDirectory && !flags.has('directory')) showNames(root, '.');
  else show(root, isDirectory ? '.' : root.slice(root.lastIndexOf('/') + 1));
}

function refuseTerminal(): void {
  if (isTerminal(1)) throw new UsageError('refusing to write NAR to a terminal');
}

export async function storeDumpPath(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, STORE_DUMP_FLAGS, config);
  refuseTerminal();
  const store = openConfiguredStore(config, true);
  try {
    const paths = await storePathsOf(store, { flags, config });
    if (paths.length !== 1) throw new UsageError('this command requires exactly one store path');
    store.dumpPath(paths[0]!, printBytes);
    return 0;
  } finally {
    await store.close();
  }
}

export function narPack(argv: readonly string[], config: Config): Promise<number> {
  const [path] = positionals(parseFlags(argv, NAR_FLAGS, config), 1);
  refuseTerminal();
  dumpNar(absolutePath(path!), printBytes);
  return Promise.resolve(0);
}

export function narDumpPath(argv: readonly string[], config: Config): Promise<number> {
  say("warning: 'nix nar dump-path' is a deprecated alias for 'nix nar pack'");
  return narPack(argv, config);
}
