// `tsnix store diff-closures`: which packages and versions came and went between two closures.
import { parseDrvName } from '../../util/drv-name.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { computeClosure, requirePathInfo } from '../../store/query.ts';
import { storePathName } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import { renderSize } from '../../util/render-size.ts';
import type { Config } from '../config.ts';
import { BUILD_FLAGS, COMMON_FLAGS, parseFlags, type Flag } from '../flags.ts';
import { findInstallables, INSTALLABLE_FLAGS, pathsOf } from '../installables.ts';
import { print } from '../output.ts';
import { realisePathsOf } from '../realise-installables.ts';
import { openConfiguredStore } from '../session.ts';

export const FLAGS: readonly Flag[] = [...INSTALLABLE_FLAGS, ...BUILD_FLAGS, ...COMMON_FLAGS];

/** Smaller changes of size are not worth a line. */
const LEAST_DELTA = 8 * 1024;
const [NONE, EMPTY, ARROW] = ['∅', 'ε', '→'].map(utf8) as [string, string, string];

/** Of a package: its versions, and the bytes of all of them. */
interface Package {
  readonly versions: Set<string>;
  bytes: number;
}

function packagesOf(store: QueriedStore, root: StorePath): Map<string, Package> {
  const packages = new Map<string, Package>();
  for (const path of computeClosure(store, [root])) {
    // Output names go, though `bin` and `unstable` look the same.
    const { name, version } = parseDrvName(storePathName(path).replace(/^(.*)-(?:[a-z]+|lib32|lib64)$/s, '$1'));
    const found = packages.get(name) ?? { versions: new Set<string>(), bytes: 0 };
    found.versions.add(version);
    found.bytes += requirePathInfo(store, path).narSize;
    packages.set(name, found);
  }
  return packages;
}

function showVersions(versions: readonly string[]): string {
  if (versions.length === 0) return NONE;
  return versions
    .map((version) => (version === '' ? EMPTY : version))
    .sort()
    .join(', ');
}

/** Prints lines that begin with `indent`. @throws StoreError */
export function printClosureDiff(store: QueriedStore, from: StorePath, to: StorePath, indent = ''): void {
  const [before, after] = [packagesOf(store, from), packagesOf(store, to)];
  const nothing: Package = { versions: new Set(), bytes: 0 };
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [old, now] = [before.get(name) ?? nothing, after.get(name) ?? nothing];
    const removed = [...old.versions].filter((version) => !now.versions.has(version));
    const added = [...now.versions].filter((version) => !old.versions.has(version));
    const delta = now.bytes - old.bytes;
    const items: string[] = [];
    if (removed.length > 0 || added.length > 0) items.push(`${showVersions(removed)} ${ARROW} ${showVersions(added)}`);
    if (Math.abs(delta) >= LEAST_DELTA) {
      // Nix quirk: colours, wherever the output goes.
      items.push(`\x1b[${delta > 0 ? '31' : '32'};1m${renderSize(delta)}\x1b[0m`);
    }
    if (items.length > 0) print(`${indent}${name}: ${items.join(', ')}\n`);
  }
}

export async function diffClosures(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length !== 2) throw new UsageError('name two store paths, before and after');
  const store = openConfiguredStore(config, false);
  try {
    const roots: StorePath[] = [];
    for (const word of flags.positionals) {
      const found = await findInstallables(store, { flags, config, words: [word] });
      if (found.length !== 1) throw new UsageError(`argument '${utf8(word)}' should evaluate to one store path`);
      await realisePathsOf(found, { flags, config });
      roots.push(pathsOf(store, found[0]!, flags.has('derivation'))[0]!);
    }
    printClosureDiff(store, roots[0]!, roots[1]!);
    return 0;
  } finally {
    await store.close();
  }
}
