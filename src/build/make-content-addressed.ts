// Copies of objects under paths that their contents give, each rewritten to refer to the copies of what it refers to.
import { printContentAddress } from '../store/content-address.ts';
import type { LocalStore } from '../store/local-store.ts';
import { narChunks } from '../store/nar-dump.ts';
import { computeClosure, requirePathInfo, sortPaths } from '../store/query.ts';
import { hashPart, makeFixedOutputPath, storePathName } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import { hashModuloSelf, rewriteChunks } from '../store/rewrite.ts';

/**
 * Rewrites the closure of `paths`.
 * @param onRewrite told of each, dependencies first
 * @returns the new path of every path of the closure
 * @throws StoreError
 */
export function makeContentAddressed(
  store: LocalStore,
  paths: readonly StorePath[],
  onRewrite: (from: StorePath, to: StorePath) => void,
): Map<StorePath, StorePath> {
  const remapped = new Map<StorePath, StorePath>();
  for (const path of sortPaths(store, computeClosure(store, paths))) {
    const info = requirePathInfo(store, path);
    const self = info.references.includes(path);
    const references: StorePath[] = [];
    const rewrites = new Map<string, string>();
    for (const reference of info.references) {
      if (reference === path) continue;
      const replacement = remapped.get(reference)!;
      if (replacement !== reference) rewrites.set(hashPart(reference), hashPart(replacement));
      references.push(replacement);
    }
    const real = store.realPath(path);
    const hash = hashModuloSelf(rewriteChunks(narChunks(real), rewrites), hashPart(path), 'sha256');
    const ca = { method: 'nar', algorithm: 'sha256' } as const;
    const to = makeFixedOutputPath({ name: storePathName(path), ...ca, hash, references, self }, store.storeDir);
    onRewrite(path, to);
    remapped.set(path, to);
    const incoming = store.incoming();
    try {
      if (incoming.isValid(to)) continue;
      rewrites.set(hashPart(path), hashPart(to));
      for (const chunk of rewriteChunks(narChunks(real), rewrites)) incoming.write(chunk);
      incoming.finishWith(() => ({
        path: to,
        references: (self ? [...references, to] : references).sort(),
        deriver: null,
        registrationTime: 0,
        ultimate: false,
        signatures: [],
        ca: printContentAddress({ ...ca, digest: hash }),
      }));
    } finally {
      incoming.close();
    }
  }
  return remapped;
}
