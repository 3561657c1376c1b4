// Where the host's loader looks for a library that no RPATH names: /etc/ld.so.cache (new format, glibc-ld.so.cache1.1),
// then ld.so.conf's directories and the built-in ones. CPU-specific variants (glibc-hwcaps) are left out on purpose:
// what we import must not depend on this machine's processor.
import { ElfError } from './elf.ts';

const MAGIC = 'glibc-ld.so.cache1.1';

/**
 * Library name → paths, in the cache's order.
 * @throws ElfError for another format (the caller then reads the directories)
 */
export function parseLdCache(bytes: Buffer): Map<string, string[]> {
  // An old-format cache may stand before the new one; glibc >= 2.32 writes the new one only.
  const start = bytes.indexOf(MAGIC, 0, 'latin1');
  if (start < 0 || start + 48 > bytes.length) throw new ElfError('ld.so.cache has an unknown format');
  const count = bytes.readUInt32LE(start + 20);
  const table = start + 48;
  if (count > (bytes.length - table) / 24) throw new ElfError('ld.so.cache is cut short');
  const text = (offset: number): string => {
    const at = start + offset;
    const end = bytes.indexOf(0, at);
    if (at >= bytes.length || end < 0) throw new ElfError('ld.so.cache is cut short');
    return bytes.toString('latin1', at, end);
  };
  const found = new Map<string, string[]>();
  for (let i = 0; i < count; i++) {
    const at = table + i * 24;
    if (bytes.readBigUInt64LE(at + 16) !== 0n) continue;
    const name = text(bytes.readUInt32LE(at + 4));
    const path = text(bytes.readUInt32LE(at + 8));
    const paths = found.get(name);
    if (paths === undefined) found.set(name, [path]);
    else paths.push(path);
  }
  return found;
}

/** Directories of ld.so.conf text; `include` patterns go to the callback, which gives the texts of the files. */
export function parseLdConf(text: string, include: (pattern: string) => readonly string[], depth = 0): string[] {
  const dirs: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const words = line.split(/[\s,:]+/);
    if (words[0] === 'include') {
      if (depth >= 8) continue;
      for (const pattern of words.slice(1)) {
        for (const included of include(pattern)) dirs.push(...parseLdConf(included, include, depth + 1));
      }
    } else if (words[0] !== 'hwcap') {
      dirs.push(...words.map((dir) => dir.replace(/=.*/, '')).filter((dir) => dir.startsWith('/')));
    }
  }
  return dirs;
}

/** What glibc (with Debian's multiarch) and musl search last. */
export function defaultLibraryDirs(multiarch: string): string[] {
  return [`/lib/${multiarch}`, `/usr/lib/${multiarch}`, '/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];
}
