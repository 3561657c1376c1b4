// `tsnix image load`: an image → docker, podman or containerd, whichever is there.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { familiarName, parseName } from '../../../docker/image/reference.ts';
import { UsageError } from '../../../util/errors.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import { runInForeground } from './container-tools.ts';
import { copyQuietly, hostPlatform, wantedPlatform } from './deliver.ts';
import { ENGINE_NAMES, findEngine } from './engines.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG, SELECT_FLAGS, SETTING_FLAGS } from './made-image.ts';
import { REGISTRY_FLAGS, registrySettings } from './registry-flags.ts';

export const load: ImageCommand = {
  usage: 'load [IMAGE] [-t NAME:TAG]',
  describe: 'Load an image into docker, podman or containerd',
  flags: [
    flag('tag', 'name that it shall have there', { short: 't', args: ['NAME:TAG'] }),
    flag('into', `${ENGINE_NAMES.join(', ')} (default: the first that is there)`, { args: ['ENGINE'] }),
    PLATFORM_FLAG,
    ...SETTING_FLAGS,
    ...REGISTRY_FLAGS,
    ...SELECT_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const [word, ...more] = flags.positionals;
    if (more.length > 0) throw new UsageError('usage: tsnix image load [IMAGE] [-t NAME:TAG]');
    const engine = findEngine(flags.get('into'));
    const tag =
      flags.get('tag') ?? (word?.startsWith('docker://') === true ? word.slice('docker://'.length) : undefined);
    const name = tag === undefined ? undefined : familiarName(parseName(tag));
    return await interruptible(async (signal) => {
      const source = await imageArgument(flags, config, word, signal);
      const tmp = await mkdtemp(join(tmpdir(), 'tsnix-image-'));
      try {
        const path = join(tmp, 'image.tar');
        const platform = flags.has('platform') ? wantedPlatform(flags, config) : hostPlatform(config);
        await copyQuietly(
          source,
          { transport: 'docker-archive', path, name },
          {
            flags,
            signal,
            platforms: [platform],
            registry: registrySettings(flags, signal),
          },
        );
        return await runInForeground(engine.program, engine.load(path), signal);
      } finally {
        await rm(tmp, { recursive: true, force: true });
        await source.close();
      }
    });
  },
};
