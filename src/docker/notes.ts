// What was found out once, by what it depends on: small files in a directory that may be deleted at any time. Notes are
// believed, so only a directory that nobody else could write to counts; whatever is odd about a note makes it none. There
// are never more than some ten thousand: old ones go.
import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { makeDirs } from '../util/make-dirs.ts';

/** In each of 256 directories. */
const MAX_FILES = 64;

/** Of a note and what it is about. */
function checksum(key: string, text: string): string {
  return createHash('sha256').update(`${key}\n${text}`, 'latin1').digest('hex');
}

export class Notes {
  readonly #dir: string;
  #trusted: boolean | undefined;

  /** @param dir absolute byte string */
  constructor(dir: string) {
    this.#dir = dir;
  }

  #isTrusted(): boolean {
    if (this.#trusted !== true) {
      const stats = lstatSync(fsPath(this.#dir), { throwIfNoEntry: false });
      this.#trusted = stats?.isDirectory() === true && stats.uid === process.geteuid?.() && (stats.mode & 0o022) === 0;
    }
    return this.#trusted;
  }

  #place(key: string): { readonly dir: string; readonly file: string } {
    const name = createHash('sha256').update(key, 'latin1').digest('hex');
    const dir = `${this.#dir}/${name.slice(0, 2)}`;
    return { dir, file: `${dir}/${name.slice(2)}` };
  }

  /** What was noted under `key`, as JSON has it; the caller sees whether it makes sense. */
  get(key: string): Readonly<Record<string, unknown>> | undefined {
    if (!this.#isTrusted()) return undefined;
    try {
      const [value, sum] = JSON.parse(readFileSync(fsPath(this.#place(key).file), 'latin1')) as [
        Record<string, unknown>,
        unknown,
      ];
      return sum === checksum(key, JSON.stringify(value)) ? value : undefined;
    } catch {
      // not there, or not whole
      return undefined;
    }
  }

  /** @param value text in it as byte strings */
  put(key: string, value: Readonly<Record<string, string | number>>): void {
    const { dir, file } = this.#place(key);
    const temporary = `${file}.${randomBytes(6).toString('hex')}`;
    try {
      makeDirs(dir, 0o700);
      if (!this.#isTrusted()) return;
      const text = JSON.stringify(value);
      writeFileSync(fsPath(temporary), `[${text},"${checksum(key, text)}"]`, { encoding: 'latin1', flag: 'wx' });
      renameSync(fsPath(temporary), fsPath(file));
      this.#thinOut(dir);
    } catch {
      // Notes that can't be taken only cost time.
    }
  }

  /** Removes the older half of a directory that is full. */
  #thinOut(dir: string): void {
    const names = readdirSync(fsPath(dir), { encoding: 'latin1' });
    if (names.length <= MAX_FILES) return;
    const files = names.map((name) => {
      const path = fsPath(`${dir}/${name}`);
      return { path, time: lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
    });
    files.sort((a, b) => a.time - b.time);
    for (const { path } of files.slice(0, files.length - MAX_FILES / 2)) rmSync(path, { force: true });
  }
}
