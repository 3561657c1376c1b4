// Command lines of the drop-ins against the real commands: what they print, their exit status, the links they make.
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { derivations, program, Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    hello = mk "hello" "echo hello \${who} > $out" {};
    multi = mk "multi" "echo 1 > $out; echo 2 > $dev; echo 3 > $doc" { outputs = [ "out" "dev" "doc" ]; };
    noOut = mk "no-out" "echo 1 > $bin; echo 2 > $lib" { outputs = [ "bin" "lib" ]; };
    nested = {
      recurseForDerivations = true;
      a = mk "na" "echo a > $out" {};
      deeper = { recurseForDerivations = true; b = mk "nb" "echo b > $out" {}; };
      no.c = mk "nc" "echo c > $out" {};
      "odd name" = hello;
    };
    list = [ hello multi.dev [ (mk "l1" "echo 1 > $out" {}) ] { x = hello; recurseForDerivations = true; } ];
    same = [ hello hello multi multi.dev ];
    str = "foo"; num = 1; empty = {};
    fn = { x, y ? "2" }: mk "fn" "echo \${x} \${y} > $out" {};
    fnDots = { x ? "d", ... }@args: mk "fn-dots" "echo \${toString (builtins.attrNames args)} > $out" {};
    functor = { __functor = self: { who ? "q" }: mk "functor" "echo \${who} > $out" {}; };
    plain = x: hello;
    bad = { type = "derivation"; };
    noOutputName = { type = "derivation"; name = "x"; inherit (hello) drvPath outPath; };
    failSet = { recurseForDerivations = true; a = hello; b = throw "no"; };
    fails = mk "fails" "exit 3" {};
    hangs = mk "hangs" "while :; do :; done" {};
    mismatch = mk "mismatch" "echo > $out" {
      outputHashMode = "flat";
      outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    };
    random = mk "random" "read -r line < /proc/sys/kernel/random/uuid; echo $line > $out" {};
    ifd = builtins.readFile (mk "ifd" "echo evaluated > $out" {});
  `),
});
const multi = '/nix/store/MULTI';
const cases: string[][] = [
  ['nix-build', '-A', 'hello'],
  ['nix-build', '-A', 'multi.dev', '-A', 'hello', '-A', 'multi.doc', '-A', 'multi', '-o', 'foo'],
  ['nix-build', '-A', 'noOut'],
  ['nix-build', '-A', 'nested'],
  ['nix-build', '-A', 'list'],
  ['nix-build', '-A', 'same'],
  ['nix-build', '-A', 'str', '-A', 'hello'],
  ['nix-build', '-A', 'empty'],
  ['nix-build', '-A', 'fn'],
  ['nix-build', '-A', 'fn', '--argstr', 'x', '1', '--argstr', 'who', 'me'],
  ['nix-build', '-A', 'fnDots', '--argstr', 'x', '1', '--arg', 'z', '3'],
  ['nix-build', '-A', 'functor', '--argstr', 'who', 'g'],
  ['nix-build', '-A', 'plain'],
  ['nix-build', '-A', 'bad'],
  ['nix-build', '-A', 'noOutputName'],
  ['nix-build', '-A', 'failSet'],
  ['nix-build', '-E', '(import ./. {}).hello', '(import ./default.nix {}).nested.a'],
  ['nix-build', '-E'],
  ['nix-build', '.', 'default.nix', '-A', 'nested.a', '--no-out-link'],
  ['nix-build', '<z/default.nix>', '-I', 'z=.', '-A', 'hello'],
  ['nix-build', '-A', 'nested.deeper.b', '--dry-run'],
  ['nix-build', '-A', 'list.0', '-A', 'list.7'],
  ['nix-build', '-A', 'nested."odd name"'],
  ['nix-build', '-A', 'nested.'],
  ['nix-build', '-A', 'ifd'],
  ['nix-build', './default.nix', '-A', 'hello', multi, `${multi}!dev`],
  ['nix-build', `${multi}!dev,doc`],
  ['nix-build', `${multi}!nope`],
  ['nix-build', '-A', 'fails'],
  ['nix-build', '-A', 'fails', '-A', 'hello', '-k'],
  ['nix-build', '-A', 'hangs', '--timeout', '1'],
  ['nix-build', '-A', 'mismatch'],
  ['nix-build', '-A', 'hello', '--check'],
  ['nix-build', '-A', 'nested.no.c', '--check'],
  ['nix-build', '--no-such-flag'],
  ['nix-instantiate'],
  ['nix-instantiate', '-A', 'multi.dev', '-A', 'hello'],
  ['nix-instantiate', '-A', 'list'],
  ['nix-instantiate', '-A', 'str'],
  ['nix-instantiate', '-A'],
  ['nix-instantiate', 'none.nix'],
  ['nix-instantiate', '-A', 'hello', '--add-root', 'root', '--indirect'],
  ['nix-instantiate', '--eval', '-A', 'nested.deeper', '--strict'],
  ['nix-instantiate', '--eval', '-A', 'ifd'],
  ['nix-instantiate', '--eval', '-A', 'fn'],
  ['nix-instantiate', '--eval', '-A', 'fn', '--argstr', 'x', '1'],
  ['nix-instantiate', '--eval', '--xml', '-A', 'list'],
  ['nix-instantiate', '--eval', '-E', '1 + 1', '[ 1 ]'],
  ['nix-instantiate', '--eval', 'default.nix'],
  ['nix-instantiate', '--eval', '-E', 'builtins.currentSystem', '--system', 'foo-bar'],
  ['nix-instantiate', '--eval', '--restrict-eval', '-E', 'builtins.readFile /etc/passwd'],
  [
    'nix-instantiate',
    '--eval',
    '-E',
    'builtins.readFile (import ./. {}).fails',
    '--option',
    'allow-import-from-derivation',
    'false',
  ],
  ['nix-instantiate', '--find-file', 'zz', '-I', 'z=.'],
  ['nix-instantiate', '--parse', '-E', '{ a ? 1 }: a'],
];

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly links: string[];
}

describeWith(['nix-build', 'nix-instantiate', 'perl'], 'command lines of the drop-ins', () => {
  const places = { real: join(work.dir, 'real'), ours: join(work.dir, 'ours') };
  const fixed = [
    'sandbox = true',
    'sandbox-paths = /bin /usr /lib /lib64',
    'substituters =',
    'cores = 1',
    'build-users-group =',
  ];

  function run(who: 'real' | 'ours', words: readonly string[], number: number): Promise<Result> {
    const cwd = join(places[who], String(number));
    mkdirSync(cwd, { recursive: true });
    const [name, ...args] = words as [string, ...string[]];
    // Both read the same files under the same names.
    const command = who === 'real' ? [name] : [program, name];
    const store = join(places[who], 'store');
    return new Promise((resolve) => {
      execFile(
        'sh',
        ['-c', 'cp "$0/default.nix" . && exec "$@"', work.project, ...command, ...args, '--store', store],
        { cwd, env: { ...work.environment(), NIX_PATH: '', NIX_CONFIG: fixed.join('\n') } },
        (error, stdout) => {
          const links = readdirSync(cwd)
            .filter((file) => lstatSync(join(cwd, file)).isSymbolicLink())
            .map((file) => `${file} -> ${basename(readlinkSync(join(cwd, file)))}`);
          const status = error === null ? 0 : Number(error.code);
          resolve({ status, stdout: stdout.replaceAll(cwd, 'CWD'), links });
        },
      );
    });
  }

  const results: Record<'real' | 'ours', Result[]> = { real: [], ours: [] };
  beforeAll(async () => {
    await Promise.all(
      (['real', 'ours'] as const).map(async (who) => {
        const first = await run(who, ['nix-instantiate', '-A', 'multi'], 1000);
        for (const [i, words] of cases.entries()) {
          const named = words.map((word) => word.replace(multi, first.stdout.trim()));
          results[who].push(await run(who, named, i));
        }
      }),
    );
  }, 180_000);
  afterAll(() => {
    work.close();
  });

  it.each(cases.map((words, i) => [words.join(' '), i] as const))('%s', (_, i) => {
    expect(results.ours[i]).toEqual(results.real[i]);
  });

  it('agree on stores', () => {
    for (const { stdout } of results.ours) {
      for (const path of stdout.match(/^\/nix\/store\/[^!\n]+\.drv/gm) ?? []) {
        expect(existsSync(join(places.real, 'store', path))).toBe(true);
      }
    }
  });
});
