// Descriptions of host tools on disk, one file each, safe to delete. A description is used as long as everything that
// was looked at for it looks the same.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { utf8 } from '../../util/bytes.ts';
import { makeDirs } from '../../util/make-dirs.ts';
import type { HostTool } from '../../util/host-tool.ts';
import { sha256Hex, stillHolds, type Look } from './host-files.ts';

/** Part of every key: raise it when descriptions change their meaning. */
const FORMAT = 1;

interface Entry {
  readonly key: string;
  readonly tool: HostTool | null;
  readonly looks: readonly Look[];
}

export class DescriptionCache {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  #file(key: string): string {
    return join(this.#dir, `${sha256Hex(key).slice(0, 32)}-${FORMAT}.json`);
  }

  get(key: string): HostTool | null | undefined {
    try {
      const entry = JSON.parse(readFileSync(this.#file(key), 'latin1')) as Entry;
      return entry.key === key && entry.looks.every(stillHolds) ? entry.tool : undefined;
    } catch {
      // absent or damaged: it will be written again
      return undefined;
    }
  }

  /** What a description that is kept depends on; undefined where there is none. */
  looks(key: string): readonly Look[] | undefined {
    try {
      const entry = JSON.parse(readFileSync(this.#file(key), 'latin1')) as Entry;
      return entry.key === key ? entry.looks : undefined;
    } catch {
      return undefined;
    }
  }

  set(key: string, tool: HostTool | null, looks: readonly Look[]): void {
    const file = this.#file(key);
    const temporary = `${file}.${process.pid}`;
    try {
      makeDirs(utf8(this.#dir));
      writeFileSync(temporary, JSON.stringify({ key, tool, looks } satisfies Entry), 'latin1');
      renameSync(temporary, file);
    } catch {
      // a cache that can't be written only costs time
    }
  }
}
