// What a NAR holds, as the JSON that binary caches keep in `HASH.ls`: types, sizes, and where in the archive the
// contents of each file begin.
import { fromUtf8 } from '../util/bytes.ts';
import { NarParser } from './nar-parse.ts';

export type NarListing =
  | { readonly type: 'regular'; readonly size: number; readonly executable: boolean; readonly narOffset: number }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'directory'; readonly entries: Record<string, NarListing> };

/** Takes an archive in pieces. */
export class NarLister {
  private readonly parser: NarParser;
  private root: NarListing | undefined;
  private readonly open: Record<string, NarListing>[] = [];

  constructor() {
    this.parser = new NarParser({
      enterDirectory: (name) => {
        // No prototype: names are strangers'.
        const entries = Object.create(null) as Record<string, NarListing>;
        this.put(name, { type: 'directory', entries });
        this.open.push(entries);
      },
      leaveDirectory: () => {
        this.open.pop();
      },
      enterFile: (name, executable, size) => {
        // The parser has not counted the length that it has just read.
        const narOffset = this.parser.offset + 8;
        this.put(name, { type: 'regular', size, executable, narOffset });
      },
      contents: () => undefined,
      leaveFile: () => undefined,
      symlink: (name, target) => {
        this.put(name, { type: 'symlink', target: fromUtf8(target) });
      },
    });
  }

  private put(name: string, node: NarListing): void {
    const entries = this.open.at(-1);
    if (entries === undefined) this.root = node;
    else entries[fromUtf8(name)] = node;
  }

  /** @throws CorruptNarError */
  write(chunk: Uint8Array): void {
    this.parser.writeAll(chunk);
  }

  /** @throws CorruptNarError for an archive that is not complete */
  finish(): NarListing {
    this.parser.end();
    return this.root!;
  }
}
