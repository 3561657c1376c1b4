// What users can ask tsnix about itself, and what it says to command lines that it can't obey.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { program, Workplace } from '../../support/cli.ts';

const work = new Workplace({ 'one.nix': '1' });
afterAll(() => {
  work.close();
});

it('refuses what it does not know, in Nix’s words and with 1', async () => {
  const cases: [string[], string][] = [
    [
      ['bulid'],
      "error: 'bulid' is not a recognised command\n       Did you mean build?\nTry 'tsnix --help' for more information.\n",
    ],
    [['--frobnicate'], "error: unrecognised flag '--frobnicate'\nTry 'tsnix --help' for more information.\n"],
    [
      ['build', '--frobnicate'],
      "error: unrecognised flag '--frobnicate'\nTry 'tsnix build --help' for more information.\n",
    ],
    [
      ['eval', '-A'],
      "error: flag '-A' requires 1 argument(s), but only 0 were given\nTry 'tsnix eval --help' for more information.\n",
    ],
    [
      ['eval', '--arg', 'x'],
      "error: flag '--arg' requires 2 argument(s), but only 1 were given\nTry 'tsnix eval --help' for more information.\n",
    ],
    [
      ['eval', '--raw', '--json', '-E', '1'],
      "error: --raw and --json are mutually exclusive\nTry 'tsnix eval --help' for more information.\n",
    ],
    [
      ['eval', '-E', '1', 'x.nix'],
      "error: '--expr' and FILE do not go together: 'x.nix'\nTry 'tsnix eval --help' for more information.\n",
    ],
    [
      ['eval', '-E', '1', '-f', 'x.nix'],
      "error: '--file' and '--expr' are exclusive\nTry 'tsnix eval --help' for more information.\n",
    ],
    [
      ['build', '-jx'],
      "error: configuration setting 'max-jobs' should be 'auto' or an integer\nTry 'tsnix build --help' for more information.\n",
    ],
    [
      ['build', '--option', 'cores', 'x'],
      "error: setting 'cores' has invalid value 'x'\nTry 'tsnix build --help' for more information.\n",
    ],
    [
      ['build', '--option', 'sandbox', 'x'],
      "error: option 'sandbox' has invalid value 'x'\nTry 'tsnix build --help' for more information.\n",
    ],
    [
      ['nix-instantiate', '--frobnicate'],
      "error: unrecognised flag '--frobnicate'\nTry 'nix-instantiate --help' for more information.\n",
    ],
    [
      ['build', '--store', 'gopher://x', '-A', 'hello'],
      "error: don't know how to open Nix store with URI 'gopher://x'\n",
    ],
    [['log'], "error: name a derivation, an output, or a link to one\nTry 'tsnix log --help' for more information.\n"],
    [
      ['build'],
      "error: there is no ./default.nix; name a FILE, or an attribute of the embedded package set with '-A' (such as '-A images.bash')\nTry 'tsnix build --help' for more information.\n",
    ],
  ];
  await Promise.all(
    cases.map(async ([args, expected]) => {
      expect([args, await work.run(args)]).toEqual([args, { status: 1, stdout: '', stderr: expected }]);
    }),
  );
});

it('knows no command by a name that every object has', async () => {
  await Promise.all(
    Object.getOwnPropertyNames(Object.prototype).flatMap((name) =>
      [[name], ['nix', name], ['store', name]].map(async (args) => {
        const { status, stderr } = await work.run(args);
        expect([args, status, stderr.split('\n')[0]]).toEqual([
          args,
          1,
          `error: '${name}' is not a recognised command`,
        ]);
      }),
    ),
  );
});

it('explains every command', async () => {
  const top = await work.run(['--help']);
  expect(top.status).toBe(0);
  const commands = [...top.stdout.matchAll(/^ {2}tsnix ([a-z-]+) /gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'completion');
  expect(commands).toEqual(
    expect.arrayContaining(['build', 'instantiate', 'eval', 'log', 'nix-build', 'nix-instantiate']),
  );
  const helps = await Promise.all(commands.map((name) => work.run([name, '--help'])));
  helps.forEach(({ status, stdout }, i) => {
    expect(status).toBe(0);
    expect(stdout.startsWith(`tsnix ${commands[i]!}`)).toBe(true);
  });
  const build = helps[commands.indexOf('build')]!.stdout;
  for (const flag of [
    '-A, --attr',
    '--no-out-link',
    '-K, --keep-failed',
    '--dry-run',
    '--argstr',
    '-L, --print-build-logs',
  ])
    expect(build).toContain(flag);
  expect(await work.run(['help', 'build'])).toEqual({ status: 0, stdout: build, stderr: '' });
  const none = await work.run([]);
  expect(none).toEqual({ status: 1, stdout: '', stderr: top.stdout });
});

it('tells its version, and that of Nix where scripts ask for it', async () => {
  expect((await work.run(['--version'])).stdout).toMatch(/^tsnix \d+\.\d+\.\d+\n$/);
  expect((await work.run(['nix-build', '--version'])).stdout).toMatch(/^nix-build \(Nix\) 2\.\d+\.\d+ \(tsnix .*\)\n$/);
});

it('completes', async () => {
  const complete = async (...words: string[]): Promise<string[]> =>
    (await work.run(['--get-yargs-completions', 'tsnix', ...words])).stdout.split('\n');
  expect(await complete('')).toEqual(expect.arrayContaining(['build', 'eval', 'log']));
  expect(await complete('build', '--')).toEqual(expect.arrayContaining(['--attr', '--no-out-link', '--dry-run']));
  expect((await work.run(['completion'])).stdout).toContain('_tsnix_yargs_completions');
});

describe('what it is started with', () => {
  const shell = (
    script: string,
    env: Record<string, string> = {},
  ): { status: number | null; out: string; err: string } => {
    const run = spawnSync('/bin/sh', ['-c', script, program], {
      cwd: work.project,
      encoding: 'utf8',
      timeout: 60_000,
      env: { PATH: process.env['PATH'], HOME: work.dir, ...env },
    });
    return { status: run.status, out: run.stdout, err: run.stderr };
  };

  it('results that cannot be written are an error, messages are not', () => {
    const full = shell('"$0" eval -E 1 >/dev/full');
    expect(full).toEqual({ status: 1, out: '', err: 'error: writing to file: No space left on device\n' });
    expect(shell('"$0" eval -E "builtins.trace 1 2" 2>/dev/full')).toEqual({ status: 0, out: '2\n', err: '' });
  });

  it('a folder that is gone', () => {
    const gone = shell('mkdir gone && cd gone && rmdir ../gone && "$0" eval -E 1');
    expect(gone.status).toBe(1);
    expect(gone.err).toContain('error: cannot get cwd: No such file or directory\n');
  });

  it('a home in which no folder can be made', () => {
    expect(shell('"$0" eval -E "import ./one.nix"', { HOME: '/proc' })).toEqual({ status: 0, out: '1\n', err: '' });
  });
});

it.each(['bench/main.ts', 'scripts/fuzz.ts', 'scripts/compare-packages.ts'])('%s explains itself', (script) => {
  const run = (flag: string): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [resolve(import.meta.dirname, '../../..', script), flag], { encoding: 'utf8' });
  const help = run('--help');
  expect(help.status).toBe(0);
  expect(help.stdout).toMatch(/^npm run /);
  const wrong = run('--frobnicate');
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toMatch(/^error: Unknown option '--frobnicate'.*\nSee --help\.\n$/);
});
