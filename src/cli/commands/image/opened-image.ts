// One image, read whole: what the commands that look into images have in common.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageFor } from '../../../docker/image/copy.ts';
import type { SourceImage } from '../../../docker/image/source.ts';
import { readImageContents } from '../../../docker/inspect/image-contents.ts';
import type { ImageContents } from '../../../docker/inspect/image-contents.ts';
import type { DerivationSource } from '../../../docker/inspect/why.ts';
import { LocalStore } from '../../../store/local-store.ts';
import { openConfiguredStore } from '../../session.ts';
import type { Config } from '../../config.ts';
import { COMMON_FLAGS } from '../../flags.ts';
import type { Flag, ParsedFlags } from '../../flags.ts';
import { wantedPlatform } from './deliver.ts';
import { imageArgument } from './image-argument.ts';
import { PLATFORM_FLAG, SELECT_FLAGS, SETTING_FLAGS } from './made-image.ts';
import { REGISTRY_FLAGS } from './registry-flags.ts';

export interface OpenedImage {
  /** Text: `NAME:TAG` where it has one. */
  readonly name: string | undefined;
  readonly image: SourceImage;
  readonly contents: ImageContents;
}

/** Flags of every command that reads images whole. */
export const READ_FLAGS: readonly Flag[] = [
  PLATFORM_FLAG,
  ...SETTING_FLAGS,
  ...REGISTRY_FLAGS,
  ...SELECT_FLAGS,
  ...COMMON_FLAGS,
];

/** Whether the flags say what is to be built, so that no word has to. */
export function selectsByFlags(flags: ParsedFlags): boolean {
  return ['expr', 'file', 'attr'].some((name) => flags.has(name));
}

/** Reads the image that `word` (or, without it, the flags) means, for as long as `use` takes. */
export async function withImage<T>(
  flags: ParsedFlags,
  config: Config,
  word: string | undefined,
  signal: AbortSignal,
  use: (opened: OpenedImage) => Promise<T>,
): Promise<T> {
  const source = await imageArgument(flags, config, word, signal);
  const tmp = await mkdtemp(join(tmpdir(), 'tsnix-image-'));
  try {
    const image = await imageFor(await source.open(), wantedPlatform(flags, config));
    return await use({ name: source.name, image, contents: await readImageContents(image, tmp, signal) });
  } finally {
    await rm(tmp, { recursive: true, force: true });
    await source.close();
  }
}

/** This machine's store, if it is one that can be asked about what made its paths; nothing is written to it. */
export function derivationSource(config: Config): DerivationSource | undefined {
  try {
    const store = openConfiguredStore(config, true);
    return store instanceof LocalStore ? store : undefined;
  } catch {
    // What an image is can be told without a store.
    return undefined;
  }
}
