// Builds that fail, and builders that misbehave: the message, the exit status, and nothing left.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, Workplace } from '../../support/cli.ts';

const work = new Workplace({
  'default.nix': derivations(`
    fails = mk "fails" "echo first; echo second >&2; echo > kept; exit 3" {};
    fails2 = mk "fails2" "exit 4" {};
    dependent = mk "dependent" "echo \${fails} > $out" {};
    good = mk "good" "echo > $out" {};
    chatty = mk "chatty" "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); done; exit 1" {};
    hangs = mk "hangs" "echo hanging; exec 2>/dev/null; while :; do :; done" {};
    mismatch = mk "mismatch" "echo other > $out" {
      outputHashMode = "flat";
      outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    };
    random = mk "random" "read -r line < /proc/sys/kernel/random/uuid; echo $line > $out" {};
    noOutput = mk "no-output" "echo nothing" {};
    noProgram = derivation { name = "no-program"; system = builtins.currentSystem; builder = "/bin/nope"; };
    otherSystem = derivation { name = "other-system"; system = "plan9-riscv"; builder = "/bin/sh"; };
    otherFeature = mk "other-feature" "echo > $out" { requiredSystemFeatures = [ "magic" ]; };
    cycle = mk "cycle" "echo $b > $out; echo $out > $b" { outputs = [ "out" "b" ]; };
    terminal = mk "terminal" "printf 'a\\\\033[2Jb\\\\033]0;title\\\\007c\\\\n'; exit 1" {};
    evaluated = builtins.readFile fails;
  `),
});
afterAll(() => {
  work.close();
});

/** What lies in the store beside derivations and what was built before. */
const leftovers = (): string[] =>
  ['nix/store', 'nix/var/nix/builds', 'nix/var/nix/temproots']
    .flatMap((dir) => (existsSync(join(work.store, dir)) ? readdirSync(join(work.store, dir)) : []))
    .filter((name) => !/^\.links$|\.drv$|-(good|random|dash|glibc)$/.test(name));

const build = (...args: string[]): ReturnType<Workplace['run']> =>
  work.run(['build', '--no-out-link', ...args.flatMap((word) => (/^[a-z]\w*$/i.test(word) ? ['-A', word] : [word]))]);

describe('failed builds', () => {
  it('tells reason, outputs, last lines and how to see all', async () => {
    const { status, stdout, stderr } = await build('fails');
    expect({ status, stdout }).toEqual({ status: 100, stdout: '' });
    const [, drv] = /building '(.*)'/.exec(stderr)!;
    expect(stderr.slice(stderr.indexOf('error:'))).toMatch(
      new RegExp(
        `^error: Cannot build '${drv!}'\\.\n {7}Reason: builder failed with exit code 3\\.\n {7}Output paths:\n {9}/nix/store/.*-fails\n` +
          ` {7}Last 2 log lines:\n {7}> first\n {7}> second\n {7}For full logs, run:\n {9}tsnix log ${drv!}\n$`,
      ),
    );
    expect((await work.run(['log', drv!])).stdout).toBe('first\nsecond\n');
    const lines = await build('chatty', '--log-lines', '2');
    expect(lines.stderr).toContain('Last 2 log lines:\n       > line 38\n       > line 39\n');
    expect(leftovers()).toEqual([]);
  });

  it('goes on with -k, tells every failure, and stops without', async () => {
    const all = await build('fails', 'fails2', 'good', '-k');
    expect(all.status).toBe(100);
    expect(all.stderr).toMatch(
      /error: Cannot build '.*-fails\.drv'[^]*error: Cannot build '.*-fails2\.drv'[^]*\nerror: build of '.*-fails\.drv\^out', '.*-fails2\.drv\^out' failed\n$/,
    );
    const dependent = await build('dependent');
    expect(dependent.stderr).toMatch(
      /error: Cannot build '.*-fails\.drv'[^]*error: Cannot build '.*-dependent\.drv'\.\n {7}Reason: 1 dependency failed\.\n {7}Output paths:\n.*-dependent\n$/,
    );
    expect(leftovers()).toEqual([]);
  });

  it('ends with a status that names the kinds of failures', async () => {
    const cases: [string[], number, RegExp][] = [
      [['hangs', '--timeout', '1'], 101, /Reason: timed out after 1 seconds\.\n$/],
      [['hangs', '--max-silent-time', '1'], 101, /Reason: timed out after 1 seconds of silence\.\n$/],
      [
        ['mismatch'],
        102,
        /error: hash mismatch in fixed-output derivation '.*-mismatch\.drv':\n {9}specified: sha256-47DEQpj8HBSa\+\/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=\n {12}got: {4}sha256-.{43}=\n$/,
      ],
      [['fails', 'mismatch', 'hangs', '-k', '-j3', '--timeout', '1'], 103, /build of .* failed\n$/],
      [['otherSystem'], 100, /Reason: platform mismatch\n {7}Required system: 'plan9-riscv'\n/],
      [['otherFeature'], 100, /Reason: missing system features\n {7}Required features: \{magic\}\n/],
      [['noOutput'], 1, /failed to produce output path for output 'out'/],
      [['noProgram'], 100, /> executing '\/bin\/nope': No such file or directory\n/],
      [['cycle'], 1, /cycle detected in build of '.*-cycle\.drv' in the references of output '.*' from output '.*'\n$/],
    ];
    for (const [args, status, message] of cases) {
      const ended = await build(...args);
      expect([args, ended.status, ended.stderr]).toEqual([args, status, expect.stringMatching(message)]);
    }
    expect(leftovers().filter((name) => !name.endsWith('-mismatch'))).toEqual([]);
  });

  it('compares with --check', async () => {
    const before = await build('random', 'good');
    expect(before.status).toBe(0);
    expect((await build('good', '--check')).status).toBe(0);
    const changed = await build('random', '--check');
    expect([changed.status, changed.stderr]).toEqual([
      104,
      expect.stringMatching(/may not be deterministic: output ".*-random" differs\n$/),
    ]);
    expect(await build('random', 'good')).toMatchObject({ status: 0, stdout: before.stdout });
  });

  it('keeps the build directory on -K', async () => {
    const { stderr } = await build('fails', '-K');
    const [, dir] = /^note: keeping build directory "(.*)"$/m.exec(stderr)!;
    expect(readdirSync(dir!)).toContain('kept');
    rmSync(dirname(dir!), { recursive: true });
  });

  it('keeps control sequences from the terminal', async () => {
    expect((await build('terminal')).stderr).toContain('> abc\n');
  });

  it('shows what failed where evaluation needs it', async () => {
    const { status, stderr } = await work.run(['eval', '-A', 'evaluated', '--cores', '1', '--show-trace']);
    expect(status).toBe(100);
    expect(stderr).toMatch(
      /^building '.*-fails\.drv'\.\.\.\nerror:\n[^]*while calling the 'readFile' builtin\n {9}at .*default\.nix:\d+:\d+:[^]*\n {7}error: Cannot build '.*-fails\.drv'\.\n {7}Reason: builder failed with exit code 3\.\n/,
    );
    // Settings of the command line hold there, too.
    const kept = await work.run(['eval', '-A', 'evaluated', '-E', 'import ./. {}', '--keep-failed']);
    const [, dir] = /^note: keeping build directory "(.*)"$/m.exec(kept.stderr)!;
    rmSync(dirname(dir!), { recursive: true });
  });
});

describe('misbehaving builders', () => {
  it('leave no process behind', async () => {
    const mark = `tsnix-orphan-${process.pid}`;
    const script = `(sh -c 'while :; do :; done' ${mark}) & (sh -c 'while :; do :; done' ${mark} </dev/null >/dev/null 2>&1) & echo > $out`;
    const expression = `derivation { name = "good"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "${script}" ]; }`;
    expect((await work.run(['build', '--no-out-link', '-E', expression])).status).toBe(0);
    const commands = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        } catch {
          return ''; // it ended meanwhile
        }
      });
    expect(commands.filter((command) => command.includes(mark))).toEqual([]);
  });

  it('cannot make a socket their output, and what they write elsewhere is gone', async () => {
    const script = `
      echo x > /nix/store/good; echo x > /outside; echo x > /tmp/inside;
      ${process.execPath} -e 'require("net").createServer().listen(process.env.out)' & sleep 1
    `;
    const expression = `derivation { name = "socket"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ''${script}'' ]; PATH = "/bin:/usr/bin"; }`;
    const socket = await work.run([
      'build',
      '--no-out-link',
      '-E',
      expression,
      '--option',
      'sandbox-paths',
      ['/bin', '/usr', '/lib', '/lib64', process.execPath].filter((path) => existsSync(path)).join(' '),
    ]);
    expect(socket.status).not.toBe(0);
    expect(socket.stderr).toMatch(/error: .*-socket.* has an unsupported type|file '.*' has an unsupported type/);
    expect(existsSync('/outside')).toBe(false);
    expect(existsSync('/tmp/inside')).toBe(false);
    expect(existsSync(join(work.store, 'nix/store/good'))).toBe(false);
    expect(leftovers().filter((name) => !name.endsWith('-mismatch'))).toEqual([]);
  });
});
