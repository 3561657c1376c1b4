import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxNarInfoBytes, parseCacheInfo, parseNarInfo, printNarInfo } from './narinfo.ts';

const store = '/nix/store';
const hash = 'sha256:072z1hw34spfg3ifj75abz1f983vx8cnb2i2k6fhp23ha6d6p9v2';
const lines = {
  StorePath: '/nix/store/kz9aji26frhkci53cpiwy4b4g0msyr63-b',
  URL: 'nar/0mcyhpa2fvvlblmvax8kj9s8d38jxp5yb53wkcwm7ia0wbqi1m8k.nar.xz',
  Compression: 'xz',
  FileHash: 'sha256:0mcyhpa2fvvlblmvax8kj9s8d38jxp5yb53wkcwm7ia0wbqi1m8k',
  FileSize: '172',
  NarHash: hash,
  NarSize: '160',
  References: '0270xr8001sp245x2qc78hqkd8ibms1g-a kz9aji26frhkci53cpiwy4b4g0msyr63-b',
  Deriver: 'bkvqvvj1slqnfk6khna595fa16f0dsjl-b.drv',
  Sig: 'k1:ZbiPPv26cw30mwkTNJYDXYx/v+i/LHFBCdOyzMvWWJn8x5QEfTGpRJcKs+ICAxhjrwJ3RWnoLPdmjJy0yPJ6Aw==',
  CA: 'fixed:r:sha256:072z1hw34spfg3ifj75abz1f983vx8cnb2i2k6fhp23ha6d6p9v2',
};

/** The file with some lines changed; null leaves one out. */
function text(changes: Readonly<Record<string, string | null>> = {}): string {
  return Object.entries({ ...lines, ...changes })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

const parse = (source: string): ReturnType<typeof parseNarInfo> => parseNarInfo(source, 'x.narinfo', store);

describe('parseNarInfo()', () => {
  it('reads what printNarInfo() writes', () => {
    expect(printNarInfo(parse(text()))).toBe(text());
  });
  it('takes a missing compression for bzip2', () => {
    expect(parse(text({ Compression: null })).compression).toBe('bzip2');
  });
  it('reads an empty list of references, and an unknown deriver', () => {
    const info = parse(text({ References: '', Deriver: 'unknown-deriver' }));
    expect(info.references).toEqual([]);
    expect(info.deriver).toBe(null);
  });
  it('skips fields it does not know', () => {
    expect(parse(`${text()}New: thing\n`).narSize).toBe(160);
  });
  it.each([
    ['no store path', text({ StorePath: null }), 'StorePath missing'],
    ['no hash', text({ NarHash: null }), 'NarHash missing'],
    ['no URL', text({ URL: null }), 'URL missing'],
    ['an empty URL', text({ URL: '' }), 'bad URL at line 2'],
    ['no size', text({ NarSize: null }), 'NarSize missing or zero'],
    ['size 0', text({ NarSize: '0' }), 'NarSize missing or zero'],
    ['a negative size', text({ NarSize: '-1' }), 'invalid NarSize at line 7'],
    ['a size beyond any disk', text({ NarSize: '99999999999999999999' }), 'invalid NarSize at line 7'],
    ['a size with letters', text({ FileSize: '1e3' }), 'invalid FileSize at line 5'],
    ['a bad hash', text({ NarHash: 'sha256:xyz' }), 'bad hash at line 6'],
    ['another hash', text({ NarHash: 'md5:d41d8cd98f00b204e9800998ecf8427e' }), 'bad hash at line 6'],
    ['a path elsewhere', text({ StorePath: '/etc/passwd' }), "bad store path '/etc/passwd' at line 1"],
    ['a reference with a slash', text({ References: '../../etc/passwd' }), 'bad store path'],
    ['a bad deriver', text({ Deriver: 'x' }), 'bad store path'],
    ['a way out in the URL', text({ URL: 'nar/../../../etc/passwd' }), 'bad URL'],
    ['a hidden way out', text({ URL: 'nar/%2e%2E/x' }), 'bad URL'],
    ['an absolute URL path', text({ URL: '/etc/passwd' }), 'bad URL'],
    ['a file URL', text({ URL: 'file:///etc/passwd' }), 'bad URL'],
    ['another scheme', text({ URL: 'gopher://host/x' }), 'bad URL'],
    ['a bad signature', text({ Sig: 'no colon' }), 'bad signature'],
    ['a bad content address', text({ CA: 'what' }), 'bad content address'],
    ['a field twice', `${text()}NarHash: ${hash}\n`, 'extra NarHash at line 12'],
    ['no line end', text().trimEnd(), "expecting '\\n' at line 11"],
    ['no colon', `${text()}nothing\n`, "expecting ':' at line 12"],
    ['no space', text().replace('URL: ', 'URL:'), "expecting ' ' at line 2"],
    ['too much', text({ References: 'x'.repeat(maxNarInfoBytes) }), 'it is too long'],
    ['nothing', '', 'StorePath missing'],
    ['a web page', '<html>\n<body>404: x</body>\n', "expecting ':' at line 1"],
  ])('refuses %s', (_, source, message) => {
    expect(() => parse(source)).toThrow(`NAR info file 'x.narinfo' is corrupt: ${message}`);
  });
  it('never fails otherwise than by saying so', () => {
    fc.assert(
      fc.property(fc.nat(text().length - 1), fc.nat(255), fc.nat(text().length), (at, byte, end) => {
        const source = text();
        try {
          parse((source.slice(0, at) + String.fromCharCode(byte) + source.slice(at + 1)).slice(0, end));
        } catch (error) {
          expect((error as Error).message).toMatch(/^NAR info file 'x.narinfo' is corrupt: /);
        }
      }),
    );
  });
});

describe('parseCacheInfo()', () => {
  it('reads what is there', () => {
    expect(parseCacheInfo('StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\nNew: x\n')).toEqual({
      storeDir: '/nix/store',
      wantMassQuery: true,
      priority: 40,
    });
    expect(parseCacheInfo('garbage\nPriority: x\n')).toEqual({ storeDir: null, wantMassQuery: false, priority: 0 });
  });
});
