import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Region } from './archive.ts';
import { archiveTree, flattenLayers, resolveInTree } from './archive-tree.ts';
import type { TarHeader } from './gnu-tar.ts';
import { packTar } from './tar-packer.ts';
import type { TarMember } from './tar-packer.ts';
import { sortedNames } from './tree.ts';
import type { DirectoryNode, TreeNode } from './tree.ts';

let dir: string;
let count = 0;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'archive-tree-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

function member(name: string, contents = '', extra: Partial<TarHeader> = {}): TarMember {
  const owner = { uid: 0, gid: 0, uname: '', gname: '' };
  const type = name.endsWith('/') ? 'directory' : 'file';
  const header = {
    name,
    type,
    mode: 0o644,
    ...owner,
    mtime: 0,
    linkName: '',
    size: contents.length,
    ...extra,
  } as const;
  return { header, contents: { kind: 'bytes', bytes: Buffer.from(contents) } };
}

function archive(...members: TarMember[]): Region {
  const path = join(dir, `a${count++}`);
  writeFileSync(path, Buffer.concat([...packTar(members)]));
  return { path, offset: 0, size: statSync(path).size };
}

/** `a/ a/b:3 l>target`: directories, files with their sizes, symlinks. */
function show(node: DirectoryNode, prefix = ''): string[] {
  return sortedNames(node.entries).flatMap((name) => {
    const entry: TreeNode = node.entries.get(name)!;
    const path = prefix + name;
    if (entry.type === 'directory') return [`${path}/`, ...show(entry, `${path}/`)];
    if (entry.type === 'symlink') return [`${path}>${entry.target}`];
    return [entry.type === 'file' ? `${path}:${entry.size}` : `${path}=${entry.type}`];
  });
}

function flatten(...layers: TarMember[][]): Promise<DirectoryNode> {
  return flattenLayers(layers.map((members, i) => ({ archive: archive(...members), what: `layer ${i}` })));
}

describe('archiveTree()', () => {
  it('reads members in any order, the later of a name wins', async () => {
    const tree = await archiveTree(archive(member('a/b', 'x'), member('./a/'), member('/a//b', 'yy')), 'it');
    expect(show(tree)).toEqual(['a/', 'a/b:2']);
  });
  it('keeps hard links as one file', async () => {
    const tree = await archiveTree(
      archive(member('a', 'x'), member('d/l', '', { type: 'link', linkName: './a' })),
      'it',
    );
    const [a, d] = [tree.entries.get('a'), tree.entries.get('d')];
    expect(d?.type === 'directory' && d.entries.get('l')).toBe(a);
    expect(a).toMatchObject({ type: 'file', size: 1 });
  });
  it.each([
    ['a name that leads out', member('a/../../etc/passwd', 'x'), 'leads out of the archive'],
    [
      'a link that leads out',
      member('l', '', { type: 'link', linkName: '../../etc/passwd' }),
      'leads out of the archive',
    ],
    ['a link to nothing', member('l', '', { type: 'link', linkName: 'none' }), 'which is not there'],
  ])('refuses %s', async (_, bad, message) => {
    await expect(archiveTree(archive(bad), 'it')).rejects.toThrow(message);
  });
  it('puts nothing behind a symlink', async () => {
    const link = member('etc', '', { type: 'symlink', linkName: '/etc' });
    const tree = await archiveTree(archive(link, member('etc/passwd', 'x')), 'it');
    expect(show(tree)).toEqual(['etc/', 'etc/passwd:1']);
  });
});

describe('flattenLayers()', () => {
  it('lays the first layer lowest', async () => {
    expect(show(await flatten([member('a', '1'), member('b', '1')], [member('a', '22')]))).toEqual(['a:2', 'b:1']);
  });
  it('whiteouts delete what lies below, not what their own layer brings', async () => {
    const tree = await flatten(
      [member('d/'), member('d/a', '1'), member('d/b', '1'), member('f', '1')],
      [member('d/.wh.a'), member('.wh.f'), member('d/b', '22'), member('d/.wh.b')],
    );
    expect(show(tree)).toEqual(['d/', 'd/b:2']);
  });
  it('opaque directories hide all below, in any order of members', async () => {
    const lower = [member('d/'), member('d/a', '1'), member('d/sub/'), member('d/sub/b', '1')];
    const opaque = member('d/.wh..wh..opq');
    expect(show(await flatten(lower, [member('d/'), opaque, member('d/new', '1')]))).toEqual(['d/', 'd/new:1']);
    expect(show(await flatten(lower, [member('d/'), member('d/sub/c', '1'), opaque]))).toEqual([
      'd/',
      'd/sub/',
      'd/sub/c:1',
    ]);
  });
  it('keeps attributes of the topmost layer and what a directory holds', async () => {
    const tree = await flatten(
      [member('d/', '', { mode: 0o755 }), member('d/a', '1')],
      [member('d/', '', { mode: 0o700, uid: 5 })],
    );
    expect(tree.entries.get('d')).toMatchObject({ mode: 0o700, uid: 5 });
    expect(show(tree)).toEqual(['d/', 'd/a:1']);
  });
  it('a file replaces a directory, a directory a file', async () => {
    const tree = await flatten(
      [member('d/'), member('d/a', '1'), member('f', '1')],
      [member('d', '22'), member('f/'), member('f/x', '1')],
    );
    expect(show(tree)).toEqual(['d:2', 'f/', 'f/x:1']);
  });
  it('takes device nodes as they are', async () => {
    const device = member('null', '', { type: 'char', deviceMajor: 1, deviceMinor: 3 });
    expect((await flatten([device])).entries.get('null')).toMatchObject({
      type: 'char',
      deviceMajor: 1,
      deviceMinor: 3,
    });
  });
});

describe('resolveInTree()', () => {
  it('follows symlinks inside, and none that lead out or round', async () => {
    const link = (name: string, linkName: string) => member(name, '', { type: 'symlink', linkName });
    const tree = await archiveTree(
      archive(
        member('id/'),
        link('id/layer.tar', '../x.tar'),
        member('x.tar', 'abc'),
        link('out', '../../x.tar'),
        link('loop', 'loop'),
        link('abs', '/x.tar'),
      ),
      'it',
    );
    expect(resolveInTree(tree, 'id/layer.tar')).toMatchObject({ type: 'file', size: 3 });
    for (const path of ['out', 'loop', 'abs', 'none', 'x.tar/y', '../x.tar'])
      expect(resolveInTree(tree, path)).toBeUndefined();
  });
});
