import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CorruptNarError, StoreError } from '../util/errors.ts';
import { deletePath } from './delete-path.ts';
import { hashBytes } from './hash.ts';
import {
  NarParser,
  dumpNar,
  hashFile,
  hashNar,
  narChunks,
  narOfContents,
  narOfText,
  parseNar,
  restoreNar,
  restoreNarStream,
} from './nar.ts';
import type { NarVisitor } from './nar.ts';

let dir: string;
let next = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-nar-'));
});
afterAll(() => {
  deletePath(dir);
});
const fresh = (): string => join(dir, String(next++));

const token = (text: string): Buffer => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, Buffer.from(text, 'latin1'), Buffer.alloc(-text.length & 7)]);
};
const tokens = (...texts: string[]): Buffer => Buffer.concat(texts.map(token));
const archive = (...texts: string[]): Buffer => tokens('nix-archive-1', ...texts);

/** Events of a parse, as text. */
function recorder(): NarVisitor & { readonly events: string[] } {
  const events: string[] = [];
  let contents: Buffer[] = [];
  return {
    events,
    enterDirectory: (name) => events.push(`dir ${name}`),
    leaveDirectory: () => events.push('end'),
    enterFile: (name, executable, size) => {
      contents = [];
      events.push(`${executable ? 'exe' : 'file'} ${name} ${String(size)}`);
    },
    contents: (chunk) => contents.push(Buffer.from(chunk)),
    leaveFile: () => events.push(Buffer.concat(contents).toString('latin1')),
    symlink: (name, target) => events.push(`link ${name} ${target}`),
  };
}

function dump(path: string): Buffer {
  return Buffer.concat([...narChunks(path)]);
}

/** A tree with one of everything. */
function makeTree(): string {
  const root = fresh();
  mkdirSync(join(root, 'b', 'empty'), { recursive: true });
  writeFileSync(join(root, 'a'), 'contents');
  writeFileSync(join(root, 'a.x'), '');
  writeFileSync(join(root, 'run'), '#!/bin/sh\n');
  chmodSync(join(root, 'run'), 0o755);
  symlinkSync('../nowhere', join(root, 'b', 'link'));
  writeFileSync(Buffer.concat([Buffer.from(`${root}/b/`), Buffer.from([0xff, 0x41])]), 'odd');
  return root;
}

describe('narOfText()', () => {
  it.each([0, 1, 7, 8, 9, 70_000])('gives the archive of %i bytes, and these within it', (length) => {
    const contents = Buffer.alloc(length, Buffer.from([0x61, 0xff, 0x0a]));
    for (const text of [contents, contents.toString('latin1')]) {
      const { nar, bytes } = narOfText(text);
      expect(nar.equals(narOfContents(contents))).toBe(true);
      expect(bytes.equals(contents)).toBe(true);
      expect(bytes.buffer).toBe(nar.buffer);
    }
  });
});

describe('dumpNar()', () => {
  it('writes a regular file as the format says', () => {
    const file = fresh();
    writeFileSync(file, 'hi');
    expect(dump(file)).toEqual(archive('(', 'type', 'regular', 'contents', 'hi', ')'));
    expect(dump(file)).toEqual(narOfContents(Buffer.from('hi')));
    chmodSync(file, 0o744);
    expect(dump(file)).toEqual(archive('(', 'type', 'regular', 'executable', '', 'contents', 'hi', ')'));
  });

  it('sorts entries bytewise', () => {
    const seen = recorder();
    parseNar(dump(makeTree()), seen);
    expect(seen.events).toEqual([
      'dir ',
      'file a 8',
      'contents',
      'file a.x 0',
      '',
      'dir b',
      'dir empty',
      'end',
      'link link ../nowhere',
      'file \xffA 3',
      'odd',
      'end',
      'exe run 10',
      '#!/bin/sh\n',
      'end',
    ]);
  });

  it('dumps files larger than its buffer, of any size', () => {
    for (const size of [262143, 262144, 262145, 278528, 600001]) {
      const file = fresh();
      const contents = Buffer.alloc(size, 'abcdefg');
      writeFileSync(file, contents);
      expect(dump(file).equals(narOfContents(contents))).toBe(true);
      expect(hashFile(file, 'sha256')).toEqual({ hash: hashBytes('sha256', contents), size });
    }
  });

  it('refuses what a NAR cannot hold, and says where', () => {
    expect(() => {
      dumpNar(join(dir, 'missing'), () => undefined);
    }).toThrow(`getting status of '${join(dir, 'missing')}': No such file or directory`);
    const deep = join(fresh(), ...new Array<string>(64).fill('d'));
    mkdirSync(deep, { recursive: true });
    expect(() => hashNar(deep.slice(0, deep.indexOf('/d')))).toThrow(/exceeds maximum NAR directory depth of 64/);
  });
});

describe('restoreNar()', () => {
  it('undoes dumpNar()', () => {
    const tree = makeTree();
    const nar = dump(tree);
    const copy = fresh();
    restoreNar(copy, nar);
    expect(dump(copy)).toEqual(nar);
    const canonical = fresh();
    restoreNar(canonical, nar, { canonical: true });
    expect(dump(canonical)).toEqual(nar);
    expect(hashNar(copy)).toEqual({ hash: hashBytes('sha256', nar), size: nar.length });
  });

  it('takes chunks of any size from a stream', async () => {
    const nar = dump(makeTree());
    for (const size of [1, 7, 8, 13, 64, 1000]) {
      const copy = fresh();
      const chunks = async function* (): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < nar.length; i += size) yield await Promise.resolve(nar.subarray(i, i + size));
      };
      await restoreNarStream(copy, chunks());
      expect(dump(copy)).toEqual(nar);
    }
  });

  it('never overwrites, and never writes through a symlink that is there', () => {
    const place = fresh();
    mkdirSync(place);
    expect(() => {
      restoreNar(place, archive('(', 'type', 'directory', ')'));
    }).toThrow(/creating directory .*: File exists/);
    const target = fresh();
    const link = fresh();
    symlinkSync(target, link);
    expect(() => {
      restoreNar(link, narOfContents(Buffer.from('x')));
    }).toThrow(StoreError);
    expect(existsSync(target)).toBe(false);
  });

  it('keeps to maxBytes, whatever lengths the archive claims', () => {
    const huge = Buffer.concat([archive('(', 'type', 'regular', 'contents'), Buffer.from([0, 0, 0, 0, 0, 1, 0, 0])]);
    const place = fresh();
    expect(() => {
      restoreNar(place, huge, { maxBytes: 1000 });
    }).toThrow('archive holds more than 1000 bytes');
    expect(() => {
      restoreNar(place, huge);
    }).toThrow('unexpected end-of-file');
    expect(readFileSync(place)).toHaveLength(0);
  });
});

describe('NarParser', () => {
  const file = ['(', 'type', 'regular', 'contents', '', ')'];
  const entry = (name: string, ...node: string[]): string[] => ['entry', '(', 'name', name, 'node', ...node, ')'];
  const directory = (...entries: string[][]): string[] => ['(', 'type', 'directory', ...entries.flat(), ')'];
  const parse = (bytes: Buffer): void => {
    parseNar(bytes, recorder());
  };

  it.each<[string, Buffer, string]>([
    ['another magic', tokens('nix-archive-2', ...file), "bad archive: input doesn't look like a Nix archive"],
    ['text', Buffer.from('#!/bin/sh echo this is no archive'), "bad archive: input doesn't look like a Nix archive"],
    ['no node', archive(')'), "bad archive: expected tag '(', got ')'"],
    ['an unknown type', archive('(', 'type', 'fifo'), "bad archive: unknown file type 'fifo'"],
    [
      'a wrong tag',
      archive('(', 'type', 'regular', 'kontents'),
      "bad archive: expected tag 'contents', got 'kontents'",
    ],
    ['a value of executable', archive('(', 'type', 'regular', 'executable', 'x'), 'string is too long'],
    ['a long tag', archive('x'.repeat(33)), 'string is too long'],
    [
      'an empty target',
      archive('(', 'type', 'symlink', 'target', '', ')'),
      'bad archive: NAR contains invalid symlink target',
    ],
    [
      'a NUL in a target',
      archive('(', 'type', 'symlink', 'target', 'a\0', ')'),
      'bad archive: NAR contains invalid symlink target',
    ],
    ['a long target', archive('(', 'type', 'symlink', 'target', 'x'.repeat(4096), ')'), 'string is too long'],
    ['an empty name', archive(...directory(entry('', ...file))), "bad archive: NAR contains invalid file name ''"],
    ['.', archive(...directory(entry('.', ...file))), "bad archive: NAR contains invalid file name '.'"],
    ['..', archive(...directory(entry('..', ...file))), "bad archive: NAR contains invalid file name '..'"],
    ['a slash', archive(...directory(entry('a/b', ...file))), "bad archive: NAR contains invalid file name 'a/b'"],
    ['a NUL', archive(...directory(entry('a\0', ...file))), "bad archive: NAR contains invalid file name 'a\0'"],
    ['a long name', archive(...directory(entry('x'.repeat(256), ...file))), 'string is too long'],
    [
      'wrong order',
      archive(...directory(entry('b', ...file), entry('a', ...file))),
      'bad archive: NAR directory is not sorted',
    ],
    [
      'one name twice',
      archive(...directory(entry('a', ...file), entry('a', ...file))),
      'bad archive: NAR directory is not sorted',
    ],
    ['bytes after the end', Buffer.concat([archive(...file), Buffer.from('x')]), 'bad archive: bytes after its end'],
    ['an early end', archive(...directory()).subarray(0, -1), 'unexpected end-of-file'],
    ['padding', Buffer.concat([archive(...file).subarray(0, -1), Buffer.from([1])]), 'non-zero padding'],
    [
      'deep nesting',
      archive(
        ...Array.from({ length: 65 }, () => ['(', 'type', 'directory', 'entry', '(', 'name', 'd', 'node']).flat(),
      ),
      'bad archive: NAR directory nesting exceeds maximum depth of 64',
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => {
      parse(bytes);
    }).toThrow(expect.objectContaining({ name: 'CorruptNarError', message }));
  });

  it('tells where the archive is wrong', () => {
    const good = archive('(', 'type');
    try {
      parse(Buffer.concat([good, tokens('fifo')]));
      expect.unreachable();
    } catch (error) {
      expect((error as CorruptNarError).offset).toBe(good.length);
    }
  });

  it('write() leaves what follows the archive', () => {
    const nar = archive(...file);
    const parser = new NarParser(recorder());
    expect(parser.write(Buffer.concat([nar, Buffer.from('rest')]))).toBe(nar.length);
    expect(parser.done).toBe(true);
    expect(parser.offset).toBe(nar.length);
  });

  it('says the same however the bytes are cut', () => {
    const nar = dump(makeTree());
    const whole = recorder();
    parseNar(nar, whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 50 }), (sizes) => {
        const seen = recorder();
        const parser = new NarParser(seen);
        for (let at = 0, i = 0; at < nar.length; i++) {
          const size = sizes[i % sizes.length]!;
          parser.writeAll(nar.subarray(at, at + size));
          at += size;
        }
        parser.end();
        expect(seen.events).toEqual(whole.events);
      }),
    );
  });

  it('a mutated archive is a CorruptNarError or another tree, never anything else', () => {
    const nar = dump(makeTree());
    const position = fc.integer({ min: 0, max: nar.length - 1 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.option(position),
        (edits, cut) => {
          const mutated = Buffer.from(nar);
          for (const [at, byte] of edits) mutated[at] = byte;
          try {
            parseNar(cut === null ? mutated : mutated.subarray(0, cut), recorder());
          } catch (error) {
            expect(error).toBeInstanceOf(CorruptNarError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('a mutated archive never writes outside its place', () => {
    const nar = dump(makeTree());
    fc.assert(
      fc.property(fc.integer({ min: 0, max: nar.length - 1 }), fc.nat(255), (at, byte) => {
        const mutated = Buffer.from(nar);
        mutated[at] = byte;
        const parent = fresh();
        mkdirSync(parent);
        try {
          restoreNar(join(parent, 'x'), mutated);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError);
        }
        expect(readdirSync(parent).filter((name) => name !== 'x')).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
