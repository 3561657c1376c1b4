// Layers as the original leaves them in the store: a directory of `layer.tar`, `json` (the image's configuration with
// the tarsum of the archive as `checksum`) and `VERSION`.
import { writeFile } from 'node:fs/promises';
import { fsPath } from '../util/bytes.ts';
import { printLikeJshon } from './json-text.ts';
import type { JsonObject } from './json-text.ts';
import { packTarFleeting } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { TarSum } from './tarsum.ts';
import { writeChunks } from './write-file.ts';

/** Schema of the `json` file. */
export const LAYER_VERSION = '1.0';

/** Text of the `json` file. */
export function layerJson(json: JsonObject, checksum: string): string {
  return printLikeJshon(new Map([...json, ['checksum', checksum]]));
}

/** Writes the three files into `dir`, which is there. */
export async function writeLayer(
  dir: string,
  members: Iterable<TarMember>,
  json: JsonObject,
  signal?: AbortSignal,
): Promise<void> {
  const tarsum = new TarSum();
  await writeChunks(`${dir}/layer.tar`, packTarFleeting(members, tarsum), signal);
  await writeFile(fsPath(`${dir}/json`), layerJson(json, tarsum.digest()), 'latin1');
  await writeFile(fsPath(`${dir}/VERSION`), LAYER_VERSION);
}
