import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../util/bytes.ts';
import { describeWith } from '../../test/support/requirements.ts';
import type { StorePath } from '../store/store.ts';
import { BuildLog, LogFile } from './build-log.ts';

function lines(...chunks: string[]): {
  lines: string[];
  phases: string[];
  problems: string[];
  messages: [number, string][];
  tail: readonly string[];
} {
  const out: string[] = [];
  const phases: string[] = [];
  const problems: string[] = [];
  const messages: [number, string][] = [];
  const log = new BuildLog({
    tailLines: 2,
    onLine: (line) => out.push(line),
    onPhase: (phase) => phases.push(phase),
    onBadMessage: (problem) => problems.push(problem),
    onMessage: (level, text) => messages.push([level, text]),
  });
  for (const chunk of chunks) log.write(chunk);
  log.flush();
  return { lines: out, phases, problems, messages, tail: log.tail };
}

describe('BuildLog', () => {
  it('cuts lines wherever the data is cut', () => {
    expect(lines('one\ntw', 'o\n', '\nlast').lines).toEqual(['one', 'two', '', 'last']);
  });
  it('lets a carriage return overwrite the line, unless a newline follows', () => {
    expect(lines(' 10%\r 20%\r', '100%\ndone\r', '\nabc\rx\n').lines).toEqual(['100%', 'done', 'x']);
  });
  it('keeps the last lines', () => {
    expect(lines('1\n2\n3\n').tail).toEqual(['2', '3']);
  });
  it('takes structured messages out', () => {
    // As nixpkgs' stdenv writes them.
    const result = lines(
      '@nix { "action": "setPhase", "phase": "buildPhase" }\n@nix {"action":"msg","level":4,"msg":"\xc3\xa9 \\u00e9"}\n@nix no json\n',
    );
    expect(result).toMatchObject({ phases: ['buildPhase'], lines: ['@nix no json'], problems: [] });
    expect(result.messages).toEqual([[4, utf8('é é')]]);
  });
  it('tells of messages that are none, and takes them for lines', () => {
    // What Nix 2.36 says to tests/functional/logging/unusual-logging.nix.
    const odd = [
      '1',
      '{}',
      '{"action": null}',
      '{"action": 123}',
      '{"action": "setPhase"}',
      '{"action":"msg","msg":""}',
    ].map((it) => `@nix ${it}`);
    const { lines: left, problems } = lines(`${odd.join('\n')}\n`);
    expect(left).toEqual(odd);
    expect(problems.map((problem) => problem.replace(/.*json.exception.type_error./, ''))).toEqual([
      '305] cannot use operator[] with a string argument with number',
      '302] type must be string, but is null',
      '302] type must be string, but is null',
      '302] type must be string, but is number',
      '302] type must be string, but is null',
      '302] type must be number, but is null',
    ]);
  });
});

describeWith(['bzip2'], 'LogFile', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'tsnix-log-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const log = (): LogFile => new LogFile(dir, '/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-x.drv' as StorePath);
  const file = (name: string): string => join(dir, 'drvs/1b', name);
  const name = '9p07z77phvv2hf6gm9f28syp39f1ag-x.drv';
  const files = (): string[] => readdirSync(join(dir, 'drvs/1b'));
  const unpacked = (): string => execFileSync('bzip2', ['-dc', file(`${name}.bz2`)], { encoding: 'latin1' });

  it('has no file before there is something to write, and a compressed one in the end', async () => {
    const first = log();
    expect(files()).toEqual([]);
    first.write(Buffer.from('word\n'));
    expect(readFileSync(file(name), 'latin1')).toBe('word\n');
    await first.close(true);
    expect(files()).toEqual([`${name}.bz2`]);
    expect(unpacked()).toBe('word\n');
    // The next build of it says nothing.
    const second = log();
    expect(files()).toEqual([]);
    await second.close(true);
    expect(files()).toEqual([`${name}.bz2`]);
    expect(unpacked()).toBe('');
  });

  it('is left as it is where it is not to be compressed', async () => {
    await log().close(false);
    expect(readFileSync(file(name), 'latin1')).toBe('');
    const words = log();
    words.write(Buffer.from('word'));
    await words.close(false);
    expect(files()).toEqual([name]);
    expect(readFileSync(file(name), 'latin1')).toBe('word');
  });
});
