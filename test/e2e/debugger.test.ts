// The debugger. What it shows is what Nix 2.36's own sessions show (tests/functional/repl/debugger-*.expected), of other
// expressions.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeWith } from '../support/requirements.ts';

const program = resolve(import.meta.dirname, '../../bin/tsnix');
const dir = mkdtempSync(join(tmpdir(), 'tsnix-debugger-'));
const env = { PATH: process.env['PATH'], HOME: dir, NIX_CONF_DIR: dir, TERM: 'xterm', _NIX_TEST_REPL_ECHO: '1' };
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

const BANNER = 'Nix 2.36.0 debugger\nType :? for help.\n';
const GLOBALS =
  'abort baseNameOf break builtins derivation derivationStrict dirOf false fetchGit fetchMercurial fetchTarball ' +
  'fromTOML import isNull map null placeholder removeAttrs scopedImport throw toString true \n';

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function debug(source: string, lines: readonly string[], args: readonly string[] = []): Run {
  const file = join(dir, 'x.nix');
  writeFileSync(file, source);
  const [command = 'eval', ...more] = args;
  const files = command === 'repl' ? [] : command.startsWith('nix-') ? [file] : ['-f', file];
  const { status, stdout, stderr } = spawnSync(
    program,
    [command, '--store', 'dummy://', '--debugger', ...files, ...more],
    { input: lines.map((line) => `${line}\n`).join(''), encoding: 'utf8', env },
  );
  return { status, out: stdout.replaceAll(file, 'FILE'), err: stderr.replaceAll(file, 'FILE') };
}

/** What each line of input brought. */
function answers({ out }: Run): string[] {
  return out.split(/^nix-repl> .*\n/m).slice(1);
}

describe('the debugger', () => {
  const source = 'let f = x: with { y = x; }; [ (throw "no ${toString y}") ]; in\nbuiltins.head (f 1)\n';

  it('stops where something fails, and knows what is in sight', () => {
    const run = debug(source, [':env', 'x + 1', 'y', ':st 2', 'x', ':c', '1']);
    const [names, sum, y, selected, unknown, rest] = answers(run);
    expect(run.status).toBe(1);
    expect(run.err.startsWith(`error: no 1\n\n${BANNER}`)).toBe(true);
    expect(names).toBe(
      `Env level 0\nstatic: \nwith: y \n\nEnv level 1\nstatic: x \n\nEnv level 2\nstatic: f \n\nEnv level 3\n${GLOBALS}\n\n`,
    );
    expect([sum, y]).toEqual(['2\n\n', '1\n\n']);
    expect(selected).toBe(
      '\n2: while calling a function\nFILE:2:1\n\n     1| let f = x: with { y = x; }; [ (throw "no ${toString y}") ]; in\n' +
        `     2| builtins.head (f 1)\n      | ^\n     3| \n\nEnv level 0\nstatic: f \n\nEnv level 1\n${GLOBALS}\n\n`,
    );
    expect([unknown, rest]).toEqual(['\n', '']);
    expect(run.err).toContain("error: undefined variable 'x'\n");
    expect(run.err).toMatch(/ {7}error: no 1\n$/);
  });

  it('shows what is being evaluated', () => {
    expect(answers(debug(source, [':bt']))[0]).toBe(
      '\n0: error: no 1\nFILE:1:32\n\n     1| let f = x: with { y = x; }; [ (throw "no ${toString y}") ]; in\n' +
        '      |                                ^\n     2| builtins.head (f 1)\n' +
        '\n1: while calling a function\nFILE:1:32\n\n     1| let f = x: with { y = x; }; [ (throw "no ${toString y}") ]; in\n' +
        '      |                                ^\n     2| builtins.head (f 1)\n' +
        '\n2: while calling a function\nFILE:2:1\n\n     1| let f = x: with { y = x; }; [ (throw "no ${toString y}") ]; in\n' +
        "     2| builtins.head (f 1)\n      | ^\n     3| \n\n3: while evaluating a 'let' expression\n\n\n",
    );
  });

  it.each([
    ['let s.x = 1; in s.y', "while evaluating the attribute 'y'"],
    ['let f = { a }: a; in f { }', 'while calling a function'],
    ['with { x = 1; }; x + "a"', null],
    ['if { } then 1 else 2', null],
    ['assert 1 > 2; 1', null],
    ['with { }; nobody', null],
  ])('tells of %s with its expression', (text, below) => {
    const [all] = answers(debug(text, [':bt']));
    expect(all).toContain('\n1: error: Fake frame for debugging purposes\n');
    expect(all).toContain(below === null ? '\n0: error: ' : `\n2: ${below}\n`);
  });

  it('stops at builtins.break, goes on, and ends', () => {
    const text = 'let a = 20; in builtins.break (a + 1) + builtins.break 21';
    const run = debug(text, ['a', ':c', ':bt', ':c']);
    expect(run.status).toBe(0);
    expect(run.err).toBe(`info: breakpoint reached\n\n${BANNER}info: breakpoint reached\n\n`);
    expect(answers(run)[0]).toBe('20\n\n');
    expect(answers(run)[2]).toMatch(/^\n0: error: breakpoint reached\n\n1: while calling a function\nFILE:1:41\n/);
    expect(answers(run)[3]).toBe('42\n');
    const quit = debug('builtins.break 1', [':q', '1']);
    expect([quit.status, quit.out]).toEqual([1, 'nix-repl> :q\n']);
    expect(quit.err).toMatch(/info: breakpoint reached\n$/);
    expect(debug('builtins.break 1', [':c'], ['nix-instantiate', '--eval']).out).toBe('nix-repl> :c\n1\n');
  });

  it('goes step by step', () => {
    const text = 'let f = x: builtins.break x; in f { a = f 1; }.a';
    const run = debug(text, [':s', ':st', ':c', ':c']);
    expect(answers(run)[1]).toMatch(/^\n0: while evaluating the attribute 'a'\nFILE:1:35\n/);
    expect(debug('let a = builtins.break 1; in { b = a; }.b', [':s', ':q']).out).toBe('nix-repl> :s\n1\n');
    expect(debug('map (x: x) [ (builtins.trace "t" 1) ]', [':q'], ['eval', '--debugger-on-trace'])).toMatchObject({
      status: 0,
      out: 'nix-repl> :q\n',
    });
  });

  it('stops inside tryEval, for traces and warnings, as the settings say', () => {
    const tried = 'builtins.tryEval (throw "x")';
    const run = debug(tried, [':c']);
    expect(run.out).toBe('nix-repl> :c\n{ success = false; value = false; }\n');
    expect(run.err).toContain("This exception occurred in a 'tryEval' call. Use --ignore-try to skip these.\n");
    expect(debug(tried, [], ['eval', '--ignore-try']).out).toBe('{ success = false; value = false; }\n');
    const noisy = 'builtins.warn "w" (builtins.trace "t" 1)';
    const stops = (flag: string): number => answers(debug(noisy, [':c', ':c', ':c'], ['eval', flag])).length;
    expect([stops('--debugger-on-warn'), stops('--debugger-on-trace'), stops('--ignore-try')]).toEqual([1, 2, 0]);
  });

  it('is there in a repl, for one line after the other', () => {
    const lines = [':bt', 'x = 5', 'builtins.break (x + 1)', 'x + 2', ':c', 'throw "a"', ':c', 'x', ':?'];
    const run = debug('', lines, ['repl']);
    expect(run.status).toBe(0);
    expect(run.err.startsWith(BANNER)).toBe(true);
    const [, , , inside, value, , , after, help] = answers(run);
    expect([inside, value, after]).toEqual(['7\n\n', '6\n\n', '5\n\n']);
    expect(help).toContain('  :st <idx>        Change to another trace in the stack\n');
    expect(run.err).toContain("… while calling the 'throw' builtin");
  });

  it('is not there where nobody can be asked', () => {
    expect(debug('{ }', [], ['eval-jobs']).err).toContain("unrecognised flag '--debugger'");
  });

  it('stops for what is deep, and not for what ends evaluation', () => {
    const deep = debug('let f = n: 1 + f (n + 1); in f 0', ['1', ':c']);
    expect(answers(deep)[0]).toBe('1\n\n');
    expect(deep.err).toContain('error: stack overflow; max-call-depth exceeded');
    expect(debug('import ./none.nix', [':c'], ['eval', '--restrict-eval']).out).toBe('');
  });
});

describeWith(['python3'], 'the debugger at a terminal', () => {
  it('takes lines for what it stopped', () => {
    const prompt = 'nix-repl> (\\x1b\\[\\d+G)?$';
    const steps = [
      ['', prompt],
      ['f = x: builtins.break x\n', prompt],
      ['1 + f 41\n', `(?s)breakpoint reached.*${prompt}`],
      ['x + 2\n', prompt],
      [':c\n', `(?s)42.*${prompt}`],
      [':q\n', null],
    ];
    const driver = resolve(import.meta.dirname, '../support/on-terminal.py');
    const args = [driver, JSON.stringify(steps), program, 'repl', '--store', 'dummy://', '--debugger'];
    const run = spawnSync('python3', args, { cwd: dir, encoding: 'utf8', env });
    expect(run.status, run.stdout + run.stderr).toBe(0);
    const seen = (JSON.parse(run.stdout) as string[]).map((text) =>
      text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', ''),
    );
    expect(seen[3]).toContain('\n43\n');
    expect(seen[4]).toContain('\n42\n');
    expect(seen.at(-1)).toBe('0');
  });
});
