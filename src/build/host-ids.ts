// As root, builders run under ids that own nothing on this machine, each build under ids of its own. They are taken from
// the range that Nix's auto-allocate-uids uses, with its lock files, so that Nix and tsnix never give out the same ids.
// Where the machine (a container) lacks that range: from the top of what it has.
import { closeSync, mkdirSync, readFileSync } from 'node:fs';
import { lockFds, openLockFile } from '../store/locks.ts';

export interface HostIds {
  readonly uid: number;
  readonly gid: number;
  /** How many ids from `uid` (and `gid`) on belong to this build: 65536, or 1 where ids are few. */
  readonly count: number;
}

/** start-id and id-count of Nix. */
const firstId = 872415232;
const idCount = 128 * 65536;
const slotSize = 65536;

interface Pool {
  readonly first: number;
  readonly step: number;
  readonly slots: number;
}

interface Slot {
  readonly number: number;
  readonly fd: number;
  used: boolean;
}

let pool: Pool | undefined | null = null;
const slots: Slot[] = [];

/** undefined: this process is not root, or has no ids but its own. */
function findPool(): Pool | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const ranges = readFileSync('/proc/self/uid_map', 'latin1')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number, number]);
  const has = (first: number, count: number): boolean =>
    ranges.some(([inside, , size]) => inside <= first && first + count <= inside + size);
  if (has(firstId, idCount)) return { first: firstId, step: slotSize, slots: idCount / slotSize };
  // Above the ids of people and packages, below nobody (65534).
  for (const first of [65000, 30000]) if (has(first, 128)) return { first, step: 1, slots: 128 };
  return undefined;
}

/**
 * Ids for one build, to be given back with releaseHostIds().
 * @returns undefined where the builder must run under the caller's own id
 */
export function acquireHostIds(stateDir: string): HostIds | undefined {
  if (pool === null) pool = findPool();
  if (pool === undefined) return undefined;
  const free = slots.find((slot) => !slot.used) ?? lockSlot(pool, stateDir);
  if (free === undefined) throw new Error(`all ${pool.slots} ids for builders are in use`);
  free.used = true;
  const id = pool.first + free.number * pool.step;
  return { uid: id, gid: id, count: pool.step };
}

export function releaseHostIds(ids: HostIds): void {
  if (pool === null || pool === undefined) return;
  const number = (ids.uid - pool.first) / pool.step;
  const slot = slots.find((candidate) => candidate.number === number);
  if (slot !== undefined) slot.used = false;
}

/** A slot stays locked until this process ends: taking one costs a helper process. */
function lockSlot(from: Pool, stateDir: string): Slot | undefined {
  const directory = `${stateDir}/userpool2`;
  mkdirSync(directory, { recursive: true });
  for (let number = 0; number < from.slots; number++) {
    if (slots.some((slot) => slot.number === number)) continue;
    const fd = openLockFile(`${directory}/slot-${number}`);
    if (lockFds([{ fd }], false)) {
      const slot = { number, fd, used: false };
      slots.push(slot);
      return slot;
    }
    closeSync(fd);
  }
  return undefined;
}
