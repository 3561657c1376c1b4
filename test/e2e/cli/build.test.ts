// `tsnix build`: what is built, linked and printed.
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { derivations, Workplace } from '../../support/cli.ts';

const work = new Workplace({
  'default.nix': derivations(`
    hello = mk "hello" "echo building >&2; echo hello \${who} > $out" {};
    multi = mk "multi" "echo 1 > $out; echo 2 > $dev; echo 3 > $doc" { outputs = [ "out" "dev" "doc" ]; };
    set = {
      recurseForDerivations = true;
      a = mk "a" "echo a > $out" {};
      deeper.b = throw "not looked at";
      "odd name" = throw "not looked at";
    };
    list = [ hello set.a ];
    fn = { text, times ? 1, missing ? hello }: mk "fn" "echo \${text} \${toString times} > $out" {};
    asksForSet = { writeText }: writeText "asked" "from the embedded set";
    text = "\${hello}";
    inside = "\${multi.dev}";
    fromDerivation = import (mk "expression.nix" "echo '{ n = 42; }' > $out" {});
    str = "no derivation";
  `),
});
const links = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(work.project)
      .filter((name) => /result|link/.test(name))
      .map((name) => [name, readlinkSync(join(work.project, name)).replace(/^.*\/[a-z0-9]{32}-/, '')]),
  );
const names = (stdout: string): string[] =>
  stdout
    .split('\n')
    .map((line) => line.slice(44))
    .filter(Boolean);

afterAll(() => {
  work.close();
});
beforeEach(() => {
  for (const name of Object.keys(links())) rmSync(join(work.project, name));
});

describe('tsnix build', () => {
  it('builds the default file, says so, prints the path and links to the file itself', async () => {
    const { status, stdout, stderr } = await work.run(['build', '-A', 'hello']);
    expect(stderr).toMatch(
      /^this derivation will be built:\n {2}\/nix\/store\/.*-hello\.drv\nbuilding '.*-hello\.drv'\.\.\.\n$/,
    );
    expect({ status, names: names(stdout), links: links() }).toEqual({
      status: 0,
      names: ['hello'],
      links: { result: 'hello' },
    });
    expect(readFileSync(join(work.project, 'result'), 'utf8')).toBe('hello world\n');
    // Nothing is left to do.
    const again = await work.run(['build', '-A', 'hello', '--no-out-link']);
    expect(again).toEqual({ status: 0, stdout, stderr: '' });
  });

  it('names links by derivation and output', async () => {
    const several = ['multi.dev', 'hello', 'multi.doc', 'multi'].flatMap((attribute) => ['-A', attribute]);
    const { stdout } = await work.run(['build', ...several]);
    expect(names(stdout)).toEqual(['multi-dev', 'hello', 'multi-doc', 'multi']);
    expect(links()).toEqual({
      result: 'multi',
      'result-2': 'hello',
      'result-dev': 'multi-dev',
      'result-doc': 'multi-doc',
    });
    await work.run(['build', '-A', 'multi.dev', '-o', 'sub/link']);
    expect(readlinkSync(join(work.project, 'sub/link-dev'))).toMatch(/-multi-dev$/);
  });

  it('takes sets, lists, strings with context, files, folders and expressions', async () => {
    const cases: [string[], string[]][] = [
      [
        ['-A', 'set', '-A', 'list'],
        ['a', 'hello', 'a'],
      ],
      [
        ['-A', 'list.1', '-A', 'text', '-A', 'inside'],
        ['a', 'hello', 'multi-dev'],
      ],
      [
        ['./default.nix', '.', '-A', 'hello'],
        ['hello', 'hello'],
      ],
      [['-E', '(import ./. {}).hello'], ['hello']],
      [['<here/default.nix>', '-I', 'here=.', '-A', 'set.a'], ['a']],
    ];
    await Promise.all(
      cases.map(async ([args, expected]) => {
        const { stdout, stderr } = await work.run(['build', '--no-out-link', ...args]);
        expect(names(stdout), stderr).toEqual(expected);
      }),
    );
    const inherited = await work.run(['build', '--no-out-link', '-A', 'hello', '<here>'], {
      env: { NIX_PATH: `here=${work.project}` },
    });
    expect(names(inherited.stdout)).toEqual(['hello']);
    const stdin = await work.run(['build', '--no-out-link', '-'], { input: '(import ./default.nix {}).hello' });
    expect(names(stdin.stdout)).toEqual(['hello']);
  });

  it('calls functions with --arg, --argstr, their defaults, and the package set', async () => {
    const built = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await work.run(['build', '--no-out-link', ...args]);
      return stdout === '' ? stderr : readFileSync(work.real(stdout.trim()), 'utf8');
    };
    expect(await built('-A', 'hello', '--argstr', 'who', 'you')).toBe('hello you\n');
    expect(await built('-A', 'fn', '--argstr', 'text', 'x', '--arg', 'times', '1 + 2')).toBe('x 3\n');
    expect(await built('-A', 'asksForSet')).toBe('from the embedded set');
    expect(await built('-A', 'fn')).toMatch(
      /^error: cannot evaluate a function that has an argument without a value \('text'\)\n[^]*at .*default\.nix:\d+:12:\n[^]*fn = \{ text, times/,
    );
    // Not a derivation: evaluation that needs a build.
    expect(await built('-A', 'fromDerivation.n')).toMatch(
      /^building '.*expression\.nix\.drv'\.\.\.\nerror: expression does not evaluate to a derivation/,
    );
  });

  it('takes derivations themselves', async () => {
    const { stdout } = await work.run(['instantiate', '-A', 'multi', '-A', 'multi.dev', '-A', 'hello']);
    const [multi, dev, hello] = stdout.trim().split('\n') as [string, string, string];
    expect(dev).toBe(`${multi}!dev`);
    const built = await work.run(['build', hello, dev, `${multi}!doc`]);
    expect(names(built.stdout)).toEqual(['hello', 'multi-dev', 'multi-doc']);
    expect(links()).toEqual({ result: 'hello', 'result-2-dev': 'multi-dev', 'result-2-doc': 'multi-doc' });
    const bad = await work.run(['build', `${multi}!dev,doc`, '--no-out-link']);
    expect([bad.status, bad.stderr]).toEqual([1, expect.stringContaining('more than one derivation output')]);
  });

  it('prints JSON, and only says what it would do on --dry-run', async () => {
    const plan = await work.run(['build', '-A', 'hello', '--argstr', 'who', 'nobody', '--dry-run', '--json']);
    const [planned] = JSON.parse(plan.stdout) as { drvPath: string; outputs: { out: string } }[];
    expect(plan.stderr).toBe(`this derivation will be built:\n  ${planned!.drvPath}\n`);
    expect(existsSync(work.real(planned!.outputs.out))).toBe(false);
    expect(links()).toEqual({});
    const { stdout } = await work.run(['build', '-A', 'multi.dev', '-A', 'hello', '--json', '--no-link']);
    const rows = JSON.parse(stdout) as { attrPath: string; outputs: object; realPaths: { out: string } }[];
    expect(rows.map(({ attrPath, outputs }) => [attrPath, Object.keys(outputs)])).toEqual([
      ['multi.dev', ['dev']],
      ['hello', ['out']],
    ]);
    expect(readFileSync(rows[1]!.realPaths.out, 'utf8')).toBe('hello world\n');
  });

  it('shows logs on -L, and later', async () => {
    const { stderr, stdout } = await work.run(['build', '-A', 'hello', '--argstr', 'who', 'logs', '-L']);
    expect(stderr).toContain('\nhello> building\n');
    const logs = await work.run(['log', stdout.trim(), 'result']);
    expect(logs).toEqual({ status: 0, stdout: 'building\nbuilding\n', stderr: '' });
    const none = await work.run([
      'log',
      '/nix/store/00000000000000000000000000000000-x.drv',
      '--option',
      'substituters',
      '',
    ]);
    expect(none.status).toBe(1);
    expect(none.stderr).toMatch(/^error: build log of '.*-x\.drv' is not available\n$/);
    const unreachable = ['--option', 'substituters', 'http://127.0.0.1:1', '--option', 'download-attempts', '1'];
    const without = await work.run(['log', '/nix/store/00000000000000000000000000000000-x.drv', ...unreachable]);
    expect(without.stderr).toMatch(
      /^warning: unable to download .*\nerror: build log of '.*-x\.drv' is not available\n$/,
    );
  });

  it('takes settings from nix.conf, NIX_CONFIG and flags, the last one strongest', async () => {
    work.write('../conf/nix.conf', 'cores = 3 # comment\n!include none.conf\ninclude more.conf\n');
    work.write('../conf/more.conf', 'max-jobs = 2\n');
    const expression = (n: number): string[] => [
      '-E',
      `derivation { name = "cores-${n}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo $NIX_BUILD_CORES > $out" ]; }`,
    ];
    const cores = async (n: number, args: string[], env: Record<string, string>): Promise<string> => {
      const { stdout, stderr } = await work.run(['build', '--no-out-link', ...expression(n), ...args], { env });
      return stdout === '' ? stderr : readFileSync(work.real(stdout.trim()), 'utf8').trim();
    };
    expect(await cores(1, [], {})).toBe('3');
    expect(await cores(2, [], { NIX_CONFIG: 'cores = 4\nbuild-max-jobs = 1' })).toBe('4');
    expect(await cores(3, ['--cores', '5'], { NIX_CONFIG: 'cores = 4' })).toBe('5');
    expect(await cores(4, ['--option', 'build-cores', '6'], {})).toBe('6');
    expect(await cores(5, [], { NIX_CONFIG: 'cores 4' })).toBe(
      "error: syntax error in configuration line 'cores 4' in 'NIX_CONFIG'\nTry 'tsnix build --help' for more information.\n",
    );
    work.write('../conf/nix.conf', 'no-such-setting = 1\n');
    const unknown = await work.run(['build', '--dry-run', '-A', 'hello']);
    expect([unknown.status, unknown.stderr]).toEqual([0, "warning: unknown setting 'no-such-setting'\n"]);
    rmSync(join(work.dir, 'conf/nix.conf'));
  });

  it('replaces links of its own only, also those to other stores', async () => {
    await work.run(['build', '-A', 'hello'], { env: { NIX_REMOTE: join(work.dir, 'other') } });
    expect(readlinkSync(join(work.project, 'result'))).toContain('/other/nix/store/');
    expect((await work.run(['build', '-A', 'hello'])).status).toBe(0);
    expect(readlinkSync(join(work.project, 'result'))).toContain('/root/nix/store/');
    work.write('mine', 'precious');
    const refused = await work.run(['build', '-A', 'hello', '-o', 'mine']);
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/cannot create symlink '.*\/mine'; already exists/),
    ]);
    expect(readFileSync(join(work.project, 'mine'), 'utf8')).toBe('precious');
  });
});
