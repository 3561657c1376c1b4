// `tsnix eval` and `tsnix instantiate`: what is printed, and how mistakes in expressions are shown.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Workplace } from '../../support/cli.ts';

const work = new Workplace({
  'default.nix': `{ n ? 1 }: rec {
  inherit n;
  path = ./default.nix;
  nested = { a.b = [ "x" { deep = n; } ]; };
  fn = { x }: { sum = x + n; };
  drv = derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; };
}
`,
  'sub/default.nix': 'import ../. { n = 7; }',
  'syntax.nix': 'let\n  x = 1\n  y = 2;\nin x\n',
  'undefined.nix': '{ a = 1; }\n// { b = misspelt; }\n',
  'type.nix': 'let\n  f = n: n + "text";\nin\nf 1\n',
  'loop.nix': 'let a = b; b = a; in a\n',
  'missing.nix': 'let f = { x }: x; in f { }\n',
  'deep.nix': 'let f = n: if n == 0 then 0 else 1 + f (n - 1); in f (import ./depth.nix)\n',
});
afterAll(() => {
  work.close();
});
const evaluate = (...args: string[]): ReturnType<Workplace['run']> => work.run(['eval', ...args]);

describe('tsnix eval', () => {
  it('prints values in each of its forms', async () => {
    const cases: [string[], string][] = [
      [['-A', 'nested'], '{ a = { b = [ "x" { deep = 1; } ]; }; }\n'],
      [['-A', 'nested.a.b.1.deep', '--arg', 'n', '40 + 2'], '42\n'],
      [['-A', 'fn.sum', '--arg', 'x', '1', '--arg', 'n', '2'], '3\n'],
      [['-A', 'nested', '--json'], '{"a":{"b":["x",{"deep":1}]}}\n'],
      [['-A', 'nested.a.b.0', '--raw'], 'x'],
      [['-A', 'drv.name', '-A', 'n'], '"d"\n1\n'],
      [['-A', 'n', '.', './sub', 'sub/default.nix'], '1\n7\n7\n'],
      [['-A', 'n', '--file', 'sub'], '7\n'],
      [['-E', 'import ./sub', '-A', 'n', '--apply', 'n: [ n (n + 1) ]'], '[ 7 8 ]\n'],
      [['-E', '<sub/sub>', '-I', 'sub=.', '--apply', 'p: baseNameOf p'], '"sub"\n'],
      [['-E', '{ text }: text', '--argstr', 'text', 'žluťoučký'], '"žluťoučký"\n'],
      [['-E', '{ text }: text', '--arg-from-file', 'text', 'loop.nix', '--raw'], 'let a = b; b = a; in a\n'],
      [
        ['-E', '[ (1 + 1) ]', '--xml', '--strict'],
        "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n  <list>\n    <int value=\"2\" />\n  </list>\n</expr>\n",
      ],
    ];
    await Promise.all(
      cases.map(async ([args, expected]) => {
        const { stdout, stderr } = await evaluate(...args);
        expect([args, stdout, stderr]).toEqual([args, expected.normalize(), '']);
      }),
    );
    expect((await work.run(['eval', '-'], { input: '1 + 2' })).stdout).toBe('3\n');
    const empty = await work.run(['eval', '--raw', '-A', 'lib.version'], { cwd: join(work.dir, 'conf') });
    expect(empty.stdout).toMatch(/^\d\d\.\d\d/);
    expect(readdirSync(work.dir)).not.toContain('root'); // evaluation alone makes no store
  });

  it('writes strings and sets of strings', async () => {
    const args = ['-E', '{ a = "1"; "b.c".d = "\\n"; }', '--write-to', 'written'];
    expect(await evaluate(...args)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(readFileSync(join(work.project, 'written/b.c/d'), 'utf8')).toBe('\n');
    expect((await evaluate(...args)).stderr).toMatch(/^error: path '.*written' already exists\n$/);
    const outside = await evaluate('-E', '{ "../x" = "1"; }', '--write-to', 'other');
    expect([outside.status, outside.stderr]).toEqual([1, expect.stringContaining("invalid file name '../x'")]);
  });

  it('says what expressions say, in order', async () => {
    const { stdout, stderr } = await evaluate('-E', 'builtins.trace "one" (builtins.warn "two" 3)');
    expect([stdout, stderr]).toEqual(['3\n', 'trace: one\nevaluation warning: two\n']);
  });

  it('shows mistakes with file, line and excerpt, and ends with 1', async () => {
    const place = (file: string, line: number, column: number): string =>
      `at ${join(work.project, file)}:${line}:${column}:\n`;
    const cases: [string, string[]][] = [
      [
        'syntax.nix',
        [
          "error: syntax error, unexpected '=', expecting ';'",
          place('syntax.nix', 3, 5),
          '            3|   y = 2;\n             |     ^\n',
        ],
      ],
      [
        'undefined.nix',
        [
          "error: undefined variable 'misspelt'",
          place('undefined.nix', 2, 10),
          '// { b = misspelt; }\n             |          ^\n',
        ],
      ],
      ['type.nix', ['error: cannot add a string to an integer', place('type.nix', 2, 14)]],
      ['loop.nix', ['error: infinite recursion encountered', place('loop.nix', 1, 9)]],
      ['missing.nix', ["error: function 'f' called without required argument 'x'", place('missing.nix', 1, 9)]],
      ['none.nix', [`error: path '${join(work.project, 'none.nix')}' does not exist`]],
    ];
    await Promise.all(
      cases.map(async ([file, words]) => {
        const { status, stdout, stderr } = await evaluate(file);
        expect([file, status, stdout]).toEqual([file, 1, '']);
        for (const word of words) expect(stderr).toContain(word);
      }),
    );
    const traced = await evaluate('type.nix', '--show-trace');
    expect(traced.stderr).toContain(`while calling 'f'\n         ${place('type.nix', 2, 7)}`);
  });

  it('ends deep recursion with an error, never a crash', async () => {
    writeFileSync(join(work.project, 'depth.nix'), '9000');
    expect((await evaluate('deep.nix')).stdout).toBe('9000\n');
    writeFileSync(join(work.project, 'depth.nix'), '1000000');
    const { status, stderr } = await evaluate('deep.nix');
    expect([status, stderr]).toEqual([1, expect.stringContaining('error: stack overflow; max-call-depth exceeded\n')]);
    for (const [word, message] of [
      ['[', 'stack overflow; max-call-depth exceeded'],
      ['!', 'expected a Boolean but found an integer: 1'],
    ] as const) {
      const text = word.repeat(100_000) + '1' + (word === '[' ? ']'.repeat(100_000) : '');
      const nested = await work.run(['eval', '-'], { input: text });
      expect([nested.status, nested.stderr]).toEqual([1, expect.stringContaining(`error: ${message}\n`)]);
    }
  });
});

describe('tsnix instantiate', () => {
  it('writes derivations and prints their paths', async () => {
    const { stdout } = await work.run(['instantiate', '-A', 'drv', '-A', 'drv.dev']);
    const [out, dev] = stdout.trim().split('\n') as [string, string];
    expect(dev).toBe(`${out}!dev`);
    expect(readFileSync(work.real(out), 'latin1')).toMatch(/^Derive\(\[\("dev","/);
    const json = await work.run(['instantiate', '-A', 'drv', '--json', '--dry-run']);
    expect(JSON.parse(json.stdout)).toEqual([{ attrPath: 'drv', name: 'd', drvPath: out, outputName: 'out' }]);
    const none = await work.run(['instantiate', '-A', 'n']);
    expect([none.status, none.stderr]).toEqual([
      1,
      'error: expression does not evaluate to a derivation (or a set or list of those)\n',
    ]);
  });
});
