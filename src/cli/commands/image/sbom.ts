// `tsnix image sbom`: a bill of materials, printed, written to a file, or attached to an image in a registry.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { attachDocument } from '../../../docker/image/attach.ts';
import { parseReference } from '../../../docker/image/reference.ts';
import { listComponents } from '../../../docker/inspect/components.ts';
import { printSbom, SBOM_TYPES } from '../../../docker/inspect/sbom.ts';
import type { SbomFormat } from '../../../docker/inspect/sbom.ts';
import { storeGraph } from '../../../docker/inspect/store-graph.ts';
import { utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { flag } from '../../flags.ts';
import type { ParsedFlags } from '../../flags.ts';
import { packageVersion } from '../../help.ts';
import { print, say } from '../../output.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { derivationSource, READ_FLAGS, selectsByFlags, withImage } from './opened-image.ts';
import { registrySettings } from './registry-flags.ts';

function formatOf(flags: ParsedFlags): SbomFormat {
  const text = flags.get('format') ?? 'spdx';
  if (text === 'spdx' || text === 'cyclonedx') return text;
  throw new UsageError(`'${utf8(text)}' of '--format' is none of: spdx, cyclonedx`);
}

export const sbom: ImageCommand = {
  usage: 'sbom [IMAGE]',
  describe:
    'List what an image is made of, as SPDX 2.3 or CycloneDX 1.6\n' +
    'Store paths with their versions, what they depend on and, where this store knows it, their derivations and sources.',
  flags: [
    flag('format', 'spdx (the default) or cyclonedx', { args: ['FORMAT'] }),
    flag('output', 'write to FILE instead of standard output', { short: 'o', args: ['FILE'] }),
    flag('attach', 'also attach it to the image, which is in a registry, as a referrer'),
    ...READ_FLAGS,
  ],
  run: async (flags, config) => {
    const [word, ...more] = flags.positionals;
    if ((word === undefined && !selectsByFlags(flags)) || more.length > 0) {
      throw new UsageError('usage: tsnix image sbom IMAGE');
    }
    const format = formatOf(flags);
    const reference = flags.has('attach') && word !== undefined ? parseReference(word) : undefined;
    if (flags.has('attach') && reference?.transport !== 'registry') {
      throw new UsageError("'--attach' is for images in a registry: docker://…");
    }
    return await interruptible((signal) =>
      withImage(flags, config, word, signal, async ({ contents, image, name }) => {
        const graph = await storeGraph(contents, signal);
        const { bytes } = image.config(contents.layers.map(({ diffId }) => diffId));
        const text = printSbom(format, {
          name: name ?? word ?? 'image',
          id: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
          created: contents.config.created,
          toolVersion: packageVersion(),
          components: listComponents(graph, derivationSource(config)),
        });
        const file = flags.get('output');
        if (file !== undefined) writeFileSync(file, text);
        if (reference?.transport === 'registry') {
          const digest = await attachDocument(
            reference,
            image,
            { bytes: Buffer.from(text), type: SBOM_TYPES[format] },
            registrySettings(flags, signal)(reference),
          );
          say(`attached ${digest}`);
        } else if (file === undefined) print(utf8(text));
        return 0;
      }),
    );
  },
};
