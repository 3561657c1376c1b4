// How much more V8's heap can take. Past its limit V8 ends the process with a dump of its own, so whoever makes much asks
// before.
import v8 from 'node:v8';

/** With less than this part of the heap free V8 collects all the time, or gives up: a tenth may be holes. */
const RESERVE = 0.15;
/** After a collection that was asked for there must be more: else one would follow the other. */
const RESERVE_AFTER_COLLECTION = 0.2;

/** So much more than is allowed there may be before garbage is collected, as a part of it. */
const GARBAGE = 0.1;

/** The limit counts in what is for young objects (at most so much), which old ones cannot have. */
const YOUNG_BYTES = 96 << 20;

/** Whether there are `bytes` more. Takes half a microsecond, and a collection where the heap is nearly full. */
export function hasHeapRoom(bytes: number): boolean {
  if (isFree(bytes, RESERVE)) return true;
  collectGarbage();
  return isFree(bytes, RESERVE_AFTER_COLLECTION);
}

function isFree(bytes: number, reserve: number): boolean {
  const { used_heap_size: used, heap_size_limit: limit } = v8.getHeapStatistics();
  return used + bytes < (limit - YOUNG_BYTES) * (1 - reserve);
}

/** Whether the heap holds more than `max` bytes when so many more are taken. What is garbage does not count. */
export function isHeapAbove(max: number, bytes: number): boolean {
  const above = (limit: number): boolean => v8.getHeapStatistics().used_heap_size + bytes > limit;
  // Collected only where that can be worth its time.
  if (!above(max + max * GARBAGE)) return false;
  collectGarbage();
  return above(max);
}

let gc: (() => void) | undefined;

/** Now. Takes tens of milliseconds, and V8 then bounds the heap by what it found alive. */
export function collectGarbage(): void {
  if (gc === undefined) {
    v8.setFlagsFromString('--expose-gc');
    // Not imported: not known to work in a snapshot that is being made.
    gc = process.getBuiltinModule('node:vm').runInNewContext('gc') as () => void;
    v8.setFlagsFromString('--no-expose-gc');
  }
  gc();
}
