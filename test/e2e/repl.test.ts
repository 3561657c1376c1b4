// The repl: lines from a pipe, compared to the letter, and a real terminal for what only a terminal has.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeWith, findProgram } from '../support/requirements.ts';

const program = resolve(import.meta.dirname, '../../bin/tsnix');
const dir = mkdtempSync(join(tmpdir(), 'tsnix-repl-'));
const env = { PATH: process.env['PATH'], HOME: dir, NIX_CONF_DIR: dir, TERM: 'xterm', EDITOR: 'cat' };
afterAll(() => {
  spawnSync('chmod', ['-R', 'u+w', dir]);
  rmSync(dir, { recursive: true, force: true });
});

interface Session {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function repl(lines: string, args: readonly string[] = [], more: Record<string, string> = {}): Session {
  const { status, stdout, stderr } = spawnSync(program, ['repl', '--store', 'dummy://', ...args], {
    input: lines,
    cwd: dir,
    encoding: 'utf8',
    env: { ...env, ...more },
  });
  return { status, stdout, stderr };
}

/** What is printed, and what is said after the greeting; empty lines left out. */
function answers(lines: string, args: readonly string[] = []): { out: string[]; err: string[] } {
  const { status, stdout, stderr } = repl(lines, args);
  expect(status, stderr).toBe(0);
  const nonEmpty = (text: string): string[] => text.split('\n').filter((line) => line !== '');
  const [first, second, ...err] = nonEmpty(stderr);
  expect([first, second]).toEqual(['Nix 2.36.0', 'Type :? for help.']);
  return { out: nonEmpty(stdout), err };
}

const out = (lines: string, args: readonly string[] = []): string[] => answers(lines, args).out;
const err = (lines: string, args: readonly string[] = []): string[] => answers(lines, args).err;

describe('a repl at a pipe', () => {
  it('evaluates lines, prints one level, and ends each answer with an empty line', () => {
    const { stdout } = repl('1 + 1\n{ a = { b = 1; }; c = [ 1 ]; d = "x"; }\n[ ]\n');
    expect(stdout).toBe('2\n\n{\n  a = { ... };\n  c = [ ... ];\n  d = "x";\n}\n\n[ ]\n\n\n');
  });

  it('prints everything, and strings as they are, with :p', () => {
    expect(out(':p { a.b = [ 1 2 ]; }\n:p "x\\ty"\n"x\\ty"')).toEqual(
      ['{', '  a = {', '    b = [', '      1', '      2', '    ];', '  };', '}', 'x\ty', '"x\\ty"'], // prettier-ignore
    );
  });

  it('keeps variables: several at once, nested, inherited, without the last semicolon, replaced', () => {
    expect(out('x = 1\ny = x + 1; z = 2\na.b = 1; a.c = 2;\ninherit (a) c\nx = x + 10\n[ x y z c ]')).toEqual(
      ['[', '  11', '  2', '  2', '  2', ']'], // prettier-ignore
    );
    expect(err('f = n: f n\n')).toEqual(expect.arrayContaining([expect.stringContaining("undefined variable 'f'")]));
  });

  it('reads on where an expression, a string or a binding has no end yet', () => {
    expect(out("(1 +\n2)\ns = ''\n  a\n''\ns\nx = {\n  a = 1; # comment\n}\nx.a\n{\n}\n\"a\n\"")).toEqual(
      ['3', '"a\\n"', '1', '{ }', '"a\\n"'], // prettier-ignore
    );
    expect(repl('x = 1 }\n1').stderr).toContain('syntax error');
    expect(out('x = 1 }\n1')).toEqual(['1']);
  });

  it('says what is wrong, and goes on', () => {
    const { out: printed, err: said } = answers('1 + "x"\nthrow "no"\n1 +)\nundefined\n:nonsense\n:te maybe\n2');
    expect(printed).toEqual(['2']);
    expect(said.filter((line) => /^ *error: ./.test(line)).map((line) => line.trim())).toEqual([
      'error: cannot add a string to an integer',
      'error: no',
      "error: syntax error, unexpected ')'",
      "error: undefined variable 'undefined'",
      "error: unknown command ':nonsense'",
      "error: unexpected argument 'maybe' to :te",
    ]);
    expect(said.join('\n')).toContain('at «string»:1:5:');
  });

  it('an error in a file that ends too early is an error, not a beginning', () => {
    writeFileSync(join(dir, 'early.nix'), '{ a = ');
    expect(err('import ./early.nix\n')).toEqual(
      expect.arrayContaining([expect.stringContaining('unexpected end of file')]),
    );
  });

  it('loads files and sets, lists them, and loads them again', () => {
    writeFileSync(join(dir, 'a.nix'), '{ n ? 1 }: { one = n; "with space" = 2; }');
    const { out: printed, err: said } = answers(
      ':ll\n:l ./a.nix\none\n:l ./no.nix\n:a { two = 2; }\n:r\none\n:ll\ntwo\n',
    );
    expect(printed).toEqual(['1', '1', 'one', 'with space']);
    expect(said.map((line) => line.replaceAll(dir, 'DIR')).slice(0, 8)).toEqual([
      'error: nothing has been loaded yet',
      'Added 2 variables.',
      'one, "with space"',
      "error: path 'DIR/no.nix' does not exist",
      'Added 1 variables.',
      'two',
      'Loading "./a.nix"...',
      'Added 2 variables.',
    ]);
    expect(said.join('\n')).toContain("undefined variable 'two'");
    expect(out('one', ['./a.nix', '--arg', 'n', '40 + 2'])).toEqual(['42']);
    expect(out('one', ['-f', 'a.nix', '--argstr', 'n', 'x'])).toEqual(['"x"']);
    expect(out('b', ['--expr', '{ a.b = 7; }', 'a'])).toEqual(['7']);
    expect(err('', ['--expr', '{ x ? 1 }: { }']).join('\n')).toContain('expected a set but found a function');
  });

  it('shows only twenty of many names', () => {
    const said = err(
      ':a builtins.listToAttrs (map (n: { name = "v${toString (100 + n)}"; value = n; }) (builtins.genList (n: n) 25))',
    );
    expect(said[0]).toBe('Added 25 variables.');
    expect(said[1]!.split(', ')).toHaveLength(20);
    expect(said[2]).toBe('... and 5 more; view with :ll');
  });

  it('describes types, documents builtins, functions and attributes', () => {
    writeFileSync(
      join(dir, 'doc.nix'),
      `{
  /** Adds
      two numbers. */
  add = a: b: a + b;
  /** Not a function. */
  n.deep = 1;
  plain = x: x;
  set = { /** Of the functor. */ __functor = self: y: y; };
}
`,
    );
    expect(out(':t 1\n:t "x"\n:t map\n:t x: x\n:t ./x')).toEqual(
      ['an integer', 'a string', "the built-in function 'map'", 'a function', 'a path'], // prettier-ignore
    );
    const doc = out(':l ./doc.nix\n:doc add\n:doc add 1\n:doc plain\n:doc set\n:doc builtins.head', []).join('\n');
    expect(doc).toContain(`Function \`add\`\\\n  … defined at ${dir}/doc.nix:4:9`);
    expect(doc.match(/two numbers/g)).toHaveLength(2);
    expect(doc).toContain('Function `plain`');
    expect(doc).toContain('Of the functor.');
    expect(doc).toContain('**Synopsis:** `builtins.head` *list*');
    expect(err(':doc 1')).toEqual(['error: value does not have documentation']);
  });

  it('opens an editor', () => {
    expect(out(':e ./doc.nix').join('\n')).toContain('two numbers');
    expect(out(':e derivation').join('\n')).toContain('derivationStrict');
    expect(out(':e <nix/fetchurl.nix>').join('\n')).toContain('builtin:fetchurl');
    expect(err(':e x: x')).toEqual(["error: '«string»:1:1' cannot be shown in an editor"]);
  });

  it('shows traces when asked', () => {
    const said = err('f = x: throw "no"\nf 1\n:te\nf 1\n:te false\n').join('\n');
    expect(said.match(/while calling 'f'/g)).toHaveLength(1);
    expect(out(':te\n:te\n:te true')).toEqual([
      'showing error traces',
      'not showing error traces',
      'showing error traces',
    ]);
  });

  it('helps, ends with :q, and echoes for tests', () => {
    expect(out(':?').join('\n')).toMatch(/:lf, :load-flake <ref>/);
    expect(out('1\n:q\n2')).toEqual(['1']);
    expect(repl('(1\n)\n', [], { _NIX_TEST_REPL_ECHO: '1' }).stdout).toBe('nix-repl> (1\n        > )\n1\n\n\n');
  });

  it('loads flakes, and says what they need', () => {
    const flake = join(dir, 'flake');
    spawnSync('mkdir', [flake]);
    writeFileSync(join(flake, 'flake.nix'), '{ outputs = { self }: { answer = 42; }; }');
    expect(err(`:lf ${flake}`).join('\n')).toContain("'flakes' is disabled");
    const store = ['--extra-experimental-features', 'flakes', '--store', join(dir, 'flake-store')];
    expect(out(`:lf ${flake}\nanswer`, store)).toEqual(['42']);
  });

  it('installs with :i', () => {
    const drv = `derivation { name = "installed-1"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo x > $out" ]; }`;
    const store = ['--store', join(dir, 'profile-store')];
    const { stdout, stderr } = repl(`:i ${drv}\n`, store);
    expect(stderr, stdout).toContain("installing 'installed-1.drv'"); // as Nix calls it
    const query = spawnSync(program, ['nix-env', '-q', ...store], { cwd: dir, encoding: 'utf8', env });
    expect(query.stdout, query.stderr).toBe('installed-1.drv\n');
  });

  it.runIf(findProgram('git') !== undefined)('loads the work tree of a flake again', () => {
    const flake = join(dir, 'git-flake');
    spawnSync('git', ['init', '-q', flake]);
    const write = (text: string): void => {
      writeFileSync(join(flake, 'flake.nix'), `{ outputs = x: { what = "${text}"; }; }`);
    };
    write('before');
    spawnSync('git', ['-C', flake, 'add', '.']);
    const sed = `builtins.exec [ "sed" "-i" "s/before/after/" "${flake}/flake.nix" ]`;
    const args = ['--extra-experimental-features', 'flakes', '--store', join(dir, 'flake-store')];
    const unsafe = ['--allow-unsafe-native-code-during-evaluation'];
    expect(out(`:lf ${flake}\nwhat\n${sed}\n:r\nwhat\n`, [...args, ...unsafe])).toEqual(['"before"', '"after"']);
  });

  it('builds, keeps a result, and shows the log', () => {
    const drv = `drv = derivation { name = "built"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo hi from builder; echo x > $out" ]; }`;
    const { stdout, stderr } = repl(`${drv}\n:b drv\n:bl drv\n:log drv\n:b 1\n`, ['--store', join(dir, 'store')]);
    expect(stdout, stderr).toMatch(
      /This derivation produced the following outputs:\n {2}out -> \/nix\/store\/\w{32}-built\n/,
    );
    expect(stdout).toMatch(/ {2}\.\/repl-result-out -> \/nix\/store\/\w{32}-built\n/);
    expect(stdout).toContain('hi from builder');
    expect(stderr).toContain("error: expression does not evaluate to a derivation, so I can't build it");
    expect(readlinkSync(join(dir, 'repl-result-out'))).toMatch(/-built$/);
  });
});

describeWith(['python3'], 'a repl at a terminal', () => {
  type Step = readonly [type: string, until: string | null];

  /** What came after each step, without the sequences that steer a terminal. */
  function terminal(steps: readonly Step[]): string[] {
    const driver = resolve(import.meta.dirname, '../support/on-terminal.py');
    const command = ['repl', '--store', 'dummy://'];
    const run = spawnSync('python3', [driver, JSON.stringify(steps), program, ...command], {
      cwd: dir,
      encoding: 'utf8',
      env,
    });
    const seen = JSON.parse(run.stdout || '[]') as string[];
    expect(run.status, run.stdout + run.stderr).toBe(0);
    return seen.map((text) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', ''));
  }

  const prompt = 'nix-repl> (\\x1b\\[\\d+G)?$';
  const end: Step = ['\x04', null];

  it('prompts, reads on, remembers, ends with Ctrl-D', () => {
    const history = join(dir, '.local/share/nix/repl-history');
    rmSync(history, { force: true });
    const seen = terminal([
      ['', prompt],
      ['x = {\n', '        > '],
      ['a = 41; }\n', prompt],
      ['x.a + 1\n', prompt],
      ['\x1b[A\x1b[A', 'a = 41; }'],
      // The line is drawn anew first, prompt and all.
      ['\x15throw "no"\n', `(?s)error:.*${prompt}`],
      ['1\n2\n3\n', '(?s)3.*3.*nix-repl> (\\x1b\\[\\d+G)?$'],
      end,
    ]);
    expect(seen[0]).toContain('Type :? for help.');
    expect(seen[3]).toContain('\n42\n\nnix-repl> ');
    expect(seen[5]).toContain('error: no');
    expect(seen[6]).toMatch(/\n1\n\n2\n\n3\n/);
    expect(seen.at(-1)).toBe('0');
    const lines = readFileSync(history, 'utf8').split('\n');
    expect(lines.slice(0, 3)).toEqual(['x = {', 'a = 41; }', 'x.a + 1']);
    // The next session has them.
    expect(terminal([['', prompt], ['\x1b[A', '3'], ['\x15', prompt], end]).at(-1)).toBe('0'); // prettier-ignore
  });

  it('completes variables, attributes, commands and files', () => {
    writeFileSync(join(dir, 'completed.nix'), '{ }');
    const seen = terminal([
      ['', prompt],
      ['value = { attribute = 5; other = 1; }\n', prompt],
      ['valu\t', 'value'],
      ['.attr\t', '\\.attribute'],
      [' + 1\n', prompt],
      ['builtins.concatStr\t', 'concatStringsSep'],
      ['\x15[ value.o\t', 'value\\.other'],
      ['\x15:l ./complet\t', 'completed\\.nix'],
      ['\n', prompt],
      end,
    ]);
    expect(seen[4]).toContain('\n6\n');
    expect(seen[8]).toContain('Added 0 variables.');
  });

  it('Ctrl-C stops an evaluation, keeps the session and its values', () => {
    const endless = 'builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }';
    const seen = terminal([
      ['', prompt],
      [`x = { list = ${endless}; one = 1; }\n`, prompt],
      ['builtins.trace "it runs" (builtins.length x.list)\n', 'trace: it runs'],
      ['\x03', prompt],
      ['x.one + 41\n', prompt],
      ['builtins.trace "again" (builtins.length x.list)\n', 'trace: again'],
      ['\x03', prompt],
      ['not wanted\x03', prompt],
      ['"still " + "here"\n', prompt],
      end,
    ]);
    expect(seen[3]).toContain('error: interrupted by the user\n');
    expect(seen[3]).not.toContain('genericClosure');
    expect(seen[4]).toContain('\n42\n');
    expect(seen[6]).toContain('error: interrupted by the user\n');
    expect(seen[8]).toContain('\n"still here"\n');
    expect(seen.at(-1)).toBe('0');
  });

  it('is deep', () => {
    const seen = terminal([
      ['', prompt],
      ['let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 9000\n', prompt],
      ['let f = n: 1 + f n; in f 0\n', prompt],
      [':q\n', null],
    ]);
    expect(seen[1]).toContain('\n9000\n');
    expect(seen[2]).toContain('error: stack overflow; max-call-depth exceeded');
    expect(seen.at(-1)).toBe('0');
    expect(existsSync(join(dir, 'core'))).toBe(false);
  });
});
