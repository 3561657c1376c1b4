// Images for tests, from lists of files, without building anything.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixedConfig } from '../../src/docker/image/source.ts';
import type { SourceImage } from '../../src/docker/image/source.ts';
import { packTar } from '../../src/docker/tar-packer.ts';
import type { TarMember } from '../../src/docker/tar-packer.ts';
import type { TarHeader } from '../../src/docker/gnu-tar.ts';
import { hashRegion, fileRegion, regionChunks } from '../../src/docker/write-file.ts';

/** A file's text; `-> TARGET` a symlink, `=> NAME` a hard link, `/` a directory; or with more said. */
export type TestFile = string | (Partial<TarHeader> & { readonly text?: string });

function member(name: string, file: TestFile): TarMember {
  const { text = '', ...more }: Partial<TarHeader> & { readonly text?: string } =
    typeof file !== 'string'
      ? file
      : file === '/'
        ? { type: 'directory', mode: 0o755 }
        : file.startsWith('-> ')
          ? { type: 'symlink', linkName: file.slice(3) }
          : file.startsWith('=> ')
            ? { type: 'link', linkName: file.slice(3) }
            : { text: file };
  const type = more.type ?? 'file';
  const bytes = Buffer.from(type === 'file' ? text : '', 'latin1');
  return {
    header: {
      name: type === 'directory' ? `${name}/` : name,
      mode: 0o644,
      uid: 0,
      gid: 0,
      uname: 'root',
      gname: 'root',
      mtime: 1,
      linkName: '',
      ...more,
      type,
      size: bytes.length,
    },
    contents: bytes.length === 0 ? { kind: 'none' } : { kind: 'bytes', bytes },
  };
}

/** An image of layers, the bottom one first, each with files by name; `dir` is for its archives. */
export async function testImage(
  dir: string,
  layers: readonly Readonly<Record<string, TestFile>>[],
  config: Readonly<Record<string, unknown>> = {},
): Promise<SourceImage> {
  const name = Math.random().toString(36).slice(2);
  const made = await Promise.all(
    layers.map(async (files, i) => {
      const path = join(dir, `${name}-${i}.tar`);
      writeFileSync(path, Buffer.concat([...packTar(Object.entries(files).map(([at, file]) => member(at, file)))]));
      const region = fileRegion(path);
      return { region, diffId: `sha256:${await hashRegion(region)}` };
    }),
  );
  const diffIds = made.map(({ diffId }) => diffId);
  const text = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: '1970-01-01T00:00:01Z',
    config,
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  return {
    kind: 'image',
    what: 'the image',
    platform: { os: 'linux', architecture: 'amd64' },
    manifest: undefined,
    annotations: {},
    layers: made.map(({ region, diffId }) => ({
      compression: 'none',
      descriptor: undefined,
      diffId,
      chunks: async function* () {
        await Promise.resolve();
        for (const chunk of regionChunks(region)) yield Buffer.from(chunk);
      },
      region,
      label: diffId,
    })),
    config: fixedConfig(Buffer.from(text), 'application/vnd.oci.image.config.v1+json', diffIds, 'the image'),
  };
}
