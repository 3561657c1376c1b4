// `tsnix image inspect`: what an image says of itself.
import { imageFor } from '../../../docker/image/copy.ts';
import { configOf } from '../../../docker/image/image-files.ts';
import { printPlatform } from '../../../docker/image/platform.ts';
import type { SourceImage, SourceIndex } from '../../../docker/image/source.ts';
import { fromBuffer, utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { humanSize } from '../../../util/human-size.ts';
import type { Config } from '../../config.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import type { ParsedFlags } from '../../flags.ts';
import { print } from '../../output.ts';
import { wantedPlatform } from './deliver.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG } from './made-image.ts';
import { REGISTRY_FLAGS } from './registry-flags.ts';

function describeImage(image: SourceImage): Readonly<Record<string, unknown>> {
  const { platform, layers, annotations, manifest } = image;
  const { created, config = {}, rootfs } = configOf(image);
  return {
    ...(manifest === undefined ? {} : { digest: manifest.digest, mediaType: manifest.mediaType }),
    platform: printPlatform(platform),
    ...(created === undefined ? {} : { created }),
    config,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    layers: layers.map(({ descriptor, compression }, i) => ({
      ...(descriptor === undefined
        ? {}
        : { digest: descriptor.digest, size: descriptor.size, mediaType: descriptor.mediaType }),
      diffId: rootfs.diff_ids[i],
      compression,
    })),
  };
}

function text(image: SourceImage, index: SourceIndex | undefined): string {
  const { created, config = {} } = configOf(image);
  const rows: [string, string][] = [];
  const add = (name: string, value: unknown): void => {
    if (value === undefined || value === null || value === '') return;
    rows.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  };
  if (index?.document !== undefined) add('Index', index.document.digest);
  if (index !== undefined) {
    add(
      'Platforms',
      index.entries
        .flatMap(({ platform }) => platform ?? [])
        .map(printPlatform)
        .join(', '),
    );
  }
  add('Digest', image.manifest?.digest);
  add('Platform', printPlatform(image.platform));
  add('Created', created);
  for (const [name, value] of Object.entries(config)) add(name, value);
  for (const [name, value] of Object.entries(image.annotations)) add(`Annotation ${name}`, value);
  const sizes = image.layers.map(({ descriptor }) => descriptor?.size ?? 0);
  add('Layers', `${sizes.length}, ${humanSize(sizes.reduce((sum, size) => sum + size, 0))}`);
  for (const [i, { descriptor, compression, diffId }] of image.layers.entries()) {
    rows.push([
      '',
      `${descriptor?.digest ?? diffId ?? ''}  ${humanSize(sizes[i]!)}${compression === 'none' ? '' : ` ${compression}`}`,
    ]);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  // What an image says must not steer the terminal.
  const clean = (value: string): string => value.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ');
  return rows.map(([name, value]) => `${clean(name).padEnd(width)}  ${clean(value)}`).join('\n');
}

function raw(opened: SourceImage | SourceIndex): string {
  const document = opened.kind === 'image' ? opened.manifest : opened.document;
  if (document === undefined) {
    throw new UsageError(`${opened.what} has no manifest of its own; '--config' shows its configuration`);
  }
  return fromBuffer(document.bytes);
}

async function show(opened: SourceImage | SourceIndex, flags: ParsedFlags, config: Config): Promise<string> {
  if (flags.has('raw') && !flags.has('config') && !flags.has('platform')) return raw(opened);
  const image = await imageFor(opened, wantedPlatform(flags, config));
  if (flags.has('raw') && !flags.has('config')) return raw(image);
  if (flags.has('config')) {
    configOf(image);
    return fromBuffer(image.config(image.layers.map(({ diffId }) => diffId!)).bytes);
  }
  if (!flags.has('json')) return `${utf8(text(image, opened.kind === 'index' ? opened : undefined))}\n`;
  const index =
    opened.kind !== 'index'
      ? {}
      : {
          index: {
            ...(opened.document === undefined ? {} : { digest: opened.document.digest }),
            platforms: opened.entries.flatMap(({ platform, descriptor }) =>
              platform === undefined ? [] : [{ platform: printPlatform(platform), digest: descriptor?.digest }],
            ),
          },
        };
  return `${utf8(JSON.stringify({ ...index, ...describeImage(image) }, null, 2))}\n`;
}

export const inspect: ImageCommand = {
  usage: 'inspect IMAGE',
  describe: 'Show what an image says of itself',
  flags: [
    flag('json', 'print JSON'),
    flag('raw', 'print the manifest (or index) as it is'),
    flag('config', 'print the configuration as it is'),
    PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const [word, ...more] = flags.positionals;
    if (word === undefined || more.length > 0) throw new UsageError('usage: tsnix image inspect IMAGE');
    return await interruptible(async (signal) => {
      const source = await imageArgument(flags, config, word, signal);
      try {
        print(await show(await source.open(), flags, config));
        return 0;
      } finally {
        await source.close();
      }
    });
  },
};
