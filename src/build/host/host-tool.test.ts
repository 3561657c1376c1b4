import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostToolRequest } from '../../util/host-tool.ts';
import { HostFiles, sha256Hex } from './host-files.ts';
import { HostTools, parseShebang } from './host-tool.ts';
import { hashTree, listTree } from './tree.ts';

let dir: string;
beforeEach(() => (dir = realpathSync(mkdtempSync(join(tmpdir(), 'tsnix-host-')))));
afterEach(() => rmSync(dir, { recursive: true }));

const request = (more: Partial<HostToolRequest>): HostToolRequest => ({
  name: 'thing',
  package: 'thing-tools',
  required: true,
  programs: [],
  optional: [],
  files: [],
  trees: [],
  ...more,
});

function script(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

describe('parseShebang()', () => {
  it.each([
    ['#!/bin/sh\n', { interpreter: '/bin/sh', argument: '' }],
    ['#! /usr/bin/perl -w \nprint', { interpreter: '/usr/bin/perl', argument: '-w' }],
    ['#!/usr/bin/env -S node --x', { interpreter: '/usr/bin/env', argument: '-S node --x' }],
    ['# /bin/sh', null],
    ['#!\n', null],
  ])('%j', (text, expected) => {
    expect(parseShebang(Buffer.from(text))).toEqual(expected);
  });
});

describe('hostTool()', () => {
  it('describes scripts by content and interpreter', () => {
    const path = script('tsnix-thing', '#!/usr/bin/env perl\n');
    const tool = new HostTools({ cacheDir: null, searchPath: dir }).hostTool(request({ programs: ['tsnix-thing'] }));
    expect(tool?.files).toEqual([
      {
        to: 'bin/tsnix-thing',
        from: path,
        sha256: sha256Hex('#!/usr/bin/env perl\n'),
        executable: true,
        kind: 'script',
        needed: [],
        interpreter: 'perl',
      },
    ]);
    expect(tool?.loader).toBeNull();
  });

  it('names the Debian package of a program that is missing', () => {
    const tools = new HostTools({ cacheDir: null, searchPath: dir });
    expect(() => tools.hostTool(request({ programs: ['tsnix-none'] }))).toThrow(
      "tsnix: the host has no 'tsnix-none'; install the Debian package thing-tools",
    );
    expect(tools.hostTool(request({ programs: ['tsnix-none'], required: false }))).toBeNull();
    expect(tools.hostTool(request({ optional: ['tsnix-none'] }))?.files).toEqual([]);
  });

  it('keeps descriptions until something that was looked at changes', () => {
    const cacheDir = join(dir, 'cache');
    const ask = (): string | undefined =>
      new HostTools({ cacheDir, searchPath: dir }).hostTool(request({ programs: ['tsnix-thing'] }))?.files[0]?.sha256;
    script('tsnix-thing', '#!/bin/sh\n');
    const first = ask();
    expect(ask()).toBe(first);
    expect(readdirSync(join(cacheDir, 'host-tools'))).toHaveLength(1);
    script('tsnix-thing', '#!/bin/sh\n#');
    const second = ask();
    expect(second).not.toBe(first);
    // A damaged cache is no cache.
    for (const name of readdirSync(join(cacheDir, 'host-tools'))) {
      writeFileSync(join(cacheDir, 'host-tools', name), '{"key": 1');
    }
    expect(ask()).toBe(second);
  });

  it('finds the loader and every library of a program', () => {
    const tool = new HostTools({ cacheDir: null, searchPath: '' }).hostTool(request({ programs: ['bash'] }));
    expect(tool?.files[0]?.kind).toBe('elf');
    expect(tool?.loader?.files.map(({ name }) => name)).toContain('libc.so.6');
    for (const key of tool!.files[0]!.needed) expect(tool?.libraries).toHaveProperty([key]);
  });

  it('takes the first directory that is there, by pattern too', () => {
    mkdirSync(join(dir, 'lib-1.0/data'), { recursive: true });
    mkdirSync(join(dir, 'lib-2.0/data'), { recursive: true });
    const tree = { to: 'data', from: [`${dir}/none`, `${dir}/lib-*/data`], exclude: [], optional: false };
    const tool = new HostTools({ cacheDir: null, searchPath: '' }).hostTool(request({ trees: [tree] }));
    expect(tool?.trees[0]?.from).toBe(`${dir}/lib-2.0/data`);
  });
});

describe('listTree()', () => {
  it('keeps links inside, follows others, drops dangling ones and what is excluded', () => {
    const outside = join(dir, 'outside');
    const root = join(dir, 'root');
    mkdirSync(join(root, 'sub'), { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'x'), 'x');
    writeFileSync(join(root, 'sub/file'), 'f');
    writeFileSync(join(root, 'a_test.go'), '');
    symlinkSync('sub/file', join(root, 'inside'));
    symlinkSync('../outside', join(root, 'followed'));
    symlinkSync('nowhere', join(root, 'dangling'));
    const entries = listTree(new HostFiles(), root, ['*_test.go']);
    expect(entries.map((entry) => [entry.kind, entry.path])).toEqual([
      ['directory', 'followed'],
      ['file', 'followed/x'],
      ['link', 'inside'],
      ['directory', 'sub'],
      ['file', 'sub/file'],
    ]);
    const hash = hashTree(new HostFiles(), entries);
    writeFileSync(join(outside, 'x'), 'y');
    expect(hashTree(new HostFiles(), listTree(new HostFiles(), root, ['*_test.go']))).not.toBe(hash);
  });

  it('refuses links that go round', () => {
    const root = join(dir, 'root');
    mkdirSync(join(dir, 'other'));
    mkdirSync(root);
    symlinkSync(join(dir, 'other'), join(root, 'a'));
    symlinkSync(root, join(dir, 'other/b'));
    expect(() => listTree(new HostFiles(), root, [])).toThrow('is too deep');
  });
});
