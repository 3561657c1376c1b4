// The image that a command is about: built from what the flags select, or named on the command line.
import { realpathSync, statSync } from 'node:fs';
import { openImageSource } from '../../../docker/image/open-source.ts';
import { parseReference } from '../../../docker/image/reference.ts';
import type { ImageSource } from '../../../docker/image/source.ts';
import { openConfiguredStore } from '../../session.ts';
import { tryParseStorePath } from '../../../store/store-path.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import type { Config } from '../../config.ts';
import type { ParsedFlags } from '../../flags.ts';
import { makeImage, selectsExpression } from './made-image.ts';
import { registrySettings } from './registry-flags.ts';

/** The store path that a word is, or that a link such as `result` leads to. */
function storePathOf(word: string, config: Config): string | undefined {
  if (!/^(\/|\.|[^:]+$)/.test(word)) return undefined;
  const store = openConfiguredStore(config, true);
  if (tryParseStorePath(utf8(word), store.storeDir) !== undefined) return word;
  let real: string;
  try {
    real = realpathSync(word);
  } catch {
    return undefined;
  }
  const dir = fromUtf8(store.realPath(store.storeDir));
  const path = `${store.storeDir}${utf8(real.slice(dir.length))}`;
  const isStorePath = real.startsWith(`${dir}/`) && tryParseStorePath(path, store.storeDir) !== undefined;
  return isStorePath ? fromUtf8(path) : undefined;
}

/**
 * @param word of the command line; undefined where the flags alone say it
 * @param options.settings whether flags such as --env are about the image
 * @throws UsageError where there is none
 */
export async function imageArgument(
  flags: ParsedFlags,
  config: Config,
  word: string | undefined,
  signal: AbortSignal,
  options: { readonly prefix?: 'src-'; readonly settings?: boolean } = {},
): Promise<ImageSource> {
  const storePath = word === undefined ? undefined : storePathOf(word, config);
  if (storePath !== undefined || selectsExpression(flags, word)) {
    flags.positionals.splice(0, flags.positionals.length, ...(word === undefined ? [] : [storePath ?? word]));
    const made = await makeImage(flags, config, signal, options.settings);
    if (made === undefined) throw new UsageError("'--dry-run' is for 'tsnix image build'");
    return made;
  }
  if (word === undefined) throw new UsageError('which image?');
  const reference = parseReference(word);
  if (reference.transport === 'path' && statSync(reference.path, { throwIfNoEntry: false }) === undefined) {
    throw new UsageError(
      `'${utf8(word)}' does not exist; an image of a registry is 'docker://${utf8(word)}', one of an expression '-E EXPR' or '-A ATTR'`,
    );
  }
  return await openImageSource(reference, { signal, registry: registrySettings(flags, signal, options.prefix) });
}
