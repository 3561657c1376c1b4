// `tsnix image push`: an image (built, or as it lies somewhere) → a registry.
import { parseName } from '../../../docker/image/reference.ts';
import { UsageError } from '../../../util/errors.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import { DELIVER_FLAGS, deliver, wantedPlatforms } from './deliver.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG, SELECT_FLAGS, SETTING_FLAGS } from './made-image.ts';
import { REGISTRY_FLAGS, registrySettings } from './registry-flags.ts';

export const push: ImageCommand = {
  usage: 'push [IMAGE] NAME[:TAG]',
  describe:
    'Push an image to a registry\nIMAGE is an archive, a layout, another registry’s image, or an expression (-A, -E, FILE.nix), which is built and pushed straight from the store.',
  flags: [
    flag('all', 'all images of an index'),
    PLATFORM_FLAG,
    ...SETTING_FLAGS,
    ...DELIVER_FLAGS,
    ...REGISTRY_FLAGS,
    ...SELECT_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const [first, second, ...more] = flags.positionals;
    const name = second ?? first;
    if (name === undefined || more.length > 0) throw new UsageError('usage: tsnix image push [IMAGE] NAME[:TAG]');
    const word = second === undefined ? undefined : first;
    const to = parseName(name.replace(/^(docker:\/\/|registry:)/, ''));
    return await interruptible(async (signal) => {
      const source = await imageArgument(flags, config, word, signal);
      try {
        const platforms = source.made === true ? 'all' : wantedPlatforms(flags, config);
        await deliver(source, [to], { flags, signal, platforms, registry: registrySettings(flags, signal) });
        return 0;
      } finally {
        await source.close();
      }
    });
  },
};
