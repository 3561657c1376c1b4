// `nix`, the drop-in: what it is asked for are installables, as `nix` has them.
import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, Workplace, type Ended, type StartOptions } from '../../support/cli.ts';

const place = new Workplace({
  'default.nix': derivations(`
    many = mk "many" "echo a > $out; echo b > $dev; echo c > $doc" { outputs = [ "out" "dev" "doc" ]; };
    some = many // { meta.outputsToInstall = [ "out" "doc" ]; };
    only = many.dev // { outputSpecified = true; };
    plain = mk "plain" "echo x > $out" { };
    greeting = "hello " + who;
    fails = mk "fails" "exit 3" { };
    needsMore = { absent }: absent;
  `),
  'flake/flake.nix': `{
    outputs = { self }: {
      packages.\${builtins.head [ "x86_64-linux" ]} = rec { default = five; five = { n = 5; }; };
      pure = builtins ? currentTime;
    };
  }`,
});
afterAll(() => {
  place.close();
});

const nix = (args: readonly string[], options: StartOptions = {}): Promise<Ended> =>
  place.run(args, { name: 'nix', ...options });

async function output(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await nix(args);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const names = (paths: string): string[] =>
  paths
    .trimEnd()
    .split('\n')
    .map((path) => path.slice(44));

describe('nix: attributes of --file and --expr', () => {
  it('build ends with 1 however builds fail', async () => {
    expect((await nix(['build', '-f', 'default.nix', 'fails', '--no-link'])).status).toBe(1);
    expect((await place.run(['nix-build', '-A', 'fails', '--no-out-link'])).status).toBe(100);
  });

  it('build names only what failed, not what was not built for it', async () => {
    const drv = (name: string): string =>
      `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/none"; }`;
    const { status, stderr } = await nix([
      'build',
      '--impure',
      '--no-link',
      '-j1',
      '--expr',
      `[ (${drv('a')}) (${drv('b')}) ]`,
    ]);
    expect([status, stderr.match(/^error: .*$/gm)]).toEqual([
      1,
      [expect.stringMatching(/^error: Cannot build '.*'\.$/)],
    ]);
  });

  it('build takes the outputs of one derivation together', async () => {
    const built = await output('build', '--json', '--dry-run', '-f', 'default.nix', 'many.all');
    const [one, ...others] = JSON.parse(built) as { outputs: Record<string, string> }[];
    expect(others).toEqual([]);
    expect(Object.entries(one!.outputs).map(([name, path]) => [name, path.slice(44)])).toEqual([
      ['dev', 'many-dev'],
      ['doc', 'many-doc'],
      ['out', 'many'],
    ]);
  });

  it('build takes no string that stands for a closure', async () => {
    const { status, stderr } = await nix(['build', '-f', 'default.nix', 'plain.drvPath', '--no-link']);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        'has a context which refers to a complete source and binary closure. This is not supported at this time',
      ),
    ]);
  });

  it('build reads installables from standard input', async () => {
    expect(await output('build', '--no-link', '--stdin', '--json')).toBe('[]\n');
    const drvPath = (await output('eval', '--raw', '-f', 'default.nix', 'plain.drvPath')).trim();
    const { stdout } = await nix(['build', '--no-link', '--stdin', '--print-out-paths'], { input: `${drvPath}^out\n` });
    expect(names(stdout)).toEqual(['plain']);
  });

  it('eval takes them, files impurely and expressions purely', async () => {
    expect(await output('eval', '-f', 'default.nix', '--raw', 'greeting', '--argstr', 'who', 'you')).toBe('hello you');
    expect(await output('eval', '--expr', '{ a.b = [ 1 2 ]; }', 'a.b.1')).toBe('2\n');
    expect(await output('eval', '--expr', 'builtins ? currentTime')).toBe('false\n');
    expect(await output('eval', '--impure', '--expr', 'builtins ? currentTime')).toBe('true\n');
    expect(await output('eval', '--file', place.write('impure.nix', 'builtins ? currentTime'))).toBe('true\n');
    const { status, stderr } = await nix(['eval', '--pure-eval', '-f', 'default.nix']);
    expect({ status, line: stderr.split('\n')[0] }).toEqual({
      status: 1,
      line: "error: '--file' is not compatible with '--pure-eval'",
    });
  });

  it('no argument comes from a package set', async () => {
    const { stderr } = await nix(['build', '-f', 'default.nix', 'needsMore']);
    expect(stderr).toMatch(/cannot evaluate a function that has an argument without a value \('absent'\)/);
  });

  it('builds the outputs that are named, or that are to be installed; says so only when asked', async () => {
    const build = async (...what: string[]): Promise<string[]> =>
      names(await output('build', '--no-link', '--print-out-paths', '-f', 'default.nix', ...what));
    expect(await output('build', '--no-link', '-f', 'default.nix', 'plain')).toBe('');
    expect(await build('many')).toEqual(['many-dev', 'many-doc', 'many']);
    expect(await build('some')).toEqual(['many-doc', 'many']);
    expect(await build('only')).toEqual(['many-dev']);
    expect(await build('many^doc,dev')).toEqual(['many-dev', 'many-doc']);
    expect(await build('some^*', 'plain')).toEqual(['many-dev', 'many-doc', 'many', 'plain']);
    expect((await nix(['build', '-f', 'default.nix', 'many^'])).stderr).toContain(
      "error: invalid extended outputs specifier 'many^'",
    );
  });

  it('numbers links by arguments, and prints JSON as Nix does', async () => {
    const json = await output('build', '--json', '-f', 'default.nix', 'plain', 'many^out,dev');
    const [plain, many] = JSON.parse(json) as { drvPath: string; outputs: Record<string, string> }[];
    expect(Object.keys(plain!)).toEqual(['drvPath', 'outputs']);
    expect(Object.keys(many!.outputs)).toEqual(['dev', 'out']);
    for (const [link, path] of [
      ['result', plain!.outputs['out']],
      ['result-1', many!.outputs['out']],
      ['result-1-dev', many!.outputs['dev']],
    ] as const) {
      expect(readlinkSync(join(place.project, link))).toBe(place.real(path!));
    }
    expect(lstatSync(join(place.project, 'result')).isSymbolicLink()).toBe(true);
  });
});

describe('nix: store paths and flakes', () => {
  it('builds, and asks about, what the store has, links to it, and outputs of derivations', async () => {
    const drv = (await output('eval', '--raw', '-f', 'default.nix', 'many.drvPath')).trimEnd();
    const [out] = (await output('build', '--print-out-paths', '-o', 'link', '-f', 'default.nix', 'many^out')).split(
      '\n',
    );
    expect(await output('build', '--no-link', '--print-out-paths', out!)).toBe(`${out!}\n`);
    expect(await output('build', '--no-link', '--print-out-paths', './link')).toBe(`${out!}\n`);
    expect(names(await output('build', '--no-link', '--print-out-paths', `${drv}^dev`))).toEqual(['many-dev']);
    expect(await output('path-info', './link')).toBe(`${out!}\n`);
    expect(await output('path-info', '-f', 'default.nix', 'many^out')).toBe(`${out!}\n`);
    expect(
      Object.keys(JSON.parse(await output('derivation', 'show', '-f', 'default.nix', 'many')) as object),
    ).toContain('derivations');
  });

  it('takes everything else for flakes, with or without an attribute', async () => {
    const flakes = ['--extra-experimental-features', 'flakes'];
    const cwd = join(place.project, 'flake');
    expect((await nix(['eval', ...flakes], { cwd })).stdout).toBe('{ n = 5; }\n');
    expect((await nix(['eval', ...flakes, '.#five.n'], { cwd })).stdout).toBe('5\n');
    expect((await nix(['eval', ...flakes, `path:${cwd}#pure`])).stdout).toBe('false\n');
    expect((await nix(['eval', ...flakes, './flake'])).stdout).toBe('{ n = 5; }\n');
    const { stderr } = await nix(['eval', '.#five']);
    expect(stderr).toContain("experimental Nix feature 'flakes' is disabled");
  });
});

describe('nix: smaller things', () => {
  it('tells settings and places with its version, where it is to say more', async () => {
    const said = await output('-v', '--version');
    expect(said).toMatch(/^nix \(Nix\) [\d.]+ .*\nSystem type: /);
    for (const what of ['System configuration file: /', 'Store directory: /nix/store\n', 'State directory: /'])
      expect(said).toContain(`\n${what}`);
    expect(await output('--version')).not.toContain('System type');
  });

  it('shows features with those that they bring along', async () => {
    const features = ['--experimental-features', 'nix-command flakes'];
    expect(await output('config', 'show', 'experimental-features', ...features)).toBe(
      'fetch-tree flakes nix-command\n',
    );
  });

  it('knows that nothing depends on what was never built', async () => {
    place.write(
      'floating.nix',
      derivations(`
        other = mk "other" "echo 1 > $out" floating;
        top = mk "top" "echo 2 > $out" floating;
        floating = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
      `),
    );
    const args = ['--extra-experimental-features', 'ca-derivations', '-f', 'floating.nix', 'top', 'other'];
    const { status, stderr } = await nix(['why-depends', ...args]);
    expect([status, stderr.trimEnd().split('\n').at(-1)]).toEqual([0, "'top' does not depend on 'other'"]);
  });

  it('refuses archives with nothing in them', async () => {
    place.write('empty.tar', '');
    const { status, stderr } = await nix(['store', 'prefetch-file', '--unpack', `file://${place.project}/empty.tar`]);
    expect([status, stderr]).toEqual([1, `error: archive 'file://${place.project}/empty.tar' is empty\n`]);
  });

  it('repl takes flakes, and says what is none', async () => {
    const { status, stderr } = await nix(['repl', './default.nix'], { input: '1\n' });
    const file = `${place.project}/default.nix`;
    const last = `error: path "${file}" is not a flake (because it's not a directory)\n`;
    expect([status, stderr]).toEqual([1, `Nix 2.36.0\nType :? for help.\n${last}`]);
  });

  it('a derivation whose drvPath is none is an error', async () => {
    const path = '/nix/store/2chwzswhhmpxbgc981i2vcz7xj4d1in9-cachix';
    const expr = `{ type = "derivation"; name = "x"; outputName = "out"; outPath = "${path}"; drvPath = "${path}"; }`;
    for (const command of ['nix-instantiate', 'nix-build']) {
      const { status, stderr } = await place.run(['-E', expr], { name: command });
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`error: store path '${path.slice(11)}' is not a valid derivation path`),
      ]);
    }
  });

  it('frames of errors tell files that --file evaluates', async () => {
    place.write('fails.nix', 'throw "no"');
    expect((await nix(['eval', '-f', 'fails.nix'])).stderr).toContain(
      `… while evaluating the file '${place.project}/fails.nix':`,
    );
  });
});
