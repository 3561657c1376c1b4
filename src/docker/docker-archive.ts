// Writes a docker-archive byte for byte as skopeo does (`skopeo copy … docker-archive:`): hashes of pulled images are
// hashes of these files. Headers are ustar as Go writes them; there are layers `DIGEST.tar`, the configuration, for old
// readers a directory per layer, the manifest and `repositories`, in this order.
import { createHash } from 'node:crypto';
import { BLOCK_BYTES, paddingAfter } from './gnu-tar.ts';
import type { Region } from './archive.ts';
import { regionChunks } from './write-file.ts';

/** Bytes up to which ustar can tell a size; GNU's way is for larger ones. */
const MAX_USTAR_BYTES = 8 ** 11;

function octal(block: Buffer, offset: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, '0'), offset, width - 1, 'latin1');
}

export function ustarHeader(name: string, size: number, linkTarget = ''): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(name, 0, 'latin1');
  octal(block, 100, 8, linkTarget === '' ? 0o444 : 0);
  for (const at of [108, 116, 329, 337]) octal(block, at, 8, 0);
  if (size < MAX_USTAR_BYTES) octal(block, 124, 12, size);
  else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(block, 136, 12, 0);
  block.write(linkTarget === '' ? '0' : '2', 156, 'latin1');
  block.write(linkTarget, 157, 'latin1');
  block.write(size < MAX_USTAR_BYTES ? 'ustar\x0000' : 'ustar  \0', 257, 'latin1');
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

function* textMember(name: string, text: string): Generator<Buffer> {
  const bytes = Buffer.from(text, 'latin1');
  yield ustarHeader(name, bytes.length);
  yield bytes;
  yield Buffer.alloc(paddingAfter(bytes.length));
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

/** JSON as Go compacts it: no blanks, and what HTML minds escaped. Byte string to byte string. */
function compact(json: string): string {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? [];
  return tokens
    .join('')
    .replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
    .replace(/\xe2\x80[\xa8\xa9]/g, (bytes) => (bytes.endsWith('\xa8') ? '\\u2028' : '\\u2029'));
}

/** Values of an object's own keys as they are written, compacted. The text is known to be JSON. */
function rawValues(object: string): Map<string, string> {
  const values = new Map<string, string>();
  let depth = 0;
  let key: string | undefined;
  let value = '';
  for (const [token] of compact(object).matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^"{}[\]:,]+/g)) {
    const closes = token === '}' || token === ']';
    if (depth === 1 && key === undefined) {
      if (token.startsWith('"')) key = JSON.parse(token) as string;
    } else if (depth === 1 && (token === ',' || closes)) {
      if (key !== undefined) values.set(key, value);
      key = undefined;
      value = '';
    } else if (depth > 1 || token !== ':') {
      if (depth >= 1) value += token;
    }
    if (token === '{' || token === '[') depth++;
    if (closes) depth--;
  }
  return values;
}

function printObject(fields: ReadonlyMap<string, string>): string {
  const keys = [...fields.keys()].sort();
  return `{${keys.map((key) => `"${key}":${fields.get(key)!}`).join(',')}}`;
}

export interface ArchivedLayer {
  /** SHA-256 of the plain layer, hexadecimal. */
  readonly diffId: string;
  readonly file: Region;
}

/** What old readers want of the topmost layer. */
const TOP_FIELDS = ['architecture', 'config', 'container', 'container_config', 'created', 'docker_version', 'os'];

function* legacyLayers(diffIds: readonly string[], config: string): Generator<Buffer, string> {
  const values = rawValues(config);
  let chainId = '';
  let lastId = '';
  const written = new Set<string>();
  for (const [i, diffId] of diffIds.entries()) {
    const fields = new Map<string, string>();
    if (lastId !== '') fields.set('parent', `"${lastId}"`);
    if (i === diffIds.length - 1) for (const name of TOP_FIELDS) fields.set(name, values.get(name) ?? 'null');
    chainId = chainId === '' ? `sha256:${diffId}` : `sha256:${sha256(`${chainId} sha256:${diffId}`)}`;
    lastId = sha256(printObject(new Map([...fields, ['layer_id', `"${chainId}"`]])));
    if (written.has(lastId)) continue;
    written.add(lastId);
    yield ustarHeader(`${lastId}/layer.tar`, 0, `../${diffId}.tar`);
    yield* textMember(`${lastId}/VERSION`, '1.0');
    yield* textMember(`${lastId}/json`, printObject(new Map([...fields, ['id', `"${lastId}"`]])));
  }
  return lastId;
}

/**
 * What follows the layers in an archive, up to the zeros at its end.
 * @param diffIds of the layers, hexadecimal
 * @param config the configuration as the registry has it (a byte string, JSON)
 * @param image its normalised name (`docker.io/library/busybox`) and tag; undefined for one without a name
 */
export function* dockerArchiveEnd(
  diffIds: readonly string[],
  config: string,
  image: { readonly name: string; readonly tag: string } | undefined,
): Generator<Buffer> {
  const configName = `${sha256(config)}.json`;
  yield* textMember(configName, config);
  const topId = yield* legacyLayers(diffIds, config);
  const layers = diffIds.map((diffId) => `"${diffId}.tar"`).join(',');
  const tags = image === undefined ? 'null' : `["${image.name}:${image.tag}"]`;
  yield* textMember('manifest.json', `[{"Config":"${configName}","RepoTags":${tags},"Layers":[${layers}]}]`);
  const named = topId !== '' && image !== undefined;
  yield* textMember('repositories', named ? `{"${image.name}":{"${image.tag}":"${topId}"}}` : '{}');
}

/** The archive of one image, in chunks that are valid until the next is asked for. */
export function* writeDockerArchive(
  layers: readonly ArchivedLayer[],
  config: string,
  name: string,
  tag: string,
): Generator<Buffer> {
  const written = new Set<string>();
  for (const { diffId, file } of layers) {
    if (written.has(diffId)) continue;
    written.add(diffId);
    yield ustarHeader(`${diffId}.tar`, file.size);
    yield* regionChunks(file);
    yield Buffer.alloc(paddingAfter(file.size));
  }
  yield* dockerArchiveEnd(
    layers.map(({ diffId }) => diffId),
    config,
    { name, tag },
  );
  yield Buffer.alloc(2 * BLOCK_BYTES);
}
