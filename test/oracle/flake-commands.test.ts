// `nix flake …` against Nix 2.8 where both say the same, on one flake with inputs of every kind; what 2.36 says otherwise
// is written out.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'registry.json': '{ "version": 2, "flakes": [] }',
  'input/flake.nix': '{ outputs = { self }: { lib.x = 1; }; }',
  'plain/file': 'plain',
  'a/template/flake.nix': '{ outputs = x: { }; }',
  'a/template/sub/file': 'a file\n',
  'a/flake.nix': `{
    description = "One – with all";
    inputs.input.url = "path:@/input";
    inputs.plain = { url = "path:@/plain"; flake = false; };
    inputs.other.follows = "input";
    outputs = { self, input, plain, other }: let
      mk = system: name: more: (derivation {
        inherit name system; builder = "/bin/sh"; args = [ "-c" "echo $name > $out" ];
      }) // more;
      here = "x86_64-linux";
    in {
      packages.\${here} = { default = mk here "default-1" { meta.description = "what it is"; }; b = mk here "b-2" { }; };
      packages.aarch64-linux.default = mk "aarch64-linux" "other-1" { };
      checks.\${here}.fine = mk here "fine" { };
      devShells.\${here}.default = mk here "shell" { };
      apps.\${here}.default = { type = "app"; program = "\${plain}"; };
      legacyPackages.\${here} = { p = mk here "p-1" { }; fails = throw "no"; };
      hydraJobs.job.\${here} = mk here "job" { };
      overlays.default = final: prev: { };
      nixosModules.m = { };
      nixosConfigurations = { };
      templates.default = { path = ./template; description = "A template"; };
      formatter.\${here} = mk here "format" { };
      lib = { };
      odd = 1;
    };
  }`,
});
const settings = [
  'substituters =',
  'build-users-group =',
  'sandbox = false',
  `flake-registry = ${work.project}/registry.json`,
];
const env = {
  ...work.environment(),
  GIT_CONFIG_COUNT: '0',
  NIX_REMOTE: work.store,
  NIX_CONFIG: [...settings, 'experimental-features = nix-command flakes'].join('\n'),
};
const run = (words: readonly string[], cwd = work.project): Promise<Ended> =>
  work.startProgram(words, { env, cwd }).ended;
const real = (...words: string[]): Promise<Ended> => run(['nix', ...words]);
const ours = (...words: string[]): Promise<Ended> => run([program, 'nix', ...words]);
const plain = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, '');

afterAll(() => {
  work.close();
});

describeWith(['nix', 'git'], 'nix flake and the real one', () => {
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', join(work.project, 'a'), '-c', 'user.name=u', '-c', 'user.email=e', ...args]);
  };
  beforeAll(async () => {
    const file = join(work.project, 'a/flake.nix');
    work.write('a/flake.nix', readFileSync(file, 'utf8').replaceAll('@', work.project));
    git('init', '-q', '-b', 'main');
    git('add', '.');
    expect((await ours('flake', 'lock', './a')).status).toBe(0);
    git('add', '.');
    git('commit', '-qm', 'x');
  });

  it.each([
    [['show', './a', '--json', '--legacy']],
    [['show', './a', '--json', '--all-systems']],
    [['archive', './a', '--json']],
    [['archive', './a', '--json', '--dry-run']],
  ])('%j', async (words) => {
    const expected = await real('flake', ...words.filter((word) => word !== '--all-systems'));
    const got = await ours('flake', ...words);
    expect(got.status).toBe(expected.status);
    if (words[0] === 'archive') {
      expect(JSON.parse(got.stdout)).toEqual(JSON.parse(expected.stdout));
      return;
    }
    // 2.8 tells neither descriptions nor that other systems are left out, and leaves empty sets in.
    const shown = JSON.parse(got.stdout) as Record<string, Record<string, unknown>>;
    const known = JSON.parse(expected.stdout) as typeof shown;
    for (const kind of [
      'packages',
      'checks',
      'devShells',
      'apps',
      'hydraJobs',
      'templates',
      'nixosModules',
      'overlays',
    ]) {
      const simple = (value: unknown): unknown =>
        JSON.parse(
          JSON.stringify(value, (key, item: unknown) =>
            key === 'description' && kind !== 'templates' ? undefined : item,
          ),
        );
      const [mine, theirs] = [shown[kind]!, known[kind]!];
      for (const set of [mine, theirs])
        if (kind === 'packages' && !words.includes('--all-systems')) delete set['aarch64-linux'];
      expect([kind, simple(mine)]).toEqual([kind, simple(theirs)]);
    }
    expect(known['odd']).toEqual(shown['odd']);
  });

  it('shows a tree, in the words of 2.36', async () => {
    const { stdout } = await ours('flake', 'show', './a');
    expect(plain(stdout).replace(/^git\+file:.*/, 'REF')).toBe(
      [
        'REF',
        '├───apps',
        '│   └───x86_64-linux',
        '│       └───default: app: no description',
        '├───checks',
        '│   └───x86_64-linux',
        "│       └───fine: derivation 'fine'",
        '├───devShells',
        '│   └───x86_64-linux',
        "│       └───default: development environment 'shell'",
        '├───formatter',
        "│   └───x86_64-linux: package 'format'",
        '├───hydraJobs',
        '│   └───job',
        "│       └───x86_64-linux: derivation 'job'",
        '├───legacyPackages',
        "│   └───x86_64-linux omitted (use '--legacy' to show)",
        '├───lib: unknown',
        '├───nixosModules',
        '│   └───m: NixOS module',
        '├───odd: unknown',
        '├───overlays',
        '│   └───default: Nixpkgs overlay',
        '├───packages',
        '│   ├───aarch64-linux',
        "│   │   └───default omitted (use '--all-systems' to show)",
        '│   └───x86_64-linux',
        "│       ├───b: package 'b-2'",
        "│       └───default: package 'default-1'",
        '└───templates',
        '    └───default: template: A template',
        '',
      ].join('\n'),
    );
  });

  it('metadata of a clean tree has what 2.8 knows, and the fingerprint', async () => {
    const facts = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
    const expected = facts((await real('flake', 'metadata', './a', '--json')).stdout);
    const got = facts((await ours('flake', 'metadata', './a', '--json')).stdout);
    for (const name of [
      'description',
      'lastModified',
      'locks',
      'path',
      'revCount',
      'revision',
      'resolved',
      'original',
    ]) {
      expect([name, got[name]]).toEqual([name, expected[name]]);
    }
    expect(got['fingerprint']).toMatch(/^[0-9a-f]{64}$/);
    work.write('a/template/sub/file', 'changed\n');
    const dirty = facts((await ours('flake', 'metadata', './a', '--json')).stdout);
    expect(dirty['fingerprint']).toMatch(/^[0-9a-f]{64}$/);
    expect(dirty['fingerprint']).not.toBe(got['fingerprint']);
    git('checkout', '-q', '.');
  });

  it('prefetch', async () => {
    const words = ['flake', 'prefetch', `path:${work.project}/plain`, '--json'];
    const [known, got] = [await real(...words), await ours(...words, '-o', join(work.dir, 'tree'))];
    expect(JSON.parse(got.stdout)).toMatchObject(JSON.parse(known.stdout) as object);
    expect(readlinkSync(join(work.dir, 'tree'))).toMatch(/-source$/);
  });

  it('check builds the checks of this system, and tells what is wrong', async () => {
    const fine = await ours('flake', 'check', './a');
    expect(fine.stderr).not.toContain('error:');
    expect(fine.status).toBe(0);
    expect(fine.stderr).toMatch(/^running 1 flake checks\.\.\.$/m);
    expect(fine.stderr).toMatch(/^warning: app 'apps\.x86_64-linux\.default' lacks attribute 'meta'$/m);
    expect(fine.stderr).toMatch(/^warning: unknown flake output 'odd'$/m);
    expect(fine.stderr).toContain('warning: The check omitted these incompatible systems: aarch64-linux\n');
    const cases: [outputs: string, error: string][] = [
      ['{ packages.x = { }; }', "'x' is not a valid system type, at "],
      ['{ packages.x86_64-linux.p = 1; }', "flake attribute 'packages.x86_64-linux.p' is not a derivation"],
      ['{ overlays.o = { a }: 1; }', "overlay does not take an argument named 'final'"],
      ['{ overlay = 1; }', 'overlay is not a function, but an integer instead'],
      [
        '{ templates.t = { path = ./none; description = ""; }; }',
        "template 'templates.t' refers to a non-existent path",
      ],
      ['{ templates.t = { path = ./.; }; }', "template 'templates.t' lacks attribute 'description'"],
      ['{ apps.x86_64-linux.a = { type = "app"; }; }', "app 'apps.x86_64-linux.a' lacks attribute 'program'"],
      ['{ nixosModule = throw "no"; }', 'no'],
      ['{ bundlers.x86_64-linux.b = 1; }', 'bundler must be a function'],
      [
        '{ checks.x86_64-linux.c = derivation { name = "c"; system = "x86_64-linux"; builder = "/bin/false"; }; }',
        "failed to build attribute 'checks.x86_64-linux.c', build of '/nix/store/",
      ],
    ];
    for (const [outputs, error] of cases) {
      work.write('bad/flake.nix', `{ outputs = { self }: ${outputs}; }`);
      const { status, stderr } = await ours('flake', 'check', 'path:./bad');
      expect([outputs, status, stderr.split(/^error:/m)[1]]).toEqual([outputs, 1, expect.stringContaining(error)]);
    }
    work.write('bad/flake.nix', '{ outputs = { self }: { overlay = 1; nixosModule = throw "no"; }; }');
    const all = await ours('flake', 'check', 'path:./bad', '--keep-going');
    expect(all.stderr).toContain('overlay is not a function');
    expect(all.stderr).toContain('error: no');
    expect(all.stderr).toContain('error: some errors were encountered during the evaluation');
  });

  it('new writes what the template has, and nothing over it', async () => {
    // Real Nix 2.8 does not find templates in a store that lies elsewhere.
    expect((await ours('flake', 'new', '-t', './a', join(work.dir, 'new-0'))).status).toBe(0);
    execFileSync('diff', ['-r', join(work.project, 'a/template'), join(work.dir, 'new-0')]);
    const again = await ours('flake', 'new', '-t', './a', join(work.dir, 'new-0'));
    expect([again.status, again.stderr.match(/^skipping identical file: /gm)?.length]).toEqual([0, 2]);
    work.write('../new-0/flake.nix', 'mine');
    const conflict = await ours('flake', 'new', '-t', './a', join(work.dir, 'new-0'));
    expect(conflict.status).toBe(1);
    expect(conflict.stderr).toContain(`refusing to overwrite existing file "${work.dir}/new-0/flake.nix"`);
    expect(conflict.stderr).toContain('error: encountered 1 conflicts - see above');
    expect(readFileSync(join(work.dir, 'new-0/flake.nix'), 'utf8')).toBe('mine');
  });

  it('clone', async () => {
    expect((await ours('flake', 'clone', './a', '--dest', join(work.dir, 'cloned'))).status).toBe(0);
    expect(existsSync(join(work.dir, 'cloned/.git'))).toBe(true);
    expect((await ours('flake', 'clone', 'path:./plain', '--dest', join(work.dir, 'copied'))).status).toBe(0);
    expect(readFileSync(join(work.dir, 'copied/file'), 'utf8')).toBe('plain');
    expect((await ours('flake', 'clone', './a')).stderr).toContain("error: missing flag '--dest'\n");
    rmSync(join(work.dir, 'cloned'), { recursive: true });
  });

  it('archive copies to another store what the real one copies', async () => {
    const [first, second] = [join(work.dir, 'store-1'), join(work.dir, 'store-2')];
    expect((await real('flake', 'archive', './a', '--to', `file://${first}`)).status).toBe(0);
    expect((await ours('flake', 'archive', './a', '--to', `file://${second}`)).stderr).not.toContain('error');
    const names = (dir: string): string[] => readdirSync(dir).filter((name) => name.endsWith('.narinfo'));
    expect(names(second)).toEqual(names(first));
  });

  it.each([
    ['another flake', ['input#lib.x', '--override-flake', 'input', `path:${work.project}/input`], '1\n'],
    ['its attributes', ['thing#lib.x', '--override-flake', 'thing', `${work.project}/a?dir=.`], undefined],
    [
      'a name of a name',
      ['b#lib.x', '--override-flake', 'b', 'flake:c', '--override-flake', 'c', `path:${work.project}/input`],
      '1\n',
    ],
    ['what is a place already', ['path:/nowhere#lib.x', '--override-flake', 'path:/nowhere', './input'], undefined],
    ['inputs of a flake', ['input#lib.x', '--inputs-from', './a'], '1\n'],
    ['an input that follows another', ['other#lib.x', '--inputs-from', './a'], '1\n'],
    ['of which it has none', ['nothing#lib.x', '--inputs-from', './a'], undefined],
  ] as const)('names on the command line: %s', async (_, words, value) => {
    const expected = await real('eval', ...words);
    const got = await ours('eval', ...words);
    expect([got.status, got.stdout]).toEqual([expected.status, expected.stdout]);
    if (value !== undefined) expect(got.stdout).toBe(value);
    expect(got.status).toBe(value === undefined ? 1 : 0);
  });

  it.each([
    ['nix', real],
    ['ours', ours],
  ] as const)('a registry that is gone is known from before, also after a collection: %s', async (_, nix) => {
    const entry = { from: { type: 'indirect', id: 'short' }, to: { type: 'path', path: '/long' } };
    const list = (...words: string[]): Promise<Ended> =>
      nix('registry', 'list', '--flake-registry', `file://${work.project}/passing.json`, ...words);
    work.write('passing.json', JSON.stringify({ version: 2, flakes: [entry] }));
    expect((await list()).stdout).toMatch(/^global flake:short path:\/long$/m);
    rmSync(join(work.project, 'passing.json'));
    expect((await nix('store', 'gc')).status).toBe(0);
    const { stdout, stderr } = await list('--refresh');
    expect(stdout).toMatch(/^global flake:short path:\/long$/m);
    expect(plain(stderr)).toContain('; using cached version');
  });

  it('links to flakes and into them lead there, as in 2.36', async () => {
    const [folder, inside] = [join(work.dir, 'link'), join(work.dir, 'inside')];
    symlinkSync(join(work.project, 'input'), folder);
    mkdirSync(join(work.project, 'a/template/deep'));
    symlinkSync(join(work.project, 'a/template/deep'), inside);
    expect(await ours('eval', `${folder}#lib.x`)).toMatchObject({ status: 0, stdout: '1\n', stderr: '' });
    const { stderr } = await ours('flake', 'metadata', inside);
    expect(stderr).toContain(`path "${work.project}/a/template/deep" does not contain a 'flake.nix', searching up\n`);
    const file = await ours('eval', `${folder}/flake.nix#lib.x`);
    expect([file.stdout, file.stderr]).toEqual(['1\n', expect.stringContaining('Pretending that you meant')]);
  });
});
