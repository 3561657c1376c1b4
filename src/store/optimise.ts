// Files with the same contents and permissions become one: each is a hard link to `.links/HASH`, its NAR hash in nix32,
// as Nix has it. A file is replaced by one rename, so that it is whole at any time.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { fsPath } from '../util/bytes.ts';
import { storeTime } from './canonicalise.ts';
import { createHasher, hashBytes, printDigest } from './hash.ts';
import { dumpBufferSize, ioError, narOfContents, NarDumper, systemErrorText } from './nar-dump.ts';

/** Archives of empty files: what stands before and after contents. The last token closes. */
const plainNar = narOfContents(new Uint8Array(0));
const executableNar = narOfContents(new Uint8Array(0), true);
const closing = 16;
/** Contents that fit the buffer with their archive. */
const smallFile = dumpBufferSize - 1024;

export interface OptimiseOptions {
  /** Told what is odd. */
  readonly warn?: (message: string) => void;
  /** Told what went otherwise than hoped, without harm. */
  readonly note?: (message: string) => void;
}

export class Optimiser {
  filesLinked = 0;
  bytesFreed = 0;
  private readonly storeDir: string;
  private readonly linksDir: string;
  private readonly options: OptimiseOptions;
  private readonly buffer = Buffer.allocUnsafeSlow(dumpBufferSize);
  /** Inodes of links: files that are done. Wrong by rounding it only leaves a file as it is. */
  private readonly linked = new Set<number>();
  /** Names of links there are; undefined where nobody has looked. */
  private names: Set<string> | undefined;
  private distrustLinks = false;
  private temporaries = 0;
  private readonly token = randomBytes(4).toString('hex');

  /** @param realStoreDir where the store lies on this machine */
  constructor(realStoreDir: string, options: OptimiseOptions = {}) {
    this.storeDir = realStoreDir;
    this.linksDir = `${realStoreDir}/.links`;
    this.options = options;
  }

  /** Looks at all links there are, so that files linked before are not read again. */
  loadLinks(): void {
    this.names = new Set(readdirSync(fsPath(this.linksDir), { encoding: 'latin1' }));
    for (const name of this.names) {
      const stat = lstatSync(fsPath(`${this.linksDir}/${name}`), { throwIfNoEntry: false });
      if (stat !== undefined) this.linked.add(stat.ino);
    }
  }

  /**
   * `path` and all below it.
   * @param distrustLinks what is there may be damaged: this was repaired
   * @throws StoreError
   */
  optimise(path: string, distrustLinks = false): void {
    this.distrustLinks = distrustLinks;
    try {
      const stat = lstatSync(fsPath(path));
      if (stat.isDirectory()) this.directory(path, stat);
      else if (stat.isFile() || stat.isSymbolicLink()) this.replace(path, stat);
    } catch (error) {
      throw ioError('optimising', path, error);
    }
  }

  private directory(path: string, stat: Stats): void {
    let opened = false;
    try {
      for (const name of readdirSync(fsPath(path), { encoding: 'latin1' })) {
        const child = `${path}/${name}`;
        const childStat = lstatSync(fsPath(child));
        if (childStat.isDirectory()) this.directory(child, childStat);
        else if (childStat.isFile() || childStat.isSymbolicLink()) {
          this.replace(child, childStat, () => {
            if (!opened) chmodSync(fsPath(path), (stat.mode & 0o7777) | 0o200);
            opened = true;
          });
        }
      }
    } finally {
      if (opened) {
        chmodSync(fsPath(path), stat.mode & 0o7777 & ~0o222);
        utimesSync(fsPath(path), stat.atimeMs / 1000, storeTime);
      }
    }
  }

  /** @param open makes the directory of `path` writable; none for what lies in the store directory itself */
  private replace(path: string, stat: Stats, open?: () => void): void {
    if (stat.isFile() && (stat.mode & 0o200) !== 0) {
      this.options.warn?.(`skipping suspicious writable file '${path}'`);
      return;
    }
    if (stat.nlink > 1 && this.linked.has(stat.ino)) return;
    const name = printDigest(this.hash(path, stat), 'nix32');
    const link = `${this.linksDir}/${name}`;
    const isNew = this.names?.has(name) === false;
    this.names?.add(name);
    let linkStat = isNew ? undefined : lstatSync(fsPath(link), { throwIfNoEntry: false });
    const isDamaged = (there: Stats): boolean =>
      there.size !== stat.size ||
      (this.distrustLinks && there.ino !== stat.ino && printDigest(this.hash(link, there), 'nix32') !== name);
    if (linkStat !== undefined && isDamaged(linkStat)) {
      this.options.warn?.(`removing corrupted link '${link}'`);
      this.options.warn?.(
        'There may be more corrupted paths.\nYou should run `nix-store --verify --check-contents --repair` to fix them all',
      );
      unlinkSync(fsPath(link));
      linkStat = undefined;
    }
    if (linkStat === undefined) {
      if (this.makeLink(path, link)) {
        this.linked.add(stat.ino);
        return;
      }
      linkStat = lstatSync(fsPath(link), { throwIfNoEntry: false });
      if (linkStat === undefined) return; // a collector was at it
    }
    if (linkStat.ino === stat.ino) return;
    const temporary = `${this.storeDir}/.tmp-link-${String(process.pid)}-${this.token}-${String(this.temporaries++)}`;
    try {
      linkSync(fsPath(link), fsPath(temporary));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EMLINK') {
        if (stat.size > 0) this.options.note?.(`'${link}' has maximum number of links`);
        return;
      }
      if (code === 'ENOENT') return; // a collector was faster
      throw error;
    }
    try {
      open?.();
      renameSync(fsPath(temporary), fsPath(path));
    } catch (error) {
      unlinkSync(fsPath(temporary));
      if ((error as NodeJS.ErrnoException).code === 'EMLINK') return;
      throw error;
    }
    this.linked.add(linkStat.ino);
    this.filesLinked++;
    this.bytesFreed += stat.size;
  }

  /** @returns false where another process made it meanwhile, or the directory is full */
  private makeLink(path: string, link: string): boolean {
    try {
      linkSync(fsPath(path), fsPath(link));
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (code === 'ENOSPC') {
        this.options.note?.(`cannot link '${link}' to '${path}': ${systemErrorText(error)}`);
        return false;
      }
      throw error;
    }
  }

  private hash(path: string, stat: Stats): Uint8Array {
    if (stat.isFile() && stat.size <= smallFile) {
      const small = this.hashSmall(path, stat);
      if (small !== undefined) return small;
    }
    const hasher = createHasher('sha256');
    const dumper = new NarDumper(path, undefined, this.buffer);
    try {
      for (let chunk = dumper.read(); chunk !== undefined; chunk = dumper.read()) hasher.update(chunk);
      return hasher.digest();
    } finally {
      dumper.close();
    }
  }

  /** Of a file whose archive fits the buffer: most files, so no more calls than must be. Undefined where it changed. */
  private hashSmall(path: string, { size, mode }: Stats): Uint8Array | undefined {
    const { buffer } = this;
    const archive = (mode & 0o100) !== 0 ? executableNar : plainNar;
    let at = archive.copy(buffer, 0, 0, archive.length - closing);
    buffer.writeUInt32LE(size, at - 8);
    const fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (const end = at + size; at < end;) {
        const count = readSync(fd, buffer, at, end - at, null);
        if (count === 0) return undefined;
        at += count;
      }
    } finally {
      closeSync(fd);
    }
    const padding = -size & 7;
    buffer.fill(0, at, at + padding);
    at += padding;
    at += archive.copy(buffer, at, archive.length - closing);
    return hashBytes('sha256', buffer.subarray(0, at));
  }
}
