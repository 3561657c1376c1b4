// What the command line itself looks at, outside of EvalIo, noted so that an answer without Node (quick-answer.ts) can
// tell whether it would see the same.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';

/** Links are followed. */
export type Seen = 'nothing' | 'folder' | 'other';

export interface Looks {
  readonly seen: Map<string, Seen>;
  /** Those whose contents were read too. */
  readonly read: Set<string>;
  /** Something was seen to change. */
  contradiction: boolean;
}

let looks: Looks | undefined;

/** From now on looks are noted. */
export function noteLooks(): Looks {
  return (looks = { seen: new Map(), read: new Set(), contradiction: false });
}

export function lookAt(path: string): Seen {
  const seen = see(path);
  if (looks !== undefined) {
    const full = resolve(path);
    if ((looks.seen.get(full) ?? seen) !== seen) looks.contradiction = true;
    looks.seen.set(full, seen);
  }
  return seen;
}

/** As `existsSync`. */
export function isThere(path: string): boolean {
  return lookAt(path) !== 'nothing';
}

/** The contents are read now. */
export function noteRead(path: string): void {
  looks?.read.add(resolve(path));
}

export function see(path: string): Seen {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? 'nothing' : stat.isDirectory() ? 'folder' : 'other';
  } catch {
    return 'nothing';
  }
}
