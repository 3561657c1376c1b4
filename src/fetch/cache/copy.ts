// Copying paths to a binary cache: all archives as fast as they come, narinfos only after those of their references.
import type { NarInfo } from '../../store/narinfo.ts';
import { topologicalSort } from '../../store/references.ts';
import type { StorePath } from '../../store/store.ts';
import { StoreError } from '../../util/errors.ts';
import type { CacheWriter } from './cache-writer.ts';
import type { PathSource } from './path-source.ts';

/** Archives packed and sent at a time. */
const uploads = 4;

/**
 * What a source says of paths and, with `recursive`, all they refer to; dependencies first.
 * @throws StoreError for a path that it has not got
 */
export async function closureOf(
  source: PathSource,
  paths: readonly StorePath[],
  recursive: boolean,
): Promise<NarInfo[]> {
  const infos = new Map<StorePath, NarInfo>();
  for (let wave = [...new Set(paths)]; wave.length > 0;) {
    const found = await Promise.all(
      wave.map(async (path) => {
        const info = await source.narInfo(path);
        if (info === undefined) throw new StoreError(`path '${path}' is not valid`);
        if (info.path !== path) throw new StoreError(`asked '${source.uri}' for '${path}' but got '${info.path}'`);
        return info;
      }),
    );
    for (const info of found) infos.set(info.path, info);
    wave = recursive
      ? [...new Set(found.flatMap(({ references }) => references))].filter((path) => !infos.has(path))
      : [];
  }
  return topologicalSort([...infos.keys()], (path) => infos.get(path)!.references).map((path) => infos.get(path)!);
}

export interface CopyObserver {
  /** What the destination lacks. */
  missing(infos: readonly NarInfo[]): void;
  /** @returns the archive, looked at as it goes by */
  sending(info: NarInfo, archive: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  sent(path: StorePath): void;
}

/**
 * Makes paths (dependencies first) known to the cache.
 * @throws StoreError where a reference is neither among them nor in the cache
 */
export async function copyToCache(
  source: PathSource,
  infos: readonly NarInfo[],
  writer: CacheWriter,
  observer: CopyObserver,
): Promise<void> {
  const present = await Promise.all(infos.map(({ path }) => writer.has(path)));
  const missing = infos.filter((_, i) => !present[i]);
  observer.missing(missing);
  const known = new Map<StorePath, Promise<void>>();
  infos.forEach(({ path }, i) => {
    if (present[i]) known.set(path, Promise.resolve());
  });
  let free = uploads;
  let failed = false;
  const queue: (() => void)[] = [];
  const copyOne = async (info: NarInfo): Promise<void> => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => queue.push(resolve));
    let narInfo: NarInfo;
    try {
      if (failed) throw new StoreError('another path could not be copied');
      narInfo = await writer.upload(info, observer.sending(info, source.nar(info)));
      observer.sent(info.path);
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      const next = queue.shift();
      if (next === undefined) free++;
      else next();
    }
    for (const reference of info.references) {
      if (reference === info.path) continue;
      const arriving = known.get(reference);
      if (arriving !== undefined) await arriving;
      else if (!(await writer.has(reference))) {
        throw new StoreError(
          `cannot add '${info.path}' to the binary cache because the reference '${reference}' is not valid`,
        );
      }
    }
    await writer.writeNarInfo(narInfo);
  };
  // The first failure is the cause of the others.
  let cause: unknown;
  for (const info of missing) {
    const work = copyOne(info);
    work.catch((error: unknown) => (cause ??= error));
    known.set(info.path, work);
  }
  await Promise.allSettled([...known.values()]);
  if (cause !== undefined) throw cause as Error;
}
