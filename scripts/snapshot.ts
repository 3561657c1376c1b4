// Makes the start-up snapshot (src/cli/snapshot.ts) with the Node that will start from it; it fits no other.
//
// Node's cache of code for its own modules is taken out of it: 4 MB that cost 9 ms in every start, for modules that are in
// the snapshot anyway. (The snapshot's own option for that, withoutCodeCache, throws away the compiled code of the program
// as well.) In the file of Node 26 the cache comes last: a count, then for each module its id and its code, both with their
// lengths, 64 bits, little-endian.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Smallest and largest number of modules that is believed. */
const counts = [100, 2000] as const;

function length(blob: Buffer, at: number): number {
  return at + 8 <= blob.length ? Number(blob.readBigUInt64LE(at)) : -1;
}

/** Where the entry ends that begins at `at`; -1 if none does. */
function entryEnd(blob: Buffer, at: number): number {
  const id = length(blob, at);
  if (id <= 0 || id > 200 || at + 16 + id > blob.length) return -1;
  for (let i = at + 8; i < at + 8 + id; i++) if (blob[i]! < 0x21 || blob[i]! > 0x7e) return -1;
  const code = length(blob, at + 8 + id);
  const end = at + 16 + id + code;
  return code > 0 && end <= blob.length ? end : -1;
}

/** The snapshot with no code in the cache; undefined where there is nothing that looks like a cache. */
function stripSnapshot(blob: Buffer): Buffer | undefined {
  for (let at = 0; at + 8 < blob.length; at++) {
    // Counts fit in two bytes: most places are ruled out at once.
    if (blob[at + 2] !== 0 || blob[at + 3] !== 0 || blob[at + 8] === 0) continue;
    const count = length(blob, at);
    if (count < counts[0] || count > counts[1]) continue;
    let end = at + 8;
    let found = 0;
    for (let next; end < blob.length && (next = entryEnd(blob, end)) >= 0; end = next) found++;
    if (found !== count || end !== blob.length) continue;
    const stripped = Buffer.from(blob.subarray(0, at + 8));
    stripped.fill(0, at);
    return stripped;
  }
  return undefined;
}

/**
 * V8 knows of variables that never change only in functions with few of them. All of the program's classes and functions
 * are variables of one: with this, compiled code has them as constants (`instanceof` in line, calls without looking).
 * What is compiled later, in runs, has them too.
 */
const constants = '--function-context-cells-max-size';

/** The option for it, where this Node has it. */
function constantsOption(node: string): string[] {
  const known = execFileSync(node, ['--v8-options'], { encoding: 'utf8' });
  return known.includes(constants) ? [`${constants}=1000000`] : [];
}

/** Whether `node` starts with the snapshot, and the program in it runs. */
function works(node: string, blob: string, main: string): boolean {
  const args = ['nix-instantiate', '--eval', '--store', 'dummy://', '-E', 'builtins.hashString "sha256" "" != 1 + 1'];
  const { stdout } = spawnSync(node, ['--snapshot-blob', blob, main, ...args], { encoding: 'utf8' });
  return stdout === 'true\n';
}

/**
 * The flags of bin/tsnix that V8 wants to see again before it takes compiled code: all but those that parts.ts settles. Where
 * they differ, it compiles anew.
 */
const flags = [
  '--invocation-count-for-maglev=1000',
  '--invocation-count-for-turbofan=200000',
  '--no-rehash-snapshot',
  '--no-verify-snapshot-checksum',
];

/** What V8 makes of the parts, for a process that starts with the snapshot; none where that fails. */
function makeCode(node: string, blob: string, main: string, file: string): void {
  const { status } = spawnSync(node, [...flags, '--snapshot-blob', blob, main, 'tsnix', 'parts-code', file]);
  if (status !== 0) rmSync(file, { force: true });
}

/**
 * Makes `blob`, and a file of code beside it, from the bundle `dist`/snapshot.cjs; makes none where it would not run.
 * @throws where `node` can't make one
 */
export function makeSnapshot(node: string, dist: string, sample: string, blob: string): void {
  const fresh = `${blob}.fresh`;
  const stripped = `${blob}.stripped`;
  const main = join(dist, 'main.cjs');
  try {
    execFileSync(
      node,
      [
        ...constantsOption(node),
        '--no-flush-bytecode',
        '--snapshot-blob',
        fresh,
        '--build-snapshot',
        join(dist, 'snapshot.cjs'),
      ],
      { env: { ...process.env, TSNIX_SNAPSHOT_SAMPLE: sample }, stdio: 'inherit' },
    );
    const smaller = stripSnapshot(readFileSync(fresh));
    if (smaller !== undefined) writeFileSync(stripped, smaller, { flush: true });
    const chosen = [stripped, fresh].find((candidate) => works(node, candidate, main));
    if (chosen === undefined) return;
    makeCode(node, chosen, main, blob.replace(/\.blob$/, '.code'));
    renameSync(chosen, blob);
  } finally {
    for (const file of [fresh, stripped]) rmSync(file, { force: true });
  }
}
