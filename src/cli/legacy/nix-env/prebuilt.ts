// What needs no building: valid paths, and those that a binary cache has.
import { DaemonStore } from '../../../store/daemon/daemon-store.ts';
import { LocalStore } from '../../../store/local-store.ts';
import type { StorePath } from '../../../store/store.ts';
import { say } from '../../output.ts';
import type { Session } from '../../session.ts';
import { makeSubstituter } from '../../substituters.ts';
import type { PackageInfo } from '../../user-env/package-info.ts';

/** Of paths, those that caches which may be asked for many say they have. */
export async function substitutablePaths(session: Session, paths: readonly StorePath[]): Promise<Set<StorePath>> {
  const { store, config } = session;
  if (store instanceof DaemonStore) return store.querySubstitutablePaths(paths);
  if (!(store instanceof LocalStore)) return new Set();
  const substituter = makeSubstituter({
    config,
    store,
    observer: {
      copying: () => undefined,
      warn: (message) => say(`warning: ${message}`),
      error: (message) => say(`error: ${message}`),
    },
  });
  try {
    return (await substituter?.offered(paths)) ?? new Set();
  } finally {
    await substituter?.close();
  }
}

export async function prebuiltOf(session: Session, packages: readonly PackageInfo[]): Promise<PackageInfo[]> {
  const missing = packages.map(({ outPath }) => outPath).filter((path) => !session.store.isValidPath(path));
  const offered = missing.length === 0 ? new Set<StorePath>() : await substitutablePaths(session, missing);
  return packages.filter(({ outPath }) => session.store.isValidPath(outPath) || offered.has(outPath));
}
