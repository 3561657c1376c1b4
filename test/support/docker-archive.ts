// Docker archives as GNU tar sees them: the members of the outer archive, and of the layers in it.
import { execFileSync } from 'node:child_process';

interface Manifest {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

interface ImageConfig {
  readonly architecture: string;
  readonly created: string;
  readonly config: { readonly Env: readonly string[] };
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly unknown[];
}

const MAX_BYTES = 2 ** 28;

/** A member of an image's outer archive. */
export function imageMember(image: string, name: string): Buffer {
  return execFileSync('tar', ['-xOf', image, name], { maxBuffer: MAX_BYTES });
}

export function imageManifest(image: string): Manifest {
  return (JSON.parse(imageMember(image, 'manifest.json').toString()) as Manifest[])[0]!;
}

export function imageConfig(image: string): ImageConfig {
  return JSON.parse(imageMember(image, imageManifest(image).Config).toString()) as ImageConfig;
}

/** The archive of one layer; the topmost is -1. */
export function imageLayer(image: string, which: number): Buffer {
  return imageMember(image, imageManifest(image).Layers.at(which)!);
}

/** Lines of `tar -tv` for one layer, with one blank between columns; the topmost by default. */
export function listLayer(image: string, which = -1, ...flags: string[]): string[] {
  return execFileSync('tar', ['-tv', ...flags, '-f', '-'], { input: imageLayer(image, which), maxBuffer: MAX_BYTES })
    .toString()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
}

/** A file in a layer. */
export function layerFile(image: string, which: number, name: string): string {
  return execFileSync('tar', ['-xOf', '-', name], { input: imageLayer(image, which) }).toString();
}
