// A tree that commands in a sandbox have made, with what a store can't hold: modes, owners, hard links, device nodes.
// The sandboxed step leaves a directory with `tree` (the files) and `members`, one record per file as coreutils' stat
// prints it with RECORD_FORMAT, ended by NUL. What lies on disk decides what there is; records only describe it.
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { StoreError } from '../util/errors.ts';
import { safeParts } from './archive.ts';
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
  for (const [path, record] of records) {
    const type = SPECIAL_TYPES.get(record.rawMode & TYPE_MASK);
    if (type === undefined) continue;
    const parts = path.split('/');
    const name = parts.pop()!;
    let parent: TreeNode | undefined = root;
    for (const part of parts) parent = parent?.type === 'directory' ? parent.entries.get(part) : undefined;
    if (parent?.type !== 'directory')
      throw new StoreError(`there is no directory for '/${path}' among a layer's files`);
    const { deviceMajor, deviceMinor } = record;
    parent.entries.set(name, { type, ...attributes(records, path).base, deviceMajor, deviceMinor });
  }
  return root;
}
