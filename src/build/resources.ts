// What the builds of one call share, one after the other.
import { lstatSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildStore } from './build-store.ts';
import type { InputKind } from './sandbox/layout.ts';
import { HelperPool } from './sandbox/perl.ts';

export class BuildResources {
  readonly helpers = new HelperPool();
  private readonly store: BuildStore;
  private readonly kinds = new Map<StorePath, InputKind>();

  constructor(store: BuildStore) {
    this.store = store;
  }

  /** Of a valid path, which does not change. */
  kindOf(path: StorePath): InputKind {
    let kind = this.kinds.get(path);
    if (kind === undefined) {
      const stat = lstatSync(fsPath(this.store.realPath(path)));
      kind = stat.isSymbolicLink() ? 'symlink' : stat.isDirectory() ? 'directory' : 'file';
      this.kinds.set(path, kind);
    }
    return kind;
  }

  /** Outputs were replaced. */
  forgetPaths(): void {
    this.kinds.clear();
  }

  /** Settles when nothing of it is left. All builds have ended. */
  close(): Promise<void> {
    return this.helpers.close();
  }
}
