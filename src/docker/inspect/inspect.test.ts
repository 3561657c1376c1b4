import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { testImage } from '../../../test/support/test-image.ts';
import type { TestFile } from '../../../test/support/test-image.ts';
import { compareJson, diffImages } from './diff.ts';
import { explainImage } from './explain.ts';
import { readImageContents } from './image-contents.ts';
import type { ImageContents } from './image-contents.ts';
import { lintImage } from './lint.ts';
import { storeGraph } from './store-graph.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-inspect-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

type Layers = readonly Readonly<Record<string, TestFile>>[];

async function contents(layers: Layers, config: Readonly<Record<string, unknown>> = {}): Promise<ImageContents> {
  return readImageContents(await testImage(dir, layers, config), dir);
}

const hash = (letter: string): string => letter.repeat(32);
const path = (letter: string, name: string): string => `nix/store/${hash(letter)}-${name}`;

describe('readImageContents()', () => {
  it('lays layers over one another as the specification says', async () => {
    const image = await contents([
      {
        d: '/',
        'd/gone': 'x',
        'd/kept': 'x',
        o: '/',
        'o/old': 'x',
        f: 'file',
        deep: '/',
        'deep/er': '/',
        'deep/er/x': '1',
      },
      {
        'd/.wh.gone': '',
        o: '/',
        'o/new': 'y',
        'o/.wh..wh..opq': '',
        f: '/',
        'f/in': 'z',
        '.wh.deep': '',
        link: '=> d/kept',
      },
    ]);
    expect([...image.files.keys()]).toEqual(['/d', '/d/kept', '/f', '/f/in', '/link', '/o', '/o/new']);
    expect(image.files.get('/link')!.contents).toEqual(image.files.get('/d/kept')!.contents);
    expect(image.files.get('/d/kept')!.layer).toBe(0);
    expect(image.layers[1]!.whiteouts).toEqual(['/d/gone', '/o/*', '/deep']);
  });
  it('has one file of a name, and none below what is no directory', async () => {
    const image = await contents([
      { a: 'file', 'a/b': '1', l: '-> /elsewhere', 'l/x': '1', d: '/', 'd/x': '1', './d/x': '22', '/d//x': '333' },
      { f: 'file', 'd/x/y/z': '1' },
      { 'f/in': '1', d: 'file' },
    ]);
    expect([...image.files].map(([name, { type, size }]) => `${name} ${type} ${size}`)).toEqual([
      '/a/b file 1',
      '/d file 4',
      '/f/in file 1',
      '/l/x file 1',
    ]);
    const flat = await contents([{ a: 'file', 'a/b': '1' }]);
    const other = await contents([{ 'a/b': '1' }]);
    expect((await diffImages(flat, other)).files).toEqual([]);
  });
  it('refuses links to nothing, and names that lead out', async () => {
    await expect(contents([{ link: '=> nothing' }])).rejects.toThrow(
      "'link' is a link to 'nothing', which is not there",
    );
    await expect(contents([{ '../x': 'y' }])).rejects.toThrow("the name '../x' leads out of the archive");
  });
});

describe('diffImages()', () => {
  const base: Layers = [{ bin: '/', 'bin/x': 'program', etc: '/' }, { 'etc/conf': 'a=1\n' }];
  const diff = async (before: Layers, after: Layers, options = {}) =>
    diffImages(await contents(before, { Env: ['A=1'] }), await contents(after, { Env: ['A=1'] }), options);

  it('finds nothing between an image and itself', async () => {
    expect(await diff(base, base)).toMatchObject({ same: true, config: [], files: [], paths: [] });
  });
  it('finds modes, owners, times, targets, types and contents of one size', async () => {
    const a: Layers = [{ m: 'x', o: 'x', t: 'x', l: '-> a', y: 'x', c: 'one', gone: '' }];
    const b: Layers = [
      {
        m: { text: 'x', mode: 0o600 },
        o: { text: 'x', uid: 5, uname: 'me' },
        t: { text: 'x', mtime: 2 },
        l: '-> b',
        y: '/',
        c: 'two',
        come: '',
      },
    ];
    const { same, files, layers } = await diff(a, b);
    expect(same).toBe(false);
    expect(files.map(({ path: at, change, fields }) => [at, change, ...fields.map((f) => f.field)])).toEqual([
      ['/c', 'changed', 'content'],
      ['/come', 'added'],
      ['/gone', 'removed'],
      ['/l', 'changed', 'target'],
      ['/m', 'changed', 'mode'],
      ['/o', 'changed', 'owner'],
      ['/t', 'changed', 'time'],
      ['/y', 'changed', 'type', 'mode'],
    ]);
    expect(files.find((file) => file.path === '/t')!.fields).toEqual([
      { field: 'time', before: '1970-01-01T00:00:01Z', after: '1970-01-01T00:00:02Z' },
    ]);
    expect(layers).toMatchObject([{ change: 'changed', before: 0, after: 0 }]);
  });
  it('leaves times out where asked', async () => {
    const result = await diff([{ t: 'x' }], [{ t: { text: 'x', mtime: 2 } }], { ignoreTimes: true });
    expect(result).toMatchObject({ same: true, files: [] });
  });
  it('sees which layers stayed', async () => {
    const { layers } = await diff(
      [{ a: '1' }, { b: '1' }, { c: '1' }],
      [{ a: '1' }, { x: '1' }, { c: '1' }, { d: '1' }],
    );
    expect(layers.map(({ change, before, after }) => [change, before, after])).toEqual([
      ['same', 0, 0],
      ['changed', 1, 1],
      ['same', 2, 2],
      ['added', null, 3],
    ]);
  });
  it('pairs store paths of one package', async () => {
    const before: Layers = [{ [path('a', 'hello-1.0')]: 'x', [path('b', 'lib-2')]: 'x', [path('c', 'gone')]: 'x' }];
    const after: Layers = [{ [path('d', 'hello-1.1')]: 'xy', [path('f', 'lib-2')]: 'y', [path('g', 'come')]: 'x' }];
    const { paths, files } = await diff(before, after, { hideNewPaths: true });
    expect(paths.map(({ name, before: a, after: b }) => [name, a?.slice(44), b?.slice(44)])).toEqual([
      ['come', undefined, 'come'],
      ['gone', 'gone', undefined],
      ['hello', 'hello-1.0', 'hello-1.1'],
      ['lib', 'lib-2', 'lib-2'],
    ]);
    expect(files).toEqual([]);
  });
  it('compares configurations field by field', () => {
    const before = { config: { Env: ['A=1', 'B=2'], Cmd: ['/x'], 'odd.key': 1 } };
    const after = { config: { Env: ['A=1', 'B=3', 'C=4'], Labels: { x: 'y' }, 'odd.key': 2 } };
    expect(compareJson(before, after)).toEqual([
      { field: 'config.Cmd', before: ['/x'], after: null },
      { field: 'config.Env[1]', before: 'B=2', after: 'B=3' },
      { field: 'config.Env[2]', before: null, after: 'C=4' },
      { field: 'config.Labels', before: null, after: { x: 'y' } },
      { field: 'config."odd.key"', before: 1, after: 2 },
    ]);
  });
});

describe('explainImage()', () => {
  // app -> lib -> libc, tool -> libc; the configuration names app, a link names tool.
  const layers: Layers = [
    { [path('c', 'libc')]: 'c'.repeat(1000) },
    { [path('b', 'lib')]: `${'b'.repeat(500)}/${path('c', 'libc')}` },
    { [path('a', 'app')]: `/${path('b', 'lib')}`, [path('d', 'tool')]: `/${path('c', 'libc')} /${path('d', 'tool')}` },
    { bin: '/', 'bin/tool': `-> /${path('d', 'tool')}` },
  ];
  const explain = async () =>
    explainImage(await contents(layers, { Cmd: [`/${path('a', 'app')}/bin/app`, `/${path('x', 'lost')}`] }));

  it('finds what brought each path in, and where it lies', async () => {
    const { paths, graph } = await explain();
    const find = (name: string) => paths.find((p) => p.path.endsWith(name))!;
    expect(find('libc').chain.map((step) => step.replace(/.*-/, ''))).toEqual(['/bin/tool', 'tool', 'libc']);
    expect(find('lib').chain.map((step) => step.replace(/.*-/, ''))).toEqual(['config', 'app', 'lib']);
    expect(find('lib').layers).toEqual([1]);
    expect(find('tool').references.map((p) => p.slice(44))).toEqual(['libc']);
    expect([...graph.missing]).toEqual([[`/${path('x', 'lost')}`, 'config']]);
  });
  it('knows what each path costs alone', async () => {
    const { paths } = await explain();
    const size = (name: string) => paths.find((p) => p.path.endsWith(name))!;
    expect(size('app').ownedSize).toBe(size('app').size + size('lib').size);
    expect(size('libc').ownedSize).toBe(1000);
    expect(size('app').closureSize).toBe(size('app').size + size('lib').size + 1000);
  });
  it('compares layerings by what a change sends again', async () => {
    const { layerings, layers: explained } = await explain();
    const cost = (name: string) => layerings.find((layering) => layering.name === name)!;
    expect(layerings[0]).toMatchObject({ name: 'as it is', layers: 4 });
    // Both tops lie in one layer.
    expect(cost('as it is').afterTopChange).toBe(explained[2]!.size);
    expect(cost('one layer per store path').afterTopChange).toBeLessThan(
      cost('one layer for all store paths').afterTopChange,
    );
  });
});

describe('lintImage()', () => {
  const lint = async (layers: Layers, config: Readonly<Record<string, unknown>> = {}, tags: readonly string[] = []) => {
    const image = await contents(layers, config);
    return (await lintImage(image, await storeGraph(image), tags)).map(({ rule, severity }) => `${severity}: ${rule}`);
  };
  const good: Layers = [{ tmp: { type: 'directory', mode: 0o1777 }, bin: '/', 'bin/x': { text: 'x', mode: 0o755 } }];

  it('has nothing to say of a good image', async () => {
    expect(await lint(good, { Cmd: ['/bin/x'], User: '1000' })).toEqual([]);
    expect(await lint(good, { Cmd: ['x'], Env: ['PATH=/sbin:/bin'], User: '1000' })).toEqual([]);
  });
  it.each<[string, Layers, Readonly<Record<string, unknown>>, string]>([
    ['no /tmp', [{ bin: '/' }], {}, 'warning: no-tmp'],
    ['a /tmp of root alone', [{ tmp: '/' }], {}, 'warning: no-tmp'],
    ['a root user', good, { User: 'root:root' }, 'warning: root-user'],
    ['a user by name', good, { User: 'app' }, 'error: unknown-user'],
    ['no command', good, { Entrypoint: ['/bin/y'] }, 'error: missing-command'],
    ['no command on PATH', good, { Cmd: ['y'], Env: ['PATH=/bin'] }, 'error: missing-command'],
    ['no PATH', good, { Cmd: ['x'] }, 'warning: no-path'],
    ['a missing store path', [{ l: `-> /${path('a', 'lost')}/x` }], {}, 'error: missing-store-path'],
    ['a rewritten link', [{ d: '/', 'd/l': '-> d/x', 'd/x': 'y' }], {}, 'warning: rewritten-link'],
    ['a dangling link', [{ l: '-> nowhere' }], {}, 'note: dangling-link'],
    ['a round link', [{ a: '-> b', b: '-> a' }], {}, 'note: dangling-link'],
    ['copies', [{ a: 'x'.repeat(70_000), b: 'x'.repeat(70_000) }], {}, 'note: duplicate-contents'],
    ['hidden files', [{ a: 'x'.repeat(70_000) }, { '.wh.a': '' }], {}, 'warning: overwritten-file'],
    ['setuid programs', [{ su: { text: 'x', mode: 0o4755 } }], {}, 'warning: setuid-file'],
    ['files for anybody', [{ f: { text: 'x', mode: 0o666 } }], {}, 'warning: world-writable'],
    ['too many layers', Array.from({ length: 128 }, (_, i) => ({ [`f${i}`]: '' })), {}, 'error: too-many-layers'],
  ])('finds %s', async (_, layers, config, expected) => {
    expect(await lint(layers, config)).toContain(expected);
  });
  it('finds tags that are hashes', async () => {
    expect(await lint(good, { User: '1' }, [`x:${hash('a')}`, 'x:latest'])).toEqual(['note: hash-tag']);
  });
  it('takes hard links and links into /proc for what they are', async () => {
    expect(await lint([...good, { a: 'x'.repeat(70_000), b: '=> a', m: '-> /proc/mounts' }], { User: '1' })).toEqual(
      [],
    );
  });
});
