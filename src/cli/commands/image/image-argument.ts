// The image that a command is about: built from what the flags select, or named on the command line.
import { statSync } from 'node:fs';
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

/** A path of the store, as users know it, may lie elsewhere. */
function realPath(word: string, config: Config): string {
  const path = tryParseStorePath(utf8(word));
  return path === undefined ? word : fromUtf8(openConfiguredStore(config, true).realPath(path));
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
  if (selectsExpression(flags, word)) {
    flags.positionals.splice(0, flags.positionals.length, ...(word === undefined ? [] : [word]));
    const made = await makeImage(flags, config, signal, options.settings);
    if (made === undefined) throw new UsageError("'--dry-run' is for 'tsnix image build'");
    return made;
  }
  if (word === undefined) throw new UsageError('which image?');
  const reference = parseReference(realPath(word, config));
  if (reference.transport === 'path' && statSync(reference.path, { throwIfNoEntry: false }) === undefined) {
    throw new UsageError(
      `'${utf8(word)}' does not exist; an image of a registry is 'docker://${utf8(word)}', one of an expression '-E EXPR' or '-A ATTR'`,
    );
  }
  return await openImageSource(reference, { signal, registry: registrySettings(flags, signal, options.prefix) });
}
