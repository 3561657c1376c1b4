// The builders that lib/docker uses, by name: `builtin:NAME`.
import type { BuiltinBuilder } from '../build/builtin-builder.ts';
import { baseTree, contents, created, exportImage, mergeDerivations, nixDatabase } from './builders/contents.ts';
import { image } from './builders/images.ts';
import { imageParts, layeredImage } from './builders/layered-images.ts';
import { customisationLayer, pureLayer, recordedTree, rootLayer } from './builders/layers.ts';
import { mergeImages } from './builders/merge-images.ts';
import { pull } from './builders/pull.ts';
import { layering, storeLayers } from './builders/store-layers.ts';

export const dockerBuilders: ReadonlyMap<string, BuiltinBuilder> = new Map([
  ['tsnix-docker-base-tree', baseTree],
  ['tsnix-docker-contents', contents],
  ['tsnix-docker-created', created],
  ['tsnix-docker-customisation-layer', customisationLayer],
  ['tsnix-docker-export', exportImage],
  ['tsnix-docker-image', image],
  ['tsnix-docker-image-parts', imageParts],
  ['tsnix-docker-layered-image', layeredImage],
  ['tsnix-docker-layering', layering],
  ['tsnix-docker-merge-drvs', mergeDerivations],
  ['tsnix-docker-merge-images', mergeImages],
  ['tsnix-docker-nix-db', nixDatabase],
  ['tsnix-docker-pull', pull],
  ['tsnix-docker-pure-layer', pureLayer],
  ['tsnix-docker-recorded-tree', recordedTree],
  ['tsnix-docker-root-layer', rootLayer],
  ['tsnix-docker-store-layers', storeLayers],
]);
