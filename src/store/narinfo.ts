// `.narinfo` files: what a binary cache says of one path. They come from strangers: each field is checked, sizes are
// bounded, and what is missing, doubled or malformed is an error that names the line.
import { InvalidStorePathError, StoreError } from '../util/errors.ts';
import { parseContentAddress } from './content-address.ts';
import { parseHash, printHash } from './hash.ts';
import { isSignature } from './signatures.ts';
import { baseName, parseStorePath, storePathFromBaseName } from './store-path.ts';
import type { PathInfo, StorePath } from './store.ts';

export interface NarInfo extends PathInfo {
  /** Of the archive, relative to the cache; checked: no way out of it. */
  readonly url: string;
  /** A name; whether it can be decompressed is another matter. */
  readonly compression: string;
  /** sha256 of the archive as it lies in the cache. */
  readonly fileHash: Uint8Array | null;
  /** Bytes; 0 where it isn't said. */
  readonly fileSize: number;
}

/** Longest file that is read: 10,000 references. */
export const maxNarInfoBytes = 2 * 1024 * 1024;

function parseSize(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : undefined;
}

/** Relative, in the cache. http(s) URLs elsewhere are allowed where the cache itself is such (see BinaryCache). */
function isPlainUrl(url: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(url) || url.includes('\\')) return false;
  const path = /^https?:\/\/[^/]+\//.test(url) ? url.replace(/^https?:\/\/[^/]+\//, '') : url;
  if (path.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(path)) return false;
  // Also as %2e, which servers and URL parsers undo.
  return !path.split(/[/?#]/).some((part) => /^(\.|%2e)(\.|%2e)$/i.test(part));
}

/**
 * @param text a byte string
 * @param whence for messages
 * @throws StoreError "NAR info file 'WHENCE' is corrupt: …"
 */
export function parseNarInfo(text: string, whence: string, storeDir: string): NarInfo {
  let line = 0;
  const corrupt = (reason: string): StoreError =>
    new StoreError(`NAR info file '${whence}' is corrupt: ${reason}${line > 0 ? ` at line ${String(line)}` : ''}`);
  if (text.length > maxNarInfoBytes) throw corrupt('it is too long');
  const path = (value: string, parse: () => StorePath): StorePath => {
    try {
      return parse();
    } catch (error) {
      if (error instanceof InvalidStorePathError) throw corrupt(`bad store path '${value.slice(0, 300)}'`);
      throw error;
    }
  };
  const sha256 = (value: string): Uint8Array => {
    try {
      const { algorithm, digest } = parseHash(value);
      if (algorithm !== 'sha256') throw new StoreError('not sha256');
      return digest;
    } catch {
      throw corrupt('bad hash'); // Nix's words, whatever is wrong with it
    }
  };
  const seen = new Map<string, string>();
  const signatures = new Set<string>();
  let storePath: StorePath | undefined;
  let narHash: Uint8Array | undefined;
  let fileHash: Uint8Array | null = null;
  let narSize = 0;
  let fileSize = 0;
  let references: StorePath[] = [];
  let deriver: StorePath | null = null;
  for (let at = 0; at < text.length;) {
    line++;
    const colon = text.indexOf(':', at);
    if (colon < 0) throw corrupt("expecting ':'");
    const end = text.indexOf('\n', at);
    if (end < 0) throw corrupt("expecting '\\n'");
    if (colon > end) throw corrupt("expecting ':'");
    const name = text.slice(at, colon);
    const value = text.slice(colon + 2, Math.max(end, colon + 2));
    if (end > colon + 1 && text[colon + 1] !== ' ') throw corrupt("expecting ' '");
    at = end + 1;
    if (name === 'Sig') {
      if (!isSignature(value)) throw corrupt('bad signature');
      signatures.add(value);
      continue;
    }
    if (seen.has(name)) throw corrupt(`extra ${name.slice(0, 100)}`);
    seen.set(name, value);
    switch (name) {
      case 'StorePath':
        storePath = path(value, () => parseStorePath(value, storeDir));
        break;
      case 'URL':
        if (!isPlainUrl(value)) throw corrupt('bad URL');
        break;
      case 'FileHash':
        fileHash = sha256(value);
        break;
      case 'FileSize':
        fileSize = parseSize(value) ?? -1;
        if (fileSize < 0) throw corrupt('invalid FileSize');
        break;
      case 'NarHash':
        narHash = sha256(value);
        break;
      case 'NarSize':
        narSize = parseSize(value) ?? -1;
        if (narSize < 0) throw corrupt('invalid NarSize');
        break;
      case 'References':
        references = value
          .split(' ')
          .filter((base) => base !== '')
          .map((base) => path(base, () => storePathFromBaseName(base, storeDir)));
        break;
      case 'Deriver':
        if (value !== 'unknown-deriver' && value !== '') {
          deriver = path(value, () => storePathFromBaseName(value, storeDir));
        }
        break;
      case 'CA':
        try {
          if (value !== '') parseContentAddress(value);
        } catch {
          throw corrupt('bad content address');
        }
        break;
    }
  }
  line = 0;
  const url = seen.get('URL') ?? '';
  if (storePath === undefined) throw corrupt('StorePath missing');
  if (narHash === undefined) throw corrupt('NarHash missing');
  if (url === '') throw corrupt('URL missing');
  if (narSize === 0) throw corrupt('NarSize missing or zero');
  const ca = seen.get('CA') ?? '';
  return {
    path: storePath,
    narHash,
    narSize,
    references: [...new Set(references)].sort(),
    deriver,
    registrationTime: 0,
    ultimate: false,
    signatures: [...signatures],
    ca: ca === '' ? null : ca,
    url,
    // Nix quirk: caches of old say nothing and mean bzip2.
    compression: seen.get('Compression') || 'bzip2',
    fileHash,
    fileSize,
  };
}

/** The file, byte for byte as Nix writes it. */
export function printNarInfo(info: NarInfo): string {
  const hash = (digest: Uint8Array): string => printHash({ algorithm: 'sha256', digest }, 'nix32');
  const lines = [`StorePath: ${info.path}`, `URL: ${info.url}`, `Compression: ${info.compression}`];
  if (info.fileHash !== null) lines.push(`FileHash: ${hash(info.fileHash)}`);
  if (info.fileSize !== 0) lines.push(`FileSize: ${String(info.fileSize)}`);
  lines.push(`NarHash: ${hash(info.narHash)}`, `NarSize: ${String(info.narSize)}`);
  lines.push(`References: ${[...info.references].sort().map(baseName).join(' ')}`);
  if (info.deriver !== null) lines.push(`Deriver: ${baseName(info.deriver)}`);
  for (const signature of [...info.signatures].sort()) lines.push(`Sig: ${signature}`);
  if (info.ca !== null) lines.push(`CA: ${info.ca}`);
  return `${lines.join('\n')}\n`;
}

/** `nix-cache-info`. */
export interface CacheInfo {
  readonly storeDir: string | null;
  readonly wantMassQuery: boolean;
  /** Lower is asked first. */
  readonly priority: number;
}

/** Unknown lines are skipped, as Nix does. */
export function parseCacheInfo(text: string): CacheInfo {
  let storeDir: string | null = null;
  let wantMassQuery = false;
  let priority = 0;
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, colon)) {
      case 'StoreDir':
        storeDir = value;
        break;
      case 'WantMassQuery':
        wantMassQuery = value === '1';
        break;
      case 'Priority':
        if (/^-?\d{1,9}$/.test(value)) priority = Number(value);
        break;
    }
  }
  return { storeDir, wantMassQuery, priority };
}
