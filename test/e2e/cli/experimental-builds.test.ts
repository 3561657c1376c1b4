// Builds behind experimental features that real Nix 2.8 lacks or does otherwise: dynamic and impure derivations, outputs
// hashed as Git does; and repair, and the hooks of the settings.
import { chmodSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { derivations, Workplace, type Ended } from '../../support/cli.ts';
import { busybox } from '../../support/build-fixture.ts';
import { describeWith } from '../../support/requirements.ts';

const work = new Workplace({
  'default.nix': derivations(`
    floating = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
    hello = mk "hello" "echo hello > $out" floating;
    maker = mk "hello.drv" "while read -r line || [ -n \\"$line\\" ]; do printf %s \\"$line\\"; done < \${
      builtins.unsafeDiscardOutputDependency hello.drvPath} > $out" (floating // { outputHashMode = "text"; });
    made = builtins.outputOf maker.outPath "out";
    overMade = mk "over-made" "read x < \${made}; echo over $x > $out" floating;
    notDrv = mk "x.drv" "echo no derivation > $out" (floating // { outputHashMode = "text"; });
    overNotDrv = mk "over-not" "echo \${builtins.outputOf notDrv.outPath "out"} > $out" floating;
    impure = mk "impure" "read x < /proc/sys/kernel/random/uuid; echo $x > $out" { __impure = true; };
    overImpure = mk "over-impure" "read x < \${impure}; echo over $x > $out" { __impure = true; };
    pure = mk "pure" "read x < \${impure}; echo $x > $out" {};
    fixed = mk "fixed" "read x < \${impure}; printf hi > $out"
      { outputHash = builtins.hashString "sha256" "hi"; outputHashAlgo = "sha256"; };
    read = builtins.readFile hello;
    dep = mk "dep" "echo dep > $out" {};
    top = mk "top" "echo \${dep} > $out" {};
    random = mk "random" "read x < /proc/sys/kernel/random/uuid; echo $x > $out" {};
    host = mk "host" "read x < /etc/hostname; echo $x > $out" { __impureHostDeps = [ "/etc/hostname" ]; };
    told = mk "told" "printf %s $WHAT > $out" { impureEnvVars = [ "WHAT" ];
      outputHash = builtins.hashString "sha256" "a-setting"; outputHashAlgo = "sha256"; };
    shown = mk "shown" "read x < /shown; echo $x > $out" {};
  `),
});
const features = ['--extra-experimental-features', 'ca-derivations dynamic-derivations impure-derivations git-hashing'];
const build = (attr: string, ...more: string[]): Promise<Ended> =>
  work.run(['nix-build', '-A', attr, '--no-out-link', ...features, ...more]);
const text = ({ stdout, stderr }: Ended): string => {
  expect(stdout, stderr).toMatch(/^\/nix\/store\/\S+\n$/);
  return readFileSync(work.real(stdout.trim()), 'utf8');
};

afterAll(() => {
  work.close();
});

describe('experimental derivations', () => {
  it('an output may be the derivation that others depend on', async () => {
    expect(text(await build('overMade'))).toBe('over hello\n');
    const direct = await work.run(['build', '-A', 'made', '--no-link', ...features]);
    expect(text(direct)).toBe('hello\n');
    const { status, stderr } = await build('overNotDrv');
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/error parsing derivation '\/nix\/store\/.*-x\.drv'/);
  });

  it('impureEnvVars read a setting before the environment, with its feature', async () => {
    const setting = ['--option', 'impure-env', 'ignored WHAT=a-setting WHAT=another'];
    const env = { WHAT: 'from the environment' };
    const told = (...more: string[]): Promise<Ended> =>
      work.run(['nix-build', '-A', 'told', '--no-out-link', ...more], { env });
    expect((await told(...setting)).stderr).toContain("'configurable-impure-env' is disabled");
    expect((await told()).stderr).toContain('hash mismatch');
    expect(text(await told('--extra-experimental-features', 'configurable-impure-env', ...setting))).toBe('a-setting');
  });

  it('impure ones are built each time, and taint what is pure', async () => {
    const [first, second] = [text(await build('overImpure')), text(await build('overImpure'))];
    expect(first).toMatch(/^over [0-9a-f-]{36}\n$/);
    expect(second).not.toBe(first);
    expect((await build('pure')).stderr).toMatch(
      /error: pure derivation '.*-pure\.drv' depends on impure derivation '.*-impure\.drv'/,
    );
    expect(text(await build('fixed'))).toBe('hi');
  });

  it('are read during evaluation where they really lie', async () => {
    const { stdout, stderr } = await work.run(['eval', '-A', 'read', ...features]);
    expect(stdout, stderr).toBe('"hello\\n"\n');
  });

  it('are refused without their features', async () => {
    await build('overImpure');
    const drv = (await work.run(['instantiate', '-A', 'impure', ...features])).stdout.trim();
    const { status, stderr } = await work.run(['nix-build', drv, '--no-out-link']);
    expect(status).toBe(1);
    expect(stderr).toContain("experimental Nix feature 'impure-derivations' is disabled");
  });
});

describeWith(['git', busybox], 'outputHashMode "git"', () => {
  it('is the hash of a Git tree', async () => {
    work.write(
      'git.nix',
      derivations(`tree = mk "tree" "$box mkdir -p $out/a $out/a.b; echo x > $out/a/f; $box chmod +x $out/a/f;
        echo y > $out/a-b; $box ln -s f $out/l; echo z > $out/a.b/z" {
        box = "\${./box}/busybox"; outputHashMode = "git"; outputHashAlgo = "sha1"; __contentAddressed = true; };`),
    );
    cpSync(busybox, join(work.project, 'box/busybox'));
    const run = await work.run(['nix-build', 'git.nix', '-A', 'tree', '--no-out-link', ...features]);
    expect(run.status, run.stderr).toBe(0);
    const copy = join(work.dir, 'git');
    cpSync(work.real(run.stdout.trim()), copy, { recursive: true, verbatimSymlinks: true });
    const git = (...args: string[]): string =>
      spawnSync('git', ['-C', copy, ...args], { encoding: 'utf8' }).stdout.trim();
    spawnSync('chmod', ['-R', 'u+w', copy]);
    git('init', '-q');
    git('add', '.');
    const tree = git('write-tree');
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
    const db = new DatabaseSync(work.real('/nix/var/nix/db/db.sqlite'), { readOnly: true });
    const { ca } = db.prepare("select ca from ValidPaths where path like '%-tree'").get() as { ca: string };
    db.close();
    expect(ca).toMatch(/^fixed:git:sha1:[0-9a-z]{32}$/);
    const converted = await work.run([
      'eval',
      '--raw',
      '-E',
      `builtins.convertHash { hash = "${ca.slice(10)}"; toHashFormat = "base16"; }`,
    ]);
    expect(converted.stdout, converted.stderr).toBe(tree);
  });
});

describe('--repair', () => {
  it('rebuilds what is damaged or lost, also below the result', async () => {
    const { stdout } = await build('top');
    const top = work.real(stdout.trim());
    const dep = readFileSync(top, 'utf8').trim();
    chmodSync(top, 0o644);
    writeFileSync(top, 'damaged\n');
    const repaired = await build('top', '--repair');
    expect(repaired.stderr).toMatch(/repairing outputs of '.*-top\.drv'/);
    expect(readFileSync(top, 'utf8')).toBe(`${dep}\n`);
    spawnSync('rm', ['-f', work.real(dep)]);
    const again = await build('top', '--repair');
    expect(again.stderr).toMatch(/found corrupted or missing path '.*-dep' in the output closure of '.*-top\.drv'/);
    expect(again.status).toBe(0);
    expect(readFileSync(work.real(dep), 'utf8')).toBe('dep\n');
    expect((await build('top', '--repair')).stderr).toBe('');
  });
});

describe('hooks', () => {
  const hook = (name: string, script: string): string => {
    const file = work.write(`../${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  it('post-build-hook learns what was built, and may fail', async () => {
    const told = join(work.dir, 'told');
    const post = hook('post', `echo "$DRV_PATH $OUT_PATHS" >> ${told}; echo uploading`);
    const { stdout, stderr } = await build('random', '--option', 'post-build-hook', post);
    expect(stderr).toContain('uploading\n');
    expect(readFileSync(told, 'utf8')).toMatch(new RegExp(`^/nix/store/\\S+-random\\.drv ${stdout.trim()}\n$`));
    // --check tells it too, though nothing new comes of it.
    await build('top');
    const checked = await build('top', '--check', '--option', 'post-build-hook', post);
    expect(readFileSync(told, 'utf8')).toMatch(new RegExp(`\n/nix/store/\\S+-top\\.drv ${checked.stdout.trim()}\n$`));
    const failing = await build(
      'shown',
      '--option',
      'post-build-hook',
      hook('bad', 'exit 3'),
      '--option',
      'pre-build-hook',
      hook('pre', `printf 'extra-sandbox-paths\\n/shown=${told}\\n\\n'`),
    );
    expect(failing.stderr).toMatch(/error: program ".*\/bad" failed with exit code 3/);
    expect(failing.status).toBe(1);
  });
  it('diff-hook compares what --check found different', async () => {
    const diff = hook('diff', 'echo "differs: $(cat "$1" | wc -c) $(cat "$2" | wc -c) $3"');
    await build('random');
    const { status, stderr } = await build(
      'random',
      '--check',
      '--option',
      'run-diff-hook',
      'true',
      '--option',
      'diff-hook',
      diff,
    );
    expect(stderr).toMatch(/differs: 37 37 \/nix\/store\/\S+-random\.drv\n/);
    expect(stderr).toMatch(/may not be deterministic: output ".*-random" differs from ".*-random\.check"/);
    expect(status).toBe(104);
  });
  it('__impureHostDeps shows what the settings allow', async () => {
    const refused = await build('host');
    expect(refused.stderr).toMatch(
      /derivation '.*-host\.drv' requested impure path '\/etc\/hostname', but it was not in allowed-impure-host-deps/,
    );
    if (!existsSync('/etc/hostname')) return;
    expect(text(await build('host', '--option', 'allowed-impure-host-deps', '/etc')).trim()).toBe(
      readFileSync('/etc/hostname', 'utf8').split('\n')[0],
    );
  });
});
