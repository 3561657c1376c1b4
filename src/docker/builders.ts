// The builders that lib/docker uses, by name: `builtin:NAME`.
import type { BuiltinBuilder, BuiltinBuilders } from '../build/builtin-builder.ts';
import { baseTree, contents, createdNow, exportImage, mergeDerivations, nixDatabase } from './builders/contents.ts';
import { image, layeredImage } from './builders/images.ts';
import { customisationLayer, pureLayer, rootLayer, storeLayers } from './builders/layers.ts';
import { pull } from './builders/pull.ts';

export const dockerBuilders: BuiltinBuilders = new Map<string, BuiltinBuilder>([
  ['tsnix-docker-base-tree', baseTree],
  ['tsnix-docker-contents', contents],
  ['tsnix-docker-created-now', createdNow],
  ['tsnix-docker-customisation-layer', customisationLayer],
  ['tsnix-docker-export', exportImage],
  ['tsnix-docker-image', image],
  ['tsnix-docker-layered-image', layeredImage],
  ['tsnix-docker-merge-drvs', mergeDerivations],
  ['tsnix-docker-nix-db', nixDatabase],
  ['tsnix-docker-pull', pull],
  ['tsnix-docker-pure-layer', pureLayer],
  ['tsnix-docker-root-layer', rootLayer],
  ['tsnix-docker-store-layers', storeLayers],
]);
