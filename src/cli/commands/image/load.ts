// `tsnix image load`: an image → docker, podman or containerd, whichever is there.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { familiarName, parseName } from '../../../docker/image/reference.ts';
import { utf8 } from '../../../util/bytes.ts';
import { StoreError, UsageError } from '../../../util/errors.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import { findOnPath, runInForeground } from './container-tools.ts';
import { copyQuietly, hostPlatform, wantedPlatform } from './deliver.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG, SELECT_FLAGS, SETTING_FLAGS } from './made-image.ts';
import { REGISTRY_FLAGS, registrySettings } from './registry-flags.ts';

/** Where images can be loaded into, the usual one first, and what takes them there. */
const ENGINES: readonly {
  readonly name: string;
  readonly program: string;
  readonly args: (file: string) => string[];
}[] = [
  { name: 'docker', program: 'docker', args: (file) => ['load', '--input', file] },
  { name: 'podman', program: 'podman', args: (file) => ['load', '--input', file] },
  { name: 'containerd', program: 'nerdctl', args: (file) => ['load', '--input', file] },
  { name: 'containerd', program: 'ctr', args: (file) => ['images', 'import', file] },
];

export const load: ImageCommand = {
  usage: 'load [IMAGE] [-t NAME:TAG]',
  describe: 'Load an image into docker, podman or containerd',
  flags: [
    flag('tag', 'name that it shall have there', { short: 't', args: ['NAME:TAG'] }),
    flag('into', 'docker, podman or containerd (default: the first that is there)', { args: ['ENGINE'] }),
    PLATFORM_FLAG,
    ...SETTING_FLAGS,
    ...REGISTRY_FLAGS,
    ...SELECT_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const [word, ...more] = flags.positionals;
    if (more.length > 0) throw new UsageError('usage: tsnix image load [IMAGE] [-t NAME:TAG]');
    const into = flags.get('into');
    const engines = ENGINES.filter(({ name }) => into === undefined || name === into);
    if (engines.length === 0) throw new UsageError(`'${utf8(into!)}' is none of: docker, podman, containerd`);
    const engine = engines.find(({ program }) => findOnPath(program) !== undefined);
    if (engine === undefined) {
      throw new StoreError(`there is no ${[...new Set(engines.map(({ program }) => program))].join(', ')} on PATH`);
    }
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
        return await runInForeground(engine.program, engine.args(path), signal);
      } finally {
        await rm(tmp, { recursive: true, force: true });
        await source.close();
      }
    });
  },
};
