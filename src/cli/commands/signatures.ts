// `tsnix store sign` and `tsnix store copy-sigs`: signatures of paths that are in the store already.
import { followLinksToStorePath } from '../../store/follow-links.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { computeClosure, requirePathInfo, sortPaths } from '../../store/query.ts';
import { SecretKey, withSignatures } from '../../store/signatures.ts';
import type { StorePath } from '../../store/store.ts';
import { PathSources } from '../../fetch/cache/open.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag, type ParsedFlags } from '../flags.ts';
import { say } from '../output.ts';
import { httpSettings } from '../http.ts';
import { openConfiguredStore } from '../session.ts';

const PATH_FLAGS: readonly Flag[] = [
  flag('all', 'every path of the store'),
  flag('recursive', 'also what they refer to', { short: 'r' }),
  flag('store', 'the store to use', { args: ['URI'] }),
  ...COMMON_FLAGS,
];

export const SIGN_FLAGS: readonly Flag[] = [
  flag('key-file', 'file with the secret key', { short: 'k', args: ['FILE'] }),
  ...PATH_FLAGS,
];

export const COPY_SIGS_FLAGS: readonly Flag[] = [
  flag('substituter', 'binary cache or store to take signatures from', { short: 's', args: ['URI'] }),
  ...PATH_FLAGS,
];

function pathsOf(flags: ParsedFlags, store: QueriedStore): StorePath[] {
  if (flags.has('all')) return sortPaths(store, store.validPaths());
  if (flags.positionals.length === 0) throw new UsageError('name store paths, or links to them');
  const named = flags.positionals.map((word) => followLinksToStorePath(store, utf8(word), utf8(process.cwd())));
  return sortPaths(store, flags.has('recursive') ? computeClosure(store, named) : named);
}

export async function storeSign(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, SIGN_FLAGS, config);
  const file = flags.get('key-file');
  if (file === undefined) throw new UsageError("you must specify a secret key file using '-k'");
  const key = SecretKey.read(utf8(file));
  const store = openConfiguredStore(config, false);
  try {
    let added = 0;
    for (const path of pathsOf(flags, store)) {
      const info = requirePathInfo(store, path);
      const signatures = withSignatures(info, [key]);
      if (signatures.length === info.signatures.length) continue;
      store.addSignatures(path, signatures);
      added++;
    }
    say(`added ${String(added)} signatures`);
    return 0;
  } finally {
    await store.close();
  }
}

export async function storeCopySigs(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, COPY_SIGS_FLAGS, config);
  const uris = flags.list('substituter');
  if (uris.length === 0) throw new UsageError("you must specify at least one substituter using '-s'");
  const store = openConfiguredStore(config, false);
  const warn = (message: string): void => say(`warning: ${message}`);
  const sources = new PathSources({ storeDir: store.storeDir, env: process.env, http: httpSettings(config, warn) });
  try {
    const opened = await Promise.all(uris.map((uri) => sources.open(utf8(uri))));
    let added = 0;
    for (const path of pathsOf(flags, store)) {
      const info = requirePathInfo(store, path);
      const signatures = new Set(info.signatures);
      for (const source of opened) {
        const theirs = await source.narInfo(path);
        // Signatures of another object under this path are of no use.
        if (theirs === undefined || Buffer.compare(theirs.narHash, info.narHash) !== 0) continue;
        if (theirs.narSize !== info.narSize || theirs.references.join() !== info.references.join()) continue;
        for (const signature of theirs.signatures) signatures.add(signature);
      }
      added += signatures.size - info.signatures.length;
      if (signatures.size > info.signatures.length) store.addSignatures(path, [...signatures]);
    }
    say(`imported ${String(added)} signatures`);
    return 0;
  } finally {
    sources.close();
    await store.close();
  }
}
