// Reading NARs: a push parser. Bytes come in chunks of any size; what they say goes to a visitor. Archives may come
// from an enemy: every length is bounded before anything is kept, names are checked (not empty, no `/`, `.`, `..`, NUL,
// strictly ascending), depth is bounded, padding must be zero. Anything else is a CorruptNarError with its offset.
import { CorruptNarError } from '../util/errors.ts';
import { narMagic, narMaxDepth, narMaxName, narMaxTarget } from './nar-dump.ts';

/** Gets a tree in archive order. Names are byte strings; the root's name is ''. */
export interface NarVisitor {
  enterDirectory(name: string): void;
  leaveDirectory(): void;
  /** contents() calls follow, `size` bytes in all, then leaveFile(). */
  enterFile(name: string, executable: boolean, size: number): void;
  /** Valid only during the call. */
  contents(chunk: Uint8Array): void;
  leaveFile(): void;
  symlink(name: string, target: string): void;
}

const nothing = (): void => undefined;

/** For who only wants to know where an archive ends, or some of it: `{ ...ignoreNar, contents }`. */
export const ignoreNar: NarVisitor = {
  enterDirectory: nothing,
  leaveDirectory: nothing,
  enterFile: nothing,
  contents: nothing,
  leaveFile: nothing,
  symlink: nothing,
};

/** Longest keyword is 13 bytes; the rest keeps messages about garbage readable. */
const maxTag = 32;

/* What the parser waits for. `Length` of contents is read like a token's, but not its text. */
const Magic = 0;
const NodeOpen = 1;
const TypeWord = 2;
const TypeName = 3;
const FileWord = 4;
const ExecutableValue = 5;
const ContentsWord = 6;
const ContentsLength = 7;
const Contents = 8;
const ContentsPadding = 9;
const NodeClose = 10;
const TargetWord = 11;
const Target = 12;
const DirectoryWord = 13;
const EntryOpen = 14;
const NameWord = 15;
const Name = 16;
const NodeWord = 17;
const EntryClose = 18;
const Done = 19;

export class NarParser {
  /** Bytes taken so far. */
  offset = 0;
  private state = Magic;
  private readonly visitor: NarVisitor;
  /** A token (length, text, padding) that a chunk's end cut. */
  private readonly held = Buffer.allocUnsafe(8 + narMaxTarget + 8);
  private heldLength = 0;
  private remaining = 0;
  private padding = 0;
  private executable = false;
  private name = '';
  /** Last name seen in each open directory. */
  private readonly lastNames: string[] = [];
  private failed: CorruptNarError | undefined;

  constructor(visitor: NarVisitor) {
    this.visitor = visitor;
  }

  get done(): boolean {
    return this.state === Done;
  }

  /**
   * Takes the next bytes. Returns how many belong to the archive: fewer than given once it is complete.
   * @throws CorruptNarError, and whatever the visitor throws
   */
  write(chunk: Uint8Array): number {
    if (this.failed !== undefined) throw this.failed;
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < buffer.length && this.state !== Done) {
      if (this.state === Contents) {
        const count = Math.min(this.remaining, buffer.length - at);
        this.visitor.contents(buffer.subarray(at, at + count));
        at += count;
        this.offset += count;
        this.remaining -= count;
        if (this.remaining === 0) this.state = ContentsPadding;
        if (this.state === ContentsPadding && this.padding === 0) this.endContents();
      } else if (this.state === ContentsPadding) {
        if (buffer[at] !== 0) this.fail('non-zero padding');
        at++;
        this.offset++;
        if (--this.padding === 0) this.endContents();
      } else {
        at += this.token(buffer, at);
      }
    }
    return at;
  }

  /** As write(), where nothing may follow the archive. */
  writeAll(chunk: Uint8Array): void {
    if (this.write(chunk) < chunk.length) this.bad('bytes after its end');
  }

  /** @throws CorruptNarError where the archive is not complete */
  end(): void {
    if (this.failed !== undefined) throw this.failed;
    if (this.state !== Done) this.fail('unexpected end-of-file');
  }

  private fail(problem: string): never {
    const error = new CorruptNarError(problem);
    error.offset = this.offset;
    this.failed = error;
    throw error;
  }

  private bad(problem: string): never {
    this.fail(`bad archive: ${problem}`);
  }

  /** Longest text allowed now. */
  private limit(): number {
    switch (this.state) {
      case Magic:
        return narMagic.length;
      case ExecutableValue:
        return 0;
      case Name:
        return narMaxName;
      case Target:
        return narMaxTarget;
      default:
        return maxTag;
    }
  }

  /** Reads what it can of one token at `at`; returns the bytes used. */
  private token(buffer: Buffer, at: number): number {
    const available = buffer.length - at;
    if (this.heldLength === 0) {
      if (available >= 8) {
        const size = 8 + this.tokenSize(buffer, at);
        if (available >= size) {
          this.takeToken(buffer, at);
          return size;
        }
      }
      buffer.copy(this.held, 0, at);
      this.heldLength = available;
      return available;
    }
    // A cut token: complete its length first, then the rest.
    const needed = this.heldLength < 8 ? 8 : 8 + this.tokenSize(this.held, 0);
    const take = Math.min(needed - this.heldLength, available);
    buffer.copy(this.held, this.heldLength, at, at + take);
    this.heldLength += take;
    if (this.heldLength >= 8 && this.heldLength === 8 + this.tokenSize(this.held, 0)) {
      this.heldLength = 0;
      this.takeToken(this.held, 0);
    }
    return take;
  }

  /** Bytes of text and padding that follow a length. */
  private tokenSize(buffer: Buffer, at: number): number {
    if (this.state === ContentsLength) return 0;
    const length = buffer.readUInt32LE(at);
    if (buffer.readUInt32LE(at + 4) !== 0 || length > this.limit()) {
      if (this.state === Magic) this.bad("input doesn't look like a Nix archive");
      this.fail('string is too long');
    }
    return (length + 7) & ~7;
  }

  private takeToken(buffer: Buffer, at: number): void {
    const length = buffer.readUInt32LE(at);
    if (this.state === ContentsLength) {
      const high = buffer.readUInt32LE(at + 4);
      if (high >= 0x20_0000) this.fail('string is too long');
      this.beginContents(high * 0x1_0000_0000 + length);
      this.offset += 8;
      if (this.remaining === 0) this.endContents();
      return;
    }
    const text = buffer.toString('latin1', at + 8, at + 8 + length);
    for (let i = length; (i & 7) !== 0; i++) if (buffer[at + 8 + i] !== 0) this.fail('non-zero padding');
    this.takeText(text);
    this.offset += 8 + ((length + 7) & ~7);
  }

  private expect(text: string, expected: string, next: number): void {
    if (text !== expected) this.bad(`expected tag '${expected}', got '${text}'`);
    this.state = next;
  }

  private takeText(text: string): void {
    switch (this.state) {
      case Magic:
        if (text !== narMagic) this.bad("input doesn't look like a Nix archive");
        this.state = NodeOpen;
        return;
      case NodeOpen:
        if (this.lastNames.length >= narMaxDepth) {
          this.bad(`NAR directory nesting exceeds maximum depth of ${String(narMaxDepth)}`);
        }
        this.expect(text, '(', TypeWord);
        return;
      case TypeWord:
        this.expect(text, 'type', TypeName);
        return;
      case TypeName:
        if (text === 'regular') {
          this.executable = false;
          this.state = FileWord;
        } else if (text === 'directory') {
          this.visitor.enterDirectory(this.name);
          this.lastNames.push('');
          this.state = DirectoryWord;
        } else if (text === 'symlink') this.state = TargetWord;
        else this.bad(`unknown file type '${text}'`);
        return;
      case FileWord:
        if (text === 'executable') this.state = ExecutableValue;
        else this.expect(text, 'contents', ContentsLength);
        return;
      case ExecutableValue:
        this.executable = true;
        this.state = ContentsWord;
        return;
      case ContentsWord:
        this.expect(text, 'contents', ContentsLength);
        return;
      case TargetWord:
        this.expect(text, 'target', Target);
        return;
      case Target:
        if (text === '' || text.includes('\0')) this.bad('NAR contains invalid symlink target');
        this.visitor.symlink(this.name, text);
        this.state = NodeClose;
        return;
      case NodeClose:
        this.expect(text, ')', EntryClose);
        this.nodeEnded();
        return;
      case DirectoryWord:
        if (text === ')') {
          this.lastNames.pop();
          this.visitor.leaveDirectory();
          this.nodeEnded();
        } else if (text === 'entry') this.state = EntryOpen;
        else this.bad(`expected tag 'entry' or ')', got '${text}'`);
        return;
      case EntryOpen:
        this.expect(text, '(', NameWord);
        return;
      case NameWord:
        this.expect(text, 'name', Name);
        return;
      case Name: {
        if (text === '' || text === '.' || text === '..' || text.includes('/') || text.includes('\0')) {
          this.bad(`NAR contains invalid file name '${text}'`);
        }
        const level = this.lastNames.length - 1;
        if (text <= this.lastNames[level]!) this.bad('NAR directory is not sorted');
        this.lastNames[level] = text;
        this.name = text;
        this.state = NodeWord;
        return;
      }
      case NodeWord:
        this.expect(text, 'node', NodeOpen);
        return;
      case EntryClose:
        this.expect(text, ')', DirectoryWord);
        return;
    }
  }

  private nodeEnded(): void {
    this.state = this.lastNames.length === 0 ? Done : EntryClose;
  }

  private beginContents(size: number): void {
    this.visitor.enterFile(this.name, this.executable, size);
    this.remaining = size;
    this.padding = -size & 7;
    this.state = Contents;
  }

  private endContents(): void {
    this.visitor.leaveFile();
    this.state = NodeClose;
  }
}

/**
 * Parses a whole archive in memory.
 * @throws CorruptNarError, also for bytes after its end
 */
export function parseNar(archive: Uint8Array, visitor: NarVisitor): void {
  const parser = new NarParser(visitor);
  parser.writeAll(archive);
  parser.end();
}
