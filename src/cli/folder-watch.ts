// Says early that something may have happened in folders. A hint and no more: not every file system tells, there may be too
// many folders, and events get lost, so who waits looks for himself from time to time.
import { watch, type FSWatcher } from 'node:fs';
import { basename } from 'node:path';
import { fsPath } from '../util/bytes.ts';

/** The kernel has room for 8,192 of a user on some machines; others want some, too. */
const MAX_FOLDERS = 4000;

export class FolderWatch {
  private readonly watchers = new Map<string, FSWatcher>();
  private readonly touched = new Set<string>();
  private wake: (() => void) | null = null;

  /** Watches these, as far as that works, and no others any more. Paths are byte strings. */
  follow(folders: ReadonlySet<string>): void {
    for (const [folder, watcher] of this.watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.watchers.delete(folder);
    }
    for (const folder of folders) {
      if (this.watchers.has(folder)) continue;
      if (this.watchers.size >= MAX_FOLDERS || !this.add(folder)) break;
    }
  }

  /** @returns false where there is no room for more */
  private add(folder: string): boolean {
    try {
      const watcher = watch(fsPath(folder), { encoding: 'latin1' }, (event, name) => {
        if (name !== null) this.touch(`${folder}/${name}`, event);
        // What happens to a folder itself comes under its own name.
        if (name === null || name === basename(folder)) this.touch(folder, event);
      });
      watcher.on('error', () => {
        this.drop(folder);
      });
      this.watchers.set(folder, watcher);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code !== 'ENOSPC' && code !== 'EMFILE';
    }
  }

  private drop(folder: string): void {
    this.watchers.get(folder)?.close();
    this.watchers.delete(folder);
  }

  private touch(path: string, event: string): void {
    if (event === 'rename') this.drop(path); // perhaps another one has its name now
    this.touched.add(path);
    this.wake?.();
  }

  /** What was touched since this was asked last, or at the latest after `ms`: then perhaps nothing. */
  async wait(ms: number): Promise<string[]> {
    if (this.touched.size === 0) {
      await new Promise<void>((done) => {
        const timer = setTimeout(done, ms);
        this.wake = () => {
          clearTimeout(timer);
          done();
        };
      });
      this.wake = null;
    }
    const touched = [...this.touched];
    this.touched.clear();
    return touched;
  }

  close(): void {
    this.follow(new Set());
  }
}
