// A tree that commands in a sandbox have made, with what a store can't hold: modes, owners, hard links, device nodes.
// The sandboxed step leaves a directory with `tree` (the files) and `members`, one record per file as coreutils' stat
// prints it with RECORD_FORMAT, ended by NUL. What lies on disk decides what there is; records only describe it.
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { safeParts } from './archive.ts';
import { materialise } from './materialise.ts';
import { sortedNames } from './tree.ts';
import type { DirectoryNode, TreeNode } from './tree.ts';

/** Raw mode (hexadecimal), owner, group, identity, number of links, device (hexadecimal), name below `.`. */
export const RECORD_FORMAT = '%f %u %g %d:%i %h %t:%T %n\\0';

interface FileRecord {
  readonly rawMode: number;
  readonly uid: number;
  readonly gid: number;
  readonly identity: string | undefined;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const TYPE_MASK = 0o170000;
const SPECIAL_TYPES: ReadonlyMap<number, 'char' | 'block' | 'fifo'> = new Map([
  [0o020000, 'char'],
  [0o060000, 'block'],
  [0o010000, 'fifo'],
]);

function parseRecords(text: string): Map<string, FileRecord> {
  const records = new Map<string, FileRecord>();
  for (const line of text.split('\0')) {
    if (line === '') continue;
    const found = /^([0-9a-f]+) ([0-9]+) ([0-9]+) ([0-9]+:[0-9]+) ([0-9]+) ([0-9a-f]+):([0-9a-f]+) ([^]*)$/.exec(line);
    if (found === null) throw new StoreError(`cannot understand the record '${line}' of a layer's files`);
    const [, mode, uid, gid, identity, links, major, minor, name] = found;
    records.set(safeParts(name!, 'the records of a layer').join('/'), {
      rawMode: parseInt(mode!, 16),
      uid: Number(uid),
      gid: Number(gid),
      identity: Number(links) > 1 ? identity : undefined,
      deviceMajor: parseInt(major!, 16),
      deviceMinor: parseInt(minor!, 16),
    });
  }
  return records;
}

function attributes(records: ReadonlyMap<string, FileRecord>, path: string) {
  const record = records.get(path);
  if (record === undefined) throw new StoreError(`there is no record of '/${path}' among a layer's files`);
  return { record, base: { mode: record.rawMode & 0o7777, uid: record.uid, gid: record.gid } };
}

function readNode(real: string, path: string, records: ReadonlyMap<string, FileRecord>): TreeNode {
  const stats = lstatSync(fsPath(real));
  const { record, base } = attributes(records, path);
  const special = SPECIAL_TYPES.get(record.rawMode & TYPE_MASK);
  if (special !== undefined) {
    return { type: special, ...base, deviceMajor: record.deviceMajor, deviceMinor: record.deviceMinor };
  }
  if (stats.isSymbolicLink()) {
    return { type: 'symlink', ...base, mode: 0o777, target: readlinkSync(fsPath(real), { encoding: 'latin1' }) };
  }
  if (stats.isFile()) {
    const identity = record.identity === undefined ? {} : { identity: record.identity };
    return { type: 'file', ...base, size: stats.size, path: real, ...identity };
  }
  const entries = new Map<string, TreeNode>();
  for (const name of readdirSync(fsPath(real), { encoding: 'latin1' })) {
    entries.set(name, readNode(`${real}/${name}`, path === '' ? name : `${path}/${name}`, records));
  }
  return { type: 'directory', ...base, entries };
}

/**
 * Reads what a sandboxed step has left in `dir` (a real path).
 * @throws StoreError where files and records don't fit
 */
export function readRecordedTree(dir: string): DirectoryNode {
  const records = parseRecords(readFileSync(fsPath(`${dir}/members`), 'latin1'));
  const root = readNode(`${dir}/tree`, '', records);
  if (root.type !== 'directory') throw new StoreError(`'${dir}/tree' is not a directory`);
  // What a store can't hold at all lives in the records alone.
  for (const [path, record] of records) {
    const type = SPECIAL_TYPES.get(record.rawMode & TYPE_MASK);
    if (type === undefined) continue;
    const parts = path.split('/');
    const name = parts.pop()!;
    let parent: TreeNode | undefined = root;
    for (const part of parts) parent = parent?.type === 'directory' ? parent.entries.get(part) : undefined;
    if (parent?.type !== 'directory') {
      throw new StoreError(`there is no directory for '/${path}' among a layer's files`);
    }
    const { deviceMajor, deviceMinor } = record;
    parent.entries.set(name, { type, ...attributes(records, path).base, deviceMajor, deviceMinor });
  }
  return root;
}

const RAW_TYPES: Readonly<Record<TreeNode['type'], number>> = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
};

function addTo(lists: Map<string, string[]>, key: string, path: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [`${path}\0`]);
  else list.push(`${path}\0`);
}

/** What has to be done to the files of `tree` to make them what they were; paths end in NUL. */
class Lists {
  readonly members: string[] = [];
  readonly owners = new Map<string, string[]>();
  readonly modes = new Map<string, string[]>();
  /** Pairs: an earlier name of a file and a further one. */
  readonly links: string[] = [];
  /** Quadruples: path, kind as mknod has it, major, minor. */
  readonly devices: string[] = [];
  readonly #first = new Map<string, string>();
  readonly #identities = new Map<string, number>();

  add(node: TreeNode, path: string): void {
    const identity = node.type === 'file' ? node.identity : undefined;
    const number = identity === undefined ? 0 : (this.#identities.get(identity) ?? this.#identities.size + 1);
    if (identity !== undefined) this.#identities.set(identity, number);
    const rawMode = (RAW_TYPES[node.type] | node.mode).toString(16);
    const [major, minor] = 'deviceMajor' in node ? [node.deviceMajor, node.deviceMinor] : [0, 0];
    const device = `${major.toString(16)}:${minor.toString(16)}`;
    const links = identity === undefined ? 1 : 2;
    this.members.push(`${rawMode} ${node.uid} ${node.gid} 0:${number} ${links} ${device} ./${path}\0`);
    if (path !== '') this.#restore(node, `./${path}`, identity, [major, minor]);
    if (node.type !== 'directory') return;
    for (const name of sortedNames(node.entries)) {
      this.add(node.entries.get(name)!, path === '' ? name : `${path}/${name}`);
    }
  }

  #restore(node: TreeNode, path: string, identity: string | undefined, device: readonly [number, number]): void {
    const first = identity === undefined ? undefined : this.#first.get(identity);
    if (first !== undefined) {
      this.links.push(`${first}\0${path}\0`);
      return;
    }
    if (identity !== undefined) this.#first.set(identity, path);
    const kind = { char: 'c', block: 'b', fifo: 'p', directory: '', file: '', symlink: '' }[node.type];
    if (kind !== '') this.devices.push(`${path}\0${kind}\0${device[0]}\0${device[1]}\0`);
    const owner = `${node.uid}:${node.gid}`;
    if (owner !== '0:0') addTo(this.owners, owner, path);
    if (node.type === 'symlink') return;
    addTo(this.modes, node.mode.toString(8), path);
  }
}

/**
 * Records a tree in the new directory `dir`: `tree` and `members` as above, and for shells that lay it out again the
 * lists `owners/UID:GID`, `modes/OCTAL`, `links` and `devices`.
 */
export async function writeRecordedTree(tree: DirectoryNode, dir: string, signal?: AbortSignal): Promise<void> {
  const lists = new Lists();
  lists.add(tree, '');
  for (const sub of ['', '/owners', '/modes']) await mkdir(fsPath(dir + sub));
  await materialise(tree, `${dir}/tree`, signal);
  const write = (name: string, lines: readonly string[]) =>
    writeFile(fsPath(`${dir}/${name}`), lines.join(''), 'latin1');
  await write('members', lists.members);
  await write('links', lists.links);
  await write('devices', lists.devices);
  for (const [owner, paths] of lists.owners) await write(`owners/${owner}`, paths);
  for (const [mode, paths] of lists.modes) await write(`modes/${mode}`, paths);
}
