// The builders that lib/docker uses, by name.
import type { BuiltinBuilder, BuiltinBuilders } from '../build/builtin-builder.ts';
import { contents, createdNow, mergeDerivations } from './builders/contents.ts';
import { exportImage, image, layeredImage } from './builders/images.ts';
import { customisationLayer, pureLayer, rootLayer, storeLayers } from './builders/layers.ts';

export const dockerBuilders: BuiltinBuilders = new Map<string, BuiltinBuilder>([
  ['builtin:tsnix-docker-contents', contents],
  ['builtin:tsnix-docker-created-now', createdNow],
  ['builtin:tsnix-docker-customisation-layer', customisationLayer],
  ['builtin:tsnix-docker-export', exportImage],
  ['builtin:tsnix-docker-image', image],
  ['builtin:tsnix-docker-layered-image', layeredImage],
  ['builtin:tsnix-docker-merge-drvs', mergeDerivations],
  ['builtin:tsnix-docker-pure-layer', pureLayer],
  ['builtin:tsnix-docker-root-layer', rootLayer],
  ['builtin:tsnix-docker-store-layers', storeLayers],
]);
