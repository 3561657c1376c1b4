// `nix search` against Nix 2.8, `nix edit` and `nix fmt`.
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { program, Workplace, type Ended } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const packages = `let
  mk = name: description: (derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; }) // {
    meta = { \${if description == null then null else "description"} = description; position = "@/packages.nix:7"; };
  };
in {
  hello = mk "hello-2.12" "Prints a\\nfriendly greeting";
  other = mk "other" null;
  B = mk "foo-bar-1.0pre" "Foo, BAR and b";
  set = { inner = mk "inner-1" "in a set"; };
  deep = { recurseForDerivations = true; more = mk "more-1" "greeting, too"; };
}`;
const work = new Workplace({ 'packages.nix': packages });
work.write('packages.nix', packages.replace('@', work.project));
work.write('f/packages.nix', packages.replace('@', '/nowhere'));
work.write(
  'f/flake.nix',
  `{ outputs = { self }: let p = import ./packages.nix; in {
    packages.x86_64-linux = { inherit (p) hello B; };
    legacyPackages.x86_64-linux = p // { bad = throw "no"; };
    formatter.x86_64-linux = derivation {
      name = "format"; system = "x86_64-linux"; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
      args = [ "-c" "mkdir -p $out/bin; echo '#!/bin/sh' > $out/bin/format; echo 'echo \\"$PRJ_ROOT\\" \\"$@\\"' >> $out/bin/format; chmod +x $out/bin/format" ];
    };
  }; }`,
);
afterAll(() => {
  work.close();
});

const settings = ['substituters =', 'build-users-group =', 'sandbox-paths = /bin /usr /lib /lib64', 'flake-registry ='];
const env = {
  NIX_REMOTE: work.store,
  NIX_CONFIG: [...settings, 'experimental-features = nix-command flakes'].join('\n'),
};
const run = (words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  work.startProgram(words, { env: { ...work.environment(), ...env, ...more } }).ended;

describeWith(['nix'], 'nix search and the real one', () => {
  it.each([
    [['^']],
    [['hello']],
    [['GREET']],
    [['o']],
    [['oo', 'foo']],
    [['foo', 'BAR']],
    [['b', 'a', 'r']],
    [['fr.*g$']],
    [['(hello|other)', 'e+']],
    [['inner']],
    [['nowhere']],
    [['^', '--json']],
    [['greeting', '--json']],
  ])('%j', async (words) => {
    for (const where of [['-f', 'packages.nix', ''], ['path:./f'], ['path:./f#deep']]) {
      const [expected, got] = await Promise.all([
        run(['nix', 'search', ...where, ...words]),
        run([program, 'nix', 'search', ...where, ...words]),
      ]);
      // 2.8 prints the same members in another order.
      const shown = (text: string): unknown => (words.includes('--json') ? JSON.parse(text) : text);
      expect([where, got.status, shown(got.stdout)]).toEqual([where, expected.status, shown(expected.stdout)]);
      if (expected.status !== 0)
        expect(got.stderr).toBe(expected.stderr.replace(/\x1b\[[0-9;]*m|^evaluating .*\n/gm, ''));
    }
  });

  it('leaves out what --exclude names', async () => {
    const { stdout } = await run([
      program,
      'search',
      '-f',
      'packages.nix',
      '',
      '^',
      '-e',
      'FOO',
      '-e',
      'two*',
      '--json',
    ]);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['hello', 'other']);
  });

  it('wants an expression', async () => {
    const { status, stderr } = await run([program, 'search', '-f', 'packages.nix', '']);
    expect([status, stderr.split('\n')[0]]).toEqual([
      1,
      "error: Must provide at least one regex! To match all packages, use 'nix search <installable> ^'.",
    ]);
  });
});

it('edit opens the file, at the line where the editor can', async () => {
  const editor = work.write('vim', '#!/bin/sh\necho "$@"\n');
  chmodSync(editor, 0o755);
  const at = join(work.project, 'packages.nix');
  const edited = await run([program, 'edit', '-f', 'packages.nix', 'hello'], { EDITOR: `${editor} -R` });
  expect(edited).toEqual({ status: 0, stdout: `-R +7 ${at}\n`, stderr: '' });
  expect((await run([program, 'edit', '-f', 'packages.nix', 'hello'])).stdout).toBe(
    packages.replace('@', work.project),
  );
  expect((await run([program, 'edit', '-f', 'packages.nix', 'set'])).stderr).toContain(
    "error: cannot find position information for 'set'",
  );
});

describeWith(['perl'], 'fmt', () => {
  it('runs the formatter with the arguments, and tells it where the flake is', async () => {
    const cwd = join(work.project, 'f');
    const said = await work.startProgram([program, 'fmt', '--', '-x', 'a b'], {
      cwd,
      env: { ...work.environment(), ...env },
    }).ended;
    expect(said).toEqual({ status: 0, stdout: `${cwd} -x a b\n`, stderr: expect.any(String) as string });
  });
});
