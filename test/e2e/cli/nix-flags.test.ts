// Flags and settings that mean the same to all of Nix's commands: where each comes from, and what is said of wrong ones.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivations, Workplace, type Ended, type StartOptions } from '../../support/cli.ts';

const place = new Workplace({
  'text.nix': '"read"',
  'shell.nix': derivations(`env = mk "env" "exit 1" { outputs = [ "out" "dev" ]; said = who; };`),
});
afterAll(() => {
  place.close();
});

const run = (name: string, args: readonly string[], options: StartOptions = {}): Promise<Ended> =>
  place.run(args, { ...options, name });

async function result(name: string, args: readonly string[], options: StartOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(name, args, options);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe('the search path', () => {
  beforeAll(() => {
    for (const from of ['env', 'extra', 'flag', 'setting']) {
      mkdirSync(join(place.dir, from));
      writeFileSync(join(place.dir, from, `only-${from}`), '');
    }
  });
  const find = (args: readonly string[], env: StartOptions['env'], file: string): Promise<Ended> =>
    run('nix-instantiate', ['--find-file', ...args, file], { env: { ...env } });
  const entry = (from: string): string => `t=${place.dir}/${from}`;

  it('--extra-nix-path adds to NIX_PATH, --nix-path takes its place, -I comes first', async () => {
    const env = { NIX_PATH: entry('env') };
    const at = (from: string): string => `${place.dir}/${from}/only-${from}\n`;
    expect((await find(['--extra-nix-path', entry('extra')], env, 't/only-extra')).stdout).toBe(at('extra'));
    expect((await find(['--extra-nix-path', entry('extra')], env, 't/only-env')).stdout).toBe(at('env'));
    expect((await find(['--nix-path', entry('setting')], env, 't/only-env')).status).toBe(1);
    expect((await find(['-I', entry('flag')], env, 't')).stdout).toBe(`${place.dir}/flag\n`);
    expect((await find(['-I', entry('flag')], env, 't/only-env')).stdout).toBe(at('env'));
  });

  it('in restricted mode its relative entries may be read; what may not is said to be forbidden', async () => {
    const read = (more: readonly string[], expression: string): Promise<Ended> =>
      run('nix-instantiate', ['--eval', '--restrict-eval', '-E', expression, ...more]);
    expect((await read(['-I', 'x=.'], 'builtins.readFile ./text.nix')).stdout).toBe('"\\"read\\""\n');
    const lookup = 'let __nixPath = [ { prefix = "x"; path = ./.; } ]; in builtins.readFile <x/text.nix>';
    expect((await read(['-I', 'x=.'], lookup)).stdout).toBe('"\\"read\\""\n');
    expect((await read([], lookup)).stderr).toContain('is forbidden in restricted mode');
    const { stderr } = await run('nix-instantiate', ['--eval', '--restrict-eval', './absent.nix']);
    expect(stderr).toContain(`access to absolute path '${place.project}/absent.nix' is forbidden in restricted mode`);
  });

  it('allowed-uris allows what it names and what lies below', async () => {
    const url = `file://${place.project}/text.nix`;
    const fetch = (allowed: string): Promise<Ended> =>
      run('nix-instantiate', [
        ...['--eval', '--read-write-mode', '--restrict-eval', '--allowed-uris', allowed],
        ...['-E', `builtins.baseNameOf (builtins.fetchurl "${url}")`],
      ]);
    for (const allowed of [url, `file://${place.project}`, `file://${place.project}/`, 'file:', `x:y ${url}`]) {
      expect((await fetch(allowed)).stdout, allowed).toMatch(/^"[0-9a-z]{32}-text\.nix"\n$/);
    }
    for (const refused of ['', `${url}/`, url.slice(0, -1), `file://${place.project.slice(0, -1)}`]) {
      expect((await fetch(refused)).stderr, refused).toContain('is forbidden in restricted mode');
    }
  });
});

describe('settings', () => {
  it('of a feature that is off are ignored in files and refused as flags; names of features are checked', async () => {
    const show = (args: readonly string[], config: string): Promise<Ended> =>
      run('nix', ['config', 'show', ...args], { env: { NIX_CONFIG: config } });
    const off = await show(['accept-flake-config'], 'accept-flake-config = true');
    expect({ status: off.status, stderr: off.stderr }).toEqual({
      status: 1,
      stderr:
        "warning: Ignoring setting 'accept-flake-config' because experimental feature 'flakes' is not enabled\n" +
        "error: could not find setting 'accept-flake-config'\n",
    });
    const on = await show(['accept-flake-config'], 'accept-flake-config = true\nexperimental-features = flakes');
    expect(on).toEqual({ status: 0, stdout: 'true\n', stderr: '' });
    const flagged = await show(['--flake-registry', 'x', 'cores'], '');
    expect({ status: flagged.status, first: flagged.stderr.split(';')[0] }).toEqual({
      status: 1,
      first: "error: experimental Nix feature 'flakes' is disabled",
    });
    expect((await show(['cores'], 'experimental-features = flacks no-url-literals')).stderr).toBe(
      "warning: unknown experimental feature 'flacks'\n" +
        "warning: experimental feature 'no-url-literals' has been stabilized and renamed; use 'lint-url-literals = fatal' setting instead\n",
    );
  });

  it('warn-short-path-literals is the old name of a level', async () => {
    const evaluate = async (...args: string[]): Promise<boolean> =>
      /relative path literal/.test((await run('nix', ['eval', ...args, '--impure', '--expr', 'a/b'])).stderr);
    expect(await evaluate()).toBe(false);
    expect(await evaluate('--warn-short-path-literals')).toBe(true);
    expect(await evaluate('--warn-short-path-literals', '--lint-short-path-literals', 'ignore')).toBe(false);
  });
});

describe('evaluation', () => {
  it('takes an argument from standard input, a store directory from a store, JSON on several lines', async () => {
    expect(
      await result('nix', ['eval', '--raw', '--arg-from-stdin', 'x', '--expr', '{ x }: { inherit x; }', 'x'], {
        input: 'from there',
      }),
    ).toBe('from there');
    expect(
      await result('nix', ['eval', '--store', 'dummy://?store=/elsewhere', '--raw', '--expr', 'builtins.storeDir']),
    ).toBe('/elsewhere');
    const json = ['eval', '--json', '--expr', '{ a.b = 1; }'];
    expect(await result('nix', json)).toBe('{"a":{"b":1}}\n');
    expect(await result('nix', [...json, '--pretty'])).toBe('{\n  "a": {\n    "b": 1\n  }\n}\n');
    expect(await result('nix', [...json, '--no-pretty'])).toBe('{"a":{"b":1}}\n');
  });
});

describe('nix-shell', () => {
  const bash = { NIX_BUILD_SHELL: '/bin/bash' };
  const says = ['--run', 'echo $said'];

  it('takes links to derivations, with an output too, and <folders> with a shell.nix', async () => {
    const [drv] = (await run('nix-instantiate', ['shell.nix', '-A', 'env'])).stdout.trim().split('\n');
    symlinkSync(drv!, join(place.project, 'link'));
    for (const what of [drv!, `${drv!}!dev`, './link']) {
      expect((await run('nix-shell', [what, ...says], { env: bash })).stdout, what).toBe('world\n');
    }
    writeFileSync(join(place.project, 'default.nix'), 'abort "not this one"');
    const looked = ['-I', `x=${place.dir}`, '<x/project>', '-A', 'env', ...says];
    expect((await run('nix-shell', looked, { env: bash })).stdout).toBe('world\n');
    const old = await run('nix-shell', [...looked, '--option', 'nix-shell-always-looks-for-shell-nix', 'false']);
    expect(old.stderr).toContain(`warning: Skipping '${place.project}/shell.nix', because the setting`);
    expect(old.stderr).toContain('not this one');
  });

  it('reads --arg of a script where the script lies, and takes apart its lines as Perl does', async () => {
    const script = place.write(
      '../elsewhere/script',
      `#! /usr/bin/env nix-shell
#! nix-shell -i /bin/sh -A env --arg who "import ./who.nix" shell.nix --argstr x 'a "b" \\q' --argstr y "\\"\\d"
echo $said
`,
    );
    place.write('../elsewhere/who.nix', '"you"');
    place.write('../elsewhere/shell.nix', '{ who, x, y }: import ../project/shell.nix { who = "${who} ${x} ${y}"; }');
    expect((await run('nix-shell', [script], { env: bash })).stdout).toBe('you a "b" \\q "d\n');
  });
});
