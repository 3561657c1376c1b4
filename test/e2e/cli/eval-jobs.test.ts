// `tsnix eval-jobs`: its lines, what survives what, and that the derivations are there when a line says so.
import { existsSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, Workplace, type Ended } from '../../support/cli.ts';

const work = new Workplace({
  'default.nix': derivations(`
  plain = mk "plain-1.0" "echo \${who} > $out" { };
  meta = mk "meta" ":" { } // {
    meta = { description = "čtení"; broken = false; fn = x: x; nothing = null; maintainers = [ { name = "m"; } ]; };
  };
  "dotted.attr" = mk "dotted" ":" { };
  user = mk "user" "cat \${plain}" { outputs = [ "out" "dev" ]; requiredSystemFeatures = [ "kvm" "big" "kvm" ]; };
  set = { inner = mk "inner" ":" { }; };
  recursed = { recurseForDerivations = true; one = mk "one" ": > $out" { }; number = 1; list = [ plain ]; };
  throwing = throw "no \\"luck\\"";
  aborting = abort "stop";
  looping = let x = x; in x;
  deep = let f = n: 1 + f (n + 1); in f 0;
  bad = derivation { name = "bad"; system = "x"; builder = ./missing; };
`),
  'crash.nix': `
let
  d = name: derivation { inherit name; system = "x"; builder = "/bin/sh"; };
  sh = script: builtins.seq (builtins.exec [ "/bin/sh" "-c" script ]) d;
in {
  a = d "a";
  always = sh "kill -9 $PPID; sleep 9" "always";
  once = sh "[ -e ./once ] || { : > ./once; kill -11 $PPID; sleep 9; }; echo 1" "once";
  z = d "z";
} // builtins.listToAttrs (builtins.genList (i: rec { name = "b" + toString i; value = d name; }) 30)
`,
  'hungry.nix': `
let d = name: derivation { inherit name; system = "x"; builder = "/bin/sh"; };
in {
  a = d "a";
  hungry = d (toString (builtins.length (builtins.concatLists (builtins.genList (i: builtins.genList (j: i + j) 4000000) 50))));
  z = d "z";
}
`,
});
afterAll(() => {
  work.close();
});

interface Line {
  readonly attr: string;
  readonly drvPath?: string;
  readonly error?: string;
  readonly [key: string]: unknown;
}

async function jobs(...args: string[]): Promise<Ended & { readonly lines: Line[] }> {
  const ended = await work.run(['eval-jobs', ...args]);
  const lines = ended.stdout.split('\n').slice(0, -1);
  return { ...ended, lines: lines.map((line) => JSON.parse(line) as Line) };
}

const attrs = (lines: readonly Line[]): string[] => lines.map((line) => line.attr).sort();

describe('tsnix eval-jobs', () => {
  it('prints derivations and failures, and ends well whatever fails', async () => {
    const { status, stderr, lines } = await jobs(
      '--workers',
      '2',
      '--meta',
      '--show-input-drvs',
      '--argstr',
      'who',
      'me',
    );
    const found = new Map(lines.map((line) => [line.attr, line]));
    expect([...found.keys()].sort()).toEqual(
      [
        '"dotted.attr"',
        'aborting',
        'bad',
        'deep',
        'looping',
        'meta',
        'plain',
        'recursed.one',
        'throwing',
        'user',
      ].sort(),
    );
    expect(status).toBe(0);
    const plain = found.get('plain')!;
    const instantiated = await work.run(['instantiate', '-A', 'plain', '--argstr', 'who', 'me']);
    expect(`${plain.drvPath!}\n`).toBe(instantiated.stdout);
    for (const { drvPath } of lines) if (drvPath !== undefined) expect(existsSync(work.real(drvPath))).toBe(true);
    expect(found.get('user')).toEqual({
      attr: 'user',
      attrPath: ['user'],
      drvPath: expect.stringMatching(/^\/nix\/store\/.*-user\.drv$/) as string,
      inputDrvs: { [plain.drvPath!]: ['out'] },
      meta: null,
      name: 'user',
      outputs: {
        dev: expect.stringMatching(/-user-dev$/) as string,
        out: expect.stringMatching(/-user$/) as string,
      },
      requiredSystemFeatures: ['big', 'kvm'],
      system: expect.stringMatching(/-linux$/) as string,
    });
    expect(found.get('meta')!['meta']).toEqual({
      broken: false,
      description: 'čtení',
      maintainers: [{ name: 'm' }],
    });
    expect(found.get('"dotted.attr"')!['attrPath']).toEqual(['dotted.attr']);
    const errors: [string, RegExp][] = [
      ['throwing', /^error:[^]*error: no "luck"$/],
      ['aborting', /evaluation aborted with the following error message: 'stop'$/],
      ['looping', /infinite recursion encountered/],
      ['deep', /stack overflow; max-call-depth exceeded/],
      ['bad', /missing/],
    ];
    for (const [attr, words] of errors) {
      expect(found.get(attr)!.error).toMatch(words);
      expect(stderr).toMatch(new RegExp(words.source.replace(/^\^|\$$/g, '')));
    }
  });

  it('selects, applies, recurses and evaluates without writing', async () => {
    const [everything, selected, applied, single] = await Promise.all([
      jobs('--force-recurse', '-A', 'set'),
      jobs(
        '--select',
        'all: { inherit (all) plain; x.recurseForDerivations = true; x.y = all.meta; }',
        '-E',
        'import ./.',
      ),
      jobs('--apply', 'drv: { the-name = drv.name; n = [ 1 1.5 null ]; }', '-A', 'recursed', './default.nix'),
      jobs('--no-instantiate', '-E', '(import ./. { who = "nobody"; }).plain'),
    ]);
    expect(attrs(everything.lines)).toEqual(['inner']);
    expect(attrs(selected.lines)).toEqual(['plain', 'x.y']);
    expect(applied.lines.map((line) => line['extraValue'])).toEqual([{ n: [1, 1.5, null], 'the-name': 'one' }]);
    expect(single.lines).toHaveLength(1);
    const [line] = single.lines;
    expect(Object.keys(line!)).toEqual(['attr', 'attrPath', 'drvPath', 'name', 'outputs', 'system']);
    expect([line!.attr, existsSync(work.real(line!.drvPath!))]).toEqual(['', false]);
  });

  it('evaluates flakes', async () => {
    work.write('flake/flake.nix', '{ outputs = { self }: { jobs = import ./jobs.nix; fn = { x ? 1 }: { }; }; }');
    work.write(
      'flake/jobs.nix',
      'let d = name: derivation { inherit name; system = "x"; builder = "b"; }; in { a = d "a"; s = { recurseForDerivations = true; b = d "b"; }; }',
    );
    const flags = ['--extra-experimental-features', 'flakes', '--workers', '2'];
    const [part, whole, missing] = await Promise.all([
      jobs(...flags, '--flake', './flake#jobs'),
      jobs(...flags, '--flake', './flake', '--select', 'flake: flake.outputs.jobs.s'),
      jobs(...flags, '--flake', './flake#nothing'),
    ]);
    expect([attrs(part.lines), attrs(whole.lines)]).toEqual([['a', 's.b'], ['b']]);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringMatching(/does not provide attribute/)]);
  });

  it('keeps what is meant for the start of workers from expressions', async () => {
    const names = '[ "GLIBC_TUNABLES" "TSNIX_TUNABLES" ]';
    const asked = `derivation { name = "d" + builtins.concatStringsSep "" (map builtins.getEnv ${names}); system = "x"; builder = "/b"; }`;
    const { lines } = await jobs('--workers', '1', '--impure', '-E', asked);
    expect(lines.map(({ name, error }) => [name, error])).toEqual([['d', undefined]]);
  });

  it('makes roots and knows what is here', async () => {
    const dir = join(work.dir, 'gc');
    mkdirSync(dir);
    const { lines } = await jobs('--gc-roots-dir', dir, '--check-cache-status', '--workers', '1', '-A', 'recursed');
    expect(lines.map((line) => [line['cacheStatus'], line['isCached'], line['neededBuilds']])).toEqual([
      ['notBuilt', false, []],
    ]);
    const { drvPath } = lines[0]!;
    expect(readdirSync(dir)).toEqual([basename(drvPath!)]);
    expect(readlinkSync(join(dir, basename(drvPath!)))).toBe(work.real(drvPath!));
    const status = async (...args: string[]): Promise<unknown[]> =>
      (await jobs('--check-cache-status', '-A', 'recursed', ...args)).lines.map((line) => line['cacheStatus']);
    const built = await work.run(['build', '--no-link', '-E', '(import ./. { }).recursed.one']);
    expect(await status()).toEqual(['local']);
    const cache = `file://${join(work.dir, 'cache')}`;
    await work.run(['copy', '--to', cache, `/nix/store/${basename(built.stdout.trim())}`]);
    const elsewhere = ['--store', join(work.dir, 'other'), '--substituters', cache, '--no-require-sigs'];
    expect(await status(...elsewhere)).toEqual(['cached']);
    const input = await jobs('--check-cache-status', '--select', 'all: { inherit (all) user; }');
    expect(input.lines[0]!['neededBuilds']).toEqual([expect.stringMatching(/-plain-1\.0\.drv$/)]);
  });

  it('loses nothing to workers that die', async () => {
    const native = ['--option', 'allow-unsafe-native-code-during-evaluation', 'true'];
    const { status, stderr, lines } = await jobs(...native, '--workers', '1', 'crash.nix');
    const more = Array.from({ length: 30 }, (_, i) => `b${i}`);
    expect(attrs(lines)).toEqual(['a', 'always', 'once', 'z', ...more].sort());
    const words =
      "while reading result for attrPath 'always', evaluation worker got killed by SIGKILL, maybe memory limit reached?";
    expect(lines.find((line) => line.attr === 'always')!.error).toBe(`error: ${words}`);
    expect(lines.filter((line) => line.error !== undefined)).toHaveLength(1);
    expect([status, stderr]).toEqual([1, `error: ${words}\n`]);
  });

  it('starts workers anew that grow, and outlives their lack of memory', async () => {
    const { status, lines } = await jobs('--workers', '1', '--max-memory-size', '1', 'hungry.nix');
    expect(attrs(lines)).toEqual(['a', 'hungry', 'z']);
    expect(lines.find((line) => line.attr === 'hungry')!.error).toMatch(/error: out of memory$/);
    expect(status).toBe(0);
  });

  it('says what is wrong with the root and with the command line', async () => {
    const cases: [string[], string | RegExp][] = [
      [['-E', 'throw "root"'], /error: root\n$/],
      [['-E', '{ }', '--store', 'foreign://x'], /^error: [^\n]*foreign:\/\/x[^\n]*\n$/],
      [['-E', '1 +'], /^error: syntax error/],
      [['-E', '{ }', '--select', 'x: 1'], /'--select' must evaluate to an attrset/],
      [['--workers', '0'], /flag '--workers' wants a number above 0, not '0'/],
      [['a.nix', 'b.nix'], /one FILE, expression or flake only/],
      [['--no-instantiate', '--show-input-drvs'], /--no-instantiate is incompatible with: --show-input-drvs\./],
      [['--workers', '2', '--eval-profiler', 'html'], /use --workers 1 with --eval-profiler/],
      [['--gc-roots-dir', 'nowhere'], /there is no directory 'nowhere'/],
    ];
    await Promise.all(
      cases.map(async ([args, words]) => {
        const { status, stdout, stderr } = await work.run(['eval-jobs', ...args]);
        expect([args, status, stdout, stderr]).toEqual([args, 1, '', expect.stringMatching(words)]);
      }),
    );
    const empty = await jobs('-E', '{ x = 1; }');
    expect([empty.status, empty.stdout, empty.stderr]).toEqual([0, '', '']);
    expect((await work.run(['eval-jobs', '-'], { input: 'import ./. { }' })).stdout).toMatch(/"attr":"plain"/);
  });
});
