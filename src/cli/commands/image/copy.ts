// `tsnix image copy`: an image from anywhere to anywhere.
import { parseReference } from '../../../docker/image/reference.ts';
import { UsageError } from '../../../util/errors.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import { DELIVER_FLAGS, deliver, wantedPlatforms } from './deliver.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG } from './made-image.ts';
import { DESTINATION_FLAGS, REGISTRY_FLAGS, SOURCE_FLAGS, registrySettings } from './registry-flags.ts';

export const copy: ImageCommand = {
  usage: 'copy SOURCE DESTINATION',
  describe:
    'Copy an image between files, directories and registries\nOf an index it takes the image for this machine, or with --all everything.',
  flags: [
    flag('all', 'all images of an index'),
    PLATFORM_FLAG,
    ...DELIVER_FLAGS,
    ...REGISTRY_FLAGS,
    ...SOURCE_FLAGS,
    ...DESTINATION_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const [from, to, ...more] = flags.positionals;
    if (from === undefined || to === undefined || more.length > 0) {
      throw new UsageError('usage: tsnix image copy SOURCE DESTINATION');
    }
    const destination = parseReference(to);
    const platforms = wantedPlatforms(flags, config);
    return await interruptible(async (signal) => {
      const source = await imageArgument(flags, config, from, signal, { prefix: 'src-' });
      try {
        await deliver(source, [destination], {
          flags,
          signal,
          platforms,
          registry: registrySettings(flags, signal, 'dest-'),
        });
        return 0;
      } finally {
        await source.close();
      }
    });
  },
};
