import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../../test/support/requirements.ts';
import { ElfError, parseElf, PT_INTERP, PT_LOAD, PT_NOTE } from './elf.ts';
import { patchElf } from './elf-patch.ts';

interface FakeSegment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

const DYNAMIC_AT = 0x400;
const STRINGS_AT = 0x300;

/** A small ELF file: program headers as given, a dynamic section, and strings. */
function fakeElf(segments: readonly FakeSegment[], dynamic: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(0x600);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeUInt16LE(62, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(segments.length, 56);
  segments.forEach((segment, i) => {
    const at = 64 + i * 56;
    bytes.writeUInt32LE(segment.type, at);
    bytes.writeBigUInt64LE(BigInt(segment.offset), at + 8);
    bytes.writeBigUInt64LE(BigInt(segment.address), at + 16);
    bytes.writeBigUInt64LE(BigInt(segment.size), at + 32);
    bytes.writeBigUInt64LE(BigInt(segment.size), at + 40);
    bytes.writeBigUInt64LE(0x1000n, at + 48);
  });
  bytes.write('\0libc.so.6\0/old/lib\0', STRINGS_AT, 'latin1');
  bytes.write('/lib64/ld.so\0', 0x380, 'latin1');
  dynamic.forEach(([tag, value], i) => {
    bytes.writeBigUInt64LE(BigInt(tag), DYNAMIC_AT + i * 16);
    bytes.writeBigUInt64LE(BigInt(value), DYNAMIC_AT + i * 16 + 8);
  });
  return bytes;
}

const load: FakeSegment = { type: PT_LOAD, offset: 0, address: 0x10000, size: 0x600 };
const interp: FakeSegment = { type: PT_INTERP, offset: 0x380, address: 0x10380, size: 13 };
const note: FakeSegment = { type: PT_NOTE, offset: 0x500, address: 0x10500, size: 32 };
const dynamicSegment = (entries: number): FakeSegment => ({
  type: 2,
  offset: DYNAMIC_AT,
  address: 0x10000 + DYNAMIC_AT,
  size: entries * 16,
});
const strtab = [5, 0x10000 + STRINGS_AT] as const;
const needed = [1, 1] as const;

describe('patchElf()', () => {
  it('sets interpreter and library path, in a segment of their own after the last one', () => {
    const original = fakeElf([interp, load, dynamicSegment(4), note], [needed, strtab, [0, 0], [0, 0]]);
    const elf = parseElf(patchElf(original, { interpreter: '/s/ld.so', rpath: '/s/a:/s/b' }));
    expect(elf.interpreter).toBe('/s/ld.so');
    expect(elf.rpath).toBe('/s/a:/s/b');
    expect(elf.needed).toEqual(['libc.so.6']);
    expect(elf.segments.map(({ type }) => type)).toEqual([PT_INTERP, PT_LOAD, PT_LOAD, 2]);
    const added = elf.segments[2]!;
    expect(added.address % 0x1000).toBe(added.offset % 0x1000);
    expect(added.address).toBeGreaterThanOrEqual(0x10600);
  });

  it('moves a note that lies before the segments, as Go writes it', () => {
    const original = fakeElf([interp, note, load, dynamicSegment(4)], [needed, strtab, [21, 0], [0, 0]]);
    const elf = parseElf(patchElf(original, { rpath: '/s' }));
    expect(elf.segments.map(({ type }) => type)).toEqual([PT_INTERP, PT_LOAD, PT_LOAD, 2]);
    // DT_DEBUG gave way: there is no spare DT_NULL.
    expect(elf.dynamic.map(({ tag }) => Number(tag))).toEqual([1, 5, 15, 0]);
  });

  it('replaces RUNPATH, which is not inherited, by RPATH', () => {
    const original = fakeElf([load, dynamicSegment(4), note], [needed, strtab, [29, 11], [0, 0]]);
    expect(parseElf(original).runpath).toBe('/old/lib');
    const elf = parseElf(patchElf(original, { rpath: '/s' }));
    expect([elf.rpath, elf.runpath]).toEqual(['/s', null]);
  });

  it('leaves static programs alone, and what has no loader without one', () => {
    const isStatic = fakeElf([load, note], []);
    expect(patchElf(isStatic, { interpreter: '/s/ld.so', rpath: '/s' })).toBe(isStatic);
    const library = fakeElf([load, dynamicSegment(4), note], [needed, strtab, [0, 0], [0, 0]]);
    expect(parseElf(patchElf(library, { interpreter: '/s/ld.so', rpath: '/s' })).interpreter).toBeNull();
  });

  it('says so where there is no room', () => {
    expect(() => patchElf(fakeElf([load, dynamicSegment(3)], [needed, strtab, [0, 0]]), { rpath: '/s' })).toThrow(
      'ELF file has no program header to spare',
    );
    expect(() => patchElf(fakeElf([load, dynamicSegment(3), note], [needed, strtab, [0, 0]]), { rpath: '/s' })).toThrow(
      'ELF file has no dynamic entry to spare',
    );
  });

  it('fails with ElfError only, whatever the file holds', () => {
    const original = fakeElf([interp, load, dynamicSegment(4), note], [needed, strtab, [0, 0], [0, 0]]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0x5ff), fc.nat(255)), { maxLength: 8 }),
        fc.nat(0x600),
        (changes, length) => {
          const bytes = Buffer.from(original);
          for (const [at, value] of changes) bytes[at] = value;
          try {
            patchElf(bytes.subarray(0, length), { interpreter: '/s/ld.so', rpath: '/s' });
          } catch (error) {
            expect(error).toBeInstanceOf(ElfError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

const loader = process.arch === 'arm64' ? '/lib/ld-linux-aarch64.so.1' : '/lib64/ld-linux-x86-64.so.2';

describeWith(['dash', loader], 'a patched program', () => {
  let dir: string;
  beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'tsnix-elf-'))));
  afterAll(() => rmSync(dir, { recursive: true }));

  it('runs with the loader and libraries that it was given', () => {
    const dash = realpathSync('/bin/dash');
    const real = execFileSync(loader, ['--list', dash], { encoding: 'utf8' });
    const libc = /libc\.so\.6 => (\S+)/.exec(real)?.[1];
    copyFileSync(loader, join(dir, 'ld.so'));
    copyFileSync(libc!, join(dir, 'libc.so.6'));
    const program = join(dir, 'dash');
    writeFileSync(program, patchElf(readFileSync(dash), { interpreter: join(dir, 'ld.so'), rpath: dir }), {
      mode: 0o755,
    });
    const maps = execFileSync(program, ['-c', 'while read -r line; do echo "$line"; done < /proc/self/maps'], {
      encoding: 'utf8',
    });
    const mapped = [...new Set(maps.split('\n').flatMap((line) => /(\/\S+)$/.exec(line)?.[1] ?? []))];
    expect(mapped.sort()).toEqual([program, join(dir, 'ld.so'), join(dir, 'libc.so.6')].sort());
  });
});
