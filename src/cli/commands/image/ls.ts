// `tsnix image ls`: the files of an image, as they lie over one another, or layer by layer.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageFor } from '../../../docker/image/copy.ts';
import { configOf, imageFileSystem, layerMembers, layerName } from '../../../docker/image/image-files.ts';
import type { SourceImage } from '../../../docker/image/source.ts';
import type { TarHeader } from '../../../docker/gnu-tar.ts';
import { sortedNames } from '../../../docker/tree.ts';
import type { TreeNode } from '../../../docker/tree.ts';
import { fromUtf8, utf8 } from '../../../util/bytes.ts';
import { StoreError, UsageError } from '../../../util/errors.ts';
import { humanSize } from '../../../util/human-size.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import type { ParsedFlags } from '../../flags.ts';
import { print } from '../../output.ts';
import { wantedPlatform } from './deliver.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG, SELECT_FLAGS, SETTING_FLAGS } from './made-image.ts';
import { REGISTRY_FLAGS } from './registry-flags.ts';

interface Listed {
  /** A byte string. */
  readonly path: string;
  readonly type: TarHeader['type'];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly target?: string;
}

const LETTERS = { file: '-', link: 'h', symlink: 'l', char: 'c', block: 'b', directory: 'd', fifo: 'p' } as const;

/** As `ls -l` has it: `-rwxr-xr-x`. */
function permissions({ type, mode }: Listed): string {
  const bits = Array.from('rwxrwxrwx', (letter, i) => ((mode >> (8 - i)) & 1 ? letter : '-'));
  const special = (bit: number, at: number, letter: string): void => {
    if (mode & bit) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, 's');
  special(0o2000, 5, 's');
  special(0o1000, 8, 't');
  return LETTERS[type] + bits.join('');
}

function line(item: Listed, long: boolean): string {
  // Names may hold anything; on a terminal they must not.
  const clean = (name: string): string =>
    name.replace(/[\x00-\x1f\x7f\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const target = item.target === undefined ? '' : `${item.type === 'link' ? ' link to ' : ' -> '}${clean(item.target)}`;
  if (!long) return `${clean(item.path)}\n`;
  const owner = `${item.uid}/${item.gid}`;
  return `${permissions(item)} ${owner.padEnd(9)} ${String(item.size).padStart(10)} ${clean(item.path)}${target}\n`;
}

function json(item: Listed): object {
  const { path, type, mode, uid, gid, size, target } = item;
  return {
    path: fromUtf8(path),
    type,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    ...(type === 'file' ? { size } : {}),
    ...(target === undefined ? {} : { target: fromUtf8(target) }),
  };
}

function* walk(node: TreeNode, path: string): Generator<Listed> {
  const { type, mode, uid, gid } = node;
  yield {
    path,
    type,
    mode,
    uid,
    gid,
    size: node.type === 'file' ? node.size : 0,
    ...(node.type === 'symlink' ? { target: node.target } : {}),
  };
  if (node.type !== 'directory') return;
  for (const name of sortedNames(node.entries))
    yield* walk(node.entries.get(name)!, `${path === '/' ? '' : path}/${name}`);
}

async function listTree(image: SourceImage, from: string, flags: ParsedFlags, signal: AbortSignal): Promise<void> {
  const tmp = await mkdtemp(join(tmpdir(), 'tsnix-image-'));
  try {
    let node: TreeNode | undefined = await imageFileSystem(image, tmp, signal);
    const parts = utf8(from)
      .split('/')
      .filter((part) => part !== '' && part !== '.');
    for (const part of parts) node = node?.type === 'directory' ? node.entries.get(part) : undefined;
    if (node === undefined) throw new StoreError(`${image.what} has no file '${utf8(from)}'`);
    const items = walk(node, `/${parts.join('/')}`);
    if (flags.has('json')) print(`${utf8(JSON.stringify([...items].map(json)))}\n`);
    else for (const item of items) print(line(item, flags.has('long')));
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
}

async function listLayers(image: SourceImage, flags: ParsedFlags, signal: AbortSignal): Promise<void> {
  const long = flags.has('long');
  const out: object[] = [];
  for (const [i, layer] of image.layers.entries()) {
    const digest = layer.descriptor?.digest ?? layer.diffId;
    if (!flags.has('json')) {
      const size = layer.descriptor === undefined ? '' : `  ${humanSize(layer.descriptor.size)}`;
      print(utf8(`${i === 0 ? '' : '\n'}layer ${i + 1}  ${digest ?? layer.label}${size}\n`));
    }
    const files: Listed[] = [];
    for await (const { header } of layerMembers(layer, layerName(image, i), signal)) {
      const { name, type, mode, uid, gid, size, linkName } = header;
      const item: Listed = { path: name, type, mode, uid, gid, size, ...(linkName === '' ? {} : { target: linkName }) };
      if (flags.has('json')) files.push(item);
      else print(line(item, long));
    }
    out.push({ digest, size: layer.descriptor?.size, compression: layer.compression, files: files.map(json) });
  }
  if (flags.has('json')) print(`${utf8(JSON.stringify(out))}\n`);
}

export const ls: ImageCommand = {
  usage: 'ls [IMAGE] [PATH]',
  describe:
    'List the files of an image\nAs they lie over one another (whiteouts applied), or with --layers layer by layer as they are.',
  flags: [
    flag('long', 'with modes, owners, sizes and targets', { short: 'l' }),
    flag('layers', 'layer by layer, with their sizes'),
    flag('json', 'print JSON'),
    PLATFORM_FLAG,
    ...SETTING_FLAGS,
    ...REGISTRY_FLAGS,
    ...SELECT_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const built = ['expr', 'file', 'attr'].some((name) => flags.has(name));
    const [word, path, ...more] = built ? [undefined, ...flags.positionals] : flags.positionals;
    if ((word === undefined && !built) || more.length > 0) throw new UsageError('usage: tsnix image ls IMAGE [PATH]');
    return await interruptible(async (signal) => {
      const source = await imageArgument(flags, config, word, signal);
      try {
        const image = await imageFor(await source.open(), wantedPlatform(flags, config));
        configOf(image);
        if (flags.has('layers')) await listLayers(image, flags, signal);
        else await listTree(image, path ?? '/', flags, signal);
        return 0;
      } finally {
        await source.close();
      }
    });
  },
};
