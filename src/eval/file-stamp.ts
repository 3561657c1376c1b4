// What tells, without reading it, that a file is the one that was seen before.

export interface FileStamp {
  readonly size: number;
  /** Milliseconds, with the fractions that a number holds (a quarter of a microsecond). */
  readonly mtimeMs: number;
  /** Nobody can set this one back. */
  readonly ctimeMs: number;
  readonly ino: number;
  readonly dev: number;
}

/**
 * A file changed this shortly before it was looked at may change again with the same stamp: clocks of file systems tick
 * in steps, some of 2 seconds. What is that recent, or comes from the future, is compared by its contents.
 */
export const RECENT_MS = 2500;

export function isRecent(stamp: FileStamp, nowMs: number): boolean {
  return Math.max(stamp.mtimeMs, stamp.ctimeMs) > nowMs - RECENT_MS;
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.ino === b.ino && a.dev === b.dev;
}
