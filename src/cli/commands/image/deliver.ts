// The second half of every command that writes an image: copies it, shows how far it is, tells what it is now.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyImage } from '../../../docker/image/copy.ts';
import type { Copied } from '../../../docker/image/copy.ts';
import type { Compression } from '../../../docker/compression.ts';
import { LayerCache } from '../../../docker/image/layer-cache.ts';
import { openImageDestination } from '../../../docker/image/open-destination.ts';
import { parsePlatform, platformOfSystem } from '../../../docker/image/platform.ts';
import type { Platform } from '../../../docker/image/platform.ts';
import { printReference } from '../../../docker/image/reference.ts';
import type { ImageReference } from '../../../docker/image/reference.ts';
import type { ImageSource } from '../../../docker/image/source.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { cacheDir } from '../../cache-dir.ts';
import type { Config } from '../../config.ts';
import { flag } from '../../flags.ts';
import type { Flag, ParsedFlags } from '../../flags.ts';
import { print, say } from '../../output.ts';
import { CopyProgress } from './copy-progress.ts';
import { keyValues } from './registry-flags.ts';
import type { RegistrySettings } from './registry-flags.ts';

export const DELIVER_FLAGS: readonly Flag[] = [
  flag('compression', 'form of layers: none, gzip or zstd (default: as they are; gzip for new ones)', {
    args: ['FORM'],
  }),
  flag('annotation', 'annotate the manifest', { args: ['KEY=VALUE'] }),
  flag('digest-file', 'write the digest of the image to FILE', { args: ['FILE'] }),
  flag('json', 'print JSON: name, digest, size, media type'),
];

function compressionOf(flags: ParsedFlags): Compression | undefined {
  const text = flags.get('compression');
  if (text === undefined || text === 'none' || text === 'gzip' || text === 'zstd') return text;
  throw new UsageError(`'${utf8(text)}' of '--compression' is none of: none, gzip, zstd`);
}

/** The machine that images are for where nobody says. */
export function hostPlatform(config: Config): Platform {
  return platformOfSystem(config.string('eval-system') || config.system);
}

/** --platform and --all, for what is there already. */
export function wantedPlatforms(flags: ParsedFlags, config: Config): readonly Platform[] | 'all' {
  if (flags.has('all')) {
    if (flags.has('platform')) throw new UsageError("'--all' and '--platform' do not go together");
    return 'all';
  }
  const list = flags.list('platform').map(parsePlatform);
  return list.length === 0 ? [hostPlatform(config)] : list;
}

/** The one machine that a command is about. @throws UsageError where there are several */
export function wantedPlatform(flags: ParsedFlags, config: Config): Platform {
  const list = flags.list('platform');
  if (list.length > 1) throw new UsageError("'--platform' may be given only once here");
  return list.length === 0 ? hostPlatform(config) : parsePlatform(list[0]!);
}

export interface DeliverOptions {
  readonly flags: ParsedFlags;
  readonly signal: AbortSignal;
  readonly platforms: readonly Platform[] | 'all';
  readonly registry: RegistrySettings;
  /** The image's name where destinations have none: `NAME:TAG`. */
  readonly name?: string | undefined;
}

/** Copies without a word. @throws StoreError, RegistryError */
export async function copyQuietly(
  source: ImageSource,
  to: ImageReference,
  { flags, signal, platforms, registry, name }: DeliverOptions,
): Promise<Copied> {
  const compression = compressionOf(flags);
  const annotations = keyValues(flags, 'annotation');
  // Only there it is the archive's own.
  const own = to.transport === 'docker-archive' ? source.name : undefined;
  const destination = openImageDestination(to, { registry, name: name ?? own });
  const observer = new CopyProgress(flags);
  try {
    return await copyImage(source, destination, {
      platforms,
      compression,
      annotations,
      observer,
      signal,
      cache: new LayerCache(utf8(join(cacheDir(), 'layers'))),
    });
  } finally {
    observer.finish();
    destination.close();
  }
}

/** Copies to all destinations and prints what was put there. */
export async function deliver(
  source: ImageSource,
  destinations: readonly ImageReference[],
  options: DeliverOptions,
): Promise<void> {
  const { flags } = options;
  const results: object[] = [];
  for (const to of destinations) {
    const copied = await copyQuietly(source, to, options);
    // A docker-archive keeps no manifest: what it is known by is the image's id.
    const digest = to.transport === 'docker-archive' ? copied.imageId! : copied.digest;
    const name = printReference(to);
    results.push({
      name: fromUtf8(name),
      digest,
      ...(to.transport === 'docker-archive' ? {} : { size: copied.size, mediaType: copied.mediaType }),
      ...(copied.imageId === undefined ? {} : { imageId: copied.imageId }),
    });
    if (!flags.has('json')) {
      // The result is a name that means this image for ever; for a file its digest.
      const pinned = to.transport === 'registry' ? `${name.replace(/@.*$/, '')}@${digest}` : digest;
      print(`${pinned}\n`);
      if (to.transport !== 'registry' && !flags.has('quiet')) say(`wrote ${name}`);
    }
    const file = flags.get('digest-file');
    if (file !== undefined) writeFileSync(file, digest);
  }
  if (flags.has('json')) print(`${utf8(JSON.stringify(results))}\n`);
}
