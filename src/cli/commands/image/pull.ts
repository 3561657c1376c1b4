// `tsnix image pull`: an image of a registry → a file or directory.
import { familiarName, parseName, parseReference } from '../../../docker/image/reference.ts';
import { openImageSource } from '../../../docker/image/open-source.ts';
import { UsageError } from '../../../util/errors.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import { DELIVER_FLAGS, deliver, wantedPlatforms } from './deliver.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG } from './made-image.ts';
import { REGISTRY_FLAGS, registrySettings } from './registry-flags.ts';

export const pull: ImageCommand = {
  usage: 'pull NAME[:TAG][@DIGEST] [DESTINATION]',
  describe:
    'Pull an image of a registry\nDESTINATION is docker-archive:FILE, oci:DIR or oci-archive:FILE; without one a docker-archive NAME.tar.',
  flags: [
    flag('output', 'the same as DESTINATION', { short: 'o', args: ['DESTINATION'] }),
    flag('all', 'all images of an index'),
    PLATFORM_FLAG,
    ...DELIVER_FLAGS,
    ...REGISTRY_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const [name, word, ...more] = flags.positionals;
    const output = flags.get('output') ?? word;
    if (name === undefined || more.length > 0 || (word !== undefined && flags.has('output'))) {
      throw new UsageError('usage: tsnix image pull NAME[:TAG] [DESTINATION]');
    }
    const from = parseName(name.replace(/^(docker:\/\/|registry:)/, ''));
    const base = from.repository.path.split('/').at(-1)!;
    const to = parseReference(output ?? `docker-archive:${base}.tar`);
    const platforms = wantedPlatforms(flags, config);
    return await interruptible(async (signal) => {
      const registry = registrySettings(flags, signal);
      const source = await openImageSource(from, { signal, registry });
      try {
        const tagged = from.tag === undefined ? undefined : familiarName(from);
        await deliver(source, [to], { flags, signal, platforms, registry, name: tagged });
        return 0;
      } finally {
        await source.close();
      }
    });
  },
};
