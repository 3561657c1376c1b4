// `tsnix image build`: an expression → an image, straight to where it is wanted.
import { parseName, parseReference } from '../../../docker/image/reference.ts';
import type { ImageReference } from '../../../docker/image/reference.ts';
import { familiarName } from '../../../docker/image/reference.ts';
import { UsageError } from '../../../util/errors.ts';
import { utf8 } from '../../../util/bytes.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import type { ParsedFlags } from '../../flags.ts';
import { DELIVER_FLAGS, deliver } from './deliver.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG, SELECT_FLAGS, SETTING_FLAGS, makeImage } from './made-image.ts';
import { REGISTRY_FLAGS, registrySettings } from './registry-flags.ts';

/** @throws UsageError */
function destinationsOf(flags: ParsedFlags, name: string | undefined): ImageReference[] {
  const outputs = flags.list('output');
  if (outputs.length === 0) {
    throw new UsageError(
      "where to? '--output docker-archive:FILE', 'oci:DIR', 'oci-archive:FILE' or 'registry:NAME' (or 'registry:' for the name of '--tag')",
    );
  }
  return outputs.map((output) => {
    if (output !== 'registry:' && output !== 'registry' && output !== 'docker://') return parseReference(output);
    if (name === undefined) throw new UsageError(`'--output ${utf8(output)}' needs the name of '--tag NAME:TAG'`);
    return parseName(name);
  });
}

export const build: ImageCommand = {
  usage: 'build [FILE | STORE-PATH]... -t NAME:TAG --output DESTINATION',
  describe:
    'Build an image\nTakes an expression that gives an image of dockerTools, or derivations (or store paths) whose closure becomes a layered image.',
  flags: [
    flag('tag', 'name of the image', { short: 't', args: ['NAME:TAG'] }),
    flag(
      'output',
      'where to put it: docker-archive:FILE, oci:DIR, oci-archive:FILE, registry:NAME (may be given again)',
      {
        short: 'o',
        args: ['DESTINATION'],
      },
    ),
    PLATFORM_FLAG,
    ...SETTING_FLAGS,
    ...DELIVER_FLAGS,
    ...REGISTRY_FLAGS,
    ...SELECT_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const tag = flags.get('tag');
    const name = tag === undefined ? undefined : familiarName(parseName(tag));
    const destinations = destinationsOf(flags, name);
    return await interruptible(async (signal) => {
      const source = await makeImage(flags, config, signal);
      if (source === undefined) return 0;
      try {
        await deliver(source, destinations, {
          flags,
          signal,
          // It holds what was asked for, and nothing else.
          platforms: 'all',
          registry: registrySettings(flags, signal),
          name,
        });
        return 0;
      } finally {
        await source.close();
      }
    });
  },
};
