// What other tools make of an image: skopeo reads it, umoci unpacks it, crun runs it.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Programs that the functions here need, for describeWith. */
export const containerTools = ['skopeo', 'umoci', 'crun', 'unshare'];

interface RuntimeConfig {
  process: { args: string[]; terminal: boolean };
  mounts: { destination: string }[];
  linux: { namespaces: { type: string }[] };
}

export interface UnpackedImage {
  /** The OCI bundle. */
  readonly bundle: string;
  readonly rootfs: string;
  /** The config blob of the image. */
  readonly config: { architecture: string; os: string; created: string; config: Record<string, unknown> | null };
}

/** Debian's skopeo 1.9 fails on archives that are compressed as a whole. */
export function decompressed(archive: string, dir: string): string {
  const bytes = readFileSync(archive);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return archive;
  const plain = join(dir, `${createHash('sha256').update(archive).digest('hex').slice(0, 12)}.tar`);
  writeFileSync(plain, gunzipSync(bytes));
  return plain;
}

function skopeo(...args: string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export function unpackImage(archive: string, dir: string): UnpackedImage {
  mkdirSync(dir, { recursive: true });
  const source = `docker-archive:${decompressed(archive, dir)}`;
  const config = JSON.parse(skopeo('inspect', '--config', source)) as UnpackedImage['config'];
  skopeo('copy', '-q', source, `oci:${dir}/oci:image`);
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  execFileSync('umoci', ['unpack', ...rootless, '--image', `${dir}/oci:image`, `${dir}/bundle`], { stdio: 'pipe' });
  return { bundle: `${dir}/bundle`, rootfs: `${dir}/bundle/rootfs`, config };
}

/** Runs the image's own command, or `args`; standard output and error together. */
export function runImage(image: UnpackedImage, args?: readonly string[]): { status: number | null; output: string } {
  const file = join(image.bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as RuntimeConfig;
  config.process.terminal = false;
  if (args !== undefined) config.process.args = [...args];
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'cgroup');
  // umoci hides volumes behind empty file systems; Docker would fill them from the image.
  const volumes = Object.keys((image.config.config?.['Volumes'] as object | undefined) ?? {});
  config.mounts = config.mounts.filter(({ destination }) => !volumes.includes(destination));
  writeFileSync(file, JSON.stringify(config));
  // crun wants control groups of the second version, which not every machine has where it looks for them.
  const script =
    'umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup; exec crun --cgroup-manager=disabled run -b "$1" "$2"';
  const name = `tsnix-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const namespaces = process.getuid?.() === 0 ? ['-m'] : ['-rm'];
  const run = spawnSync('unshare', [...namespaces, 'sh', '-c', `exec 2>&1; ${script}`, 'sh', image.bundle, name], {
    encoding: 'utf8',
  });
  return { status: run.status, output: run.stdout };
}
