import { describe, expect, it } from 'vitest';
import { parseLdCache, parseLdConf } from './ld-cache.ts';

function cache(entries: readonly { name: string; path: string; hwcap: bigint }[]): Buffer {
  const strings = Buffer.from(entries.map(({ name, path }) => `${name}\0${path}\0`).join(''), 'latin1');
  const head = Buffer.alloc(48 + entries.length * 24);
  head.write('glibc-ld.so.cache1.1', 'latin1');
  head.writeUInt32LE(entries.length, 20);
  let at = head.length;
  entries.forEach(({ name, path, hwcap }, i) => {
    head.writeUInt32LE(at, 48 + i * 24 + 4);
    head.writeUInt32LE(at + name.length + 1, 48 + i * 24 + 8);
    head.writeBigUInt64LE(hwcap, 48 + i * 24 + 16);
    at += name.length + path.length + 2;
  });
  return Buffer.concat([head, strings]);
}

describe('parseLdCache()', () => {
  it('gives the paths of each name, in order, without those for some processors only', () => {
    const bytes = cache([
      { name: 'libz.so.1', path: '/v3/libz.so.1', hwcap: 1n << 62n },
      { name: 'libz.so.1', path: '/lib/libz.so.1', hwcap: 0n },
      { name: 'libz.so.1', path: '/lib32/libz.so.1', hwcap: 0n },
      { name: 'liba.so', path: '/lib/liba.so', hwcap: 0n },
    ]);
    expect([...parseLdCache(bytes)]).toEqual([
      ['libz.so.1', ['/lib/libz.so.1', '/lib32/libz.so.1']],
      ['liba.so', ['/lib/liba.so']],
    ]);
  });

  it('refuses other formats and cut files', () => {
    expect(() => parseLdCache(Buffer.from('ld.so-1.7.0'))).toThrow('unknown format');
    expect(() => parseLdCache(cache([{ name: 'a', path: '/a', hwcap: 0n }]).subarray(0, 60))).toThrow('cut short');
    expect(() => parseLdCache(cache([{ name: 'a', path: '/a', hwcap: 0n }]).subarray(0, 74))).toThrow('cut short');
  });
});

describe('parseLdConf()', () => {
  it('follows includes, and knows comments and old notations', () => {
    const text = '# first\ninclude /etc/ld.so.conf.d/*.conf\n/opt/lib # mine\nhwcap 1 nosegneg\n/a/lib:/b/lib=libc6\n';
    const files: Record<string, string[]> = { '/etc/ld.so.conf.d/*.conf': ['/one\n', '/two\n'] };
    expect(parseLdConf(text, (pattern) => files[pattern] ?? [])).toEqual([
      '/one',
      '/two',
      '/opt/lib',
      '/a/lib',
      '/b/lib',
    ]);
  });

  it('ends where a file includes itself', () => {
    expect(parseLdConf('include self\n/x\n', () => ['include self\n/x\n']).length).toBeLessThan(20);
  });
});
