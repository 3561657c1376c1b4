// `sandbox = false` in a store that lies where it says: real Nix and tsnix build the same derivations in place, one
// after the other, and rebuild them with --check (which rewrites hashes: the valid output can't be touched).
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BuildFailure } from '../../src/build/failure.ts';
import { realise } from '../../src/build/goals.ts';
import type { BuildTarget } from '../../src/build/realise-options.ts';
import { currentSystem, defaultBuildSettings } from '../../src/build/settings.ts';
import { deletePath } from '../../src/store/delete-path.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { parseStorePath } from '../../src/store/store-path.ts';
import type { StorePath } from '../../src/store/store.ts';
import { busybox, busyboxTools, noBuiltins } from '../support/build-fixture.ts';
import { describeWith } from '../support/requirements.ts';

const expression = `{ busybox, system }:
let
  box = builtins.path { path = busybox; name = "busybox"; };
  plain = name: attrs: script: derivation ({
    inherit name system; builder = "\${box}/bin/sh"; args = [ "-e" "-c" script ]; PATH = "\${box}/bin";
  } // attrs);
in rec {
  simple = plain "simple" { } "mkdir $out; echo $out > $out/self; echo \${box} > $out/box; ln -s $out/self $out/link";
  many = plain "many" { outputs = [ "out" "dev" ]; } "echo $dev \${simple} > $out; head -c 100000 /dev/zero | tr '\\\\0' x > $dev; echo -n $dev >> $dev";
  pass = plain "pass" { passAsFile = [ "x" ]; x = "contents"; } "cat $xPath > $out; env | sed 's/=.*//' | grep -v -e SHLVL -e ^_ | sort >> $out";
  fixed = plain "fixed" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "x"; } "echo -n x > $out";
  structured = plain "structured" { __structuredAttrs = true; a = [ 1 ]; } "PATH=\${box}/bin; sed -n 's/^declare -a a/a/p' .attrs.sh > $(sed 's/.*\\"outputs\\":{\\"out\\":\\"\\\\([^\\"]*\\\\).*/\\\\1/' .attrs.json)";
  random = plain "random" { } "cat /proc/sys/kernel/random/uuid > $out";
}`;

const needs = process.getuid?.() === 0 ? ['nix-store', 'nix-instantiate', 'perl', busybox] : ['root'];

describeWith(needs, 'unsandboxed builds compared with real Nix', () => {
  let dir: string;
  let store: LocalStore;
  let drvPaths: StorePath[];
  const recorded = new Map<string, unknown>();
  const env = (): Record<string, string> => ({
    PATH: process.env['PATH']!,
    HOME: '/nonexistent',
    NIX_STORE_DIR: `${dir}/store`,
    NIX_STATE_DIR: `${dir}/state`,
    NIX_LOG_DIR: `${dir}/log`,
    NIX_CONF_DIR: `${dir}/none`,
  });
  const nix = (program: string, ...args: string[]): string => {
    const run = spawnSync(program, args, { encoding: 'latin1', env: env() });
    if (run.status !== 0) throw new Error(run.stderr);
    return run.stdout;
  };
  const open = (): LocalStore =>
    new LocalStore({
      uri: 'local',
      storeDir: `${dir}/store`,
      realStoreDir: `${dir}/store`,
      stateDir: `${dir}/state`,
      logDir: `${dir}/log`,
      fsyncMetadata: false,
    });
  const describeOutputs = (): [string, unknown][] =>
    drvPaths.flatMap((drvPath) =>
      [...store.readDerivation(drvPath).outputs.values()].map((output): [string, unknown] => {
        if (!('path' in output)) throw new Error(output.kind);
        const info = store.pathInfo(output.path);
        const plain = info && { ...info, registrationTime: 0, narHash: Buffer.from(info.narHash).toString('hex') };
        return [output.path, output.path.endsWith('-random') ? undefined : plain];
      }),
    );
  const build = (targets: readonly StorePath[], mode: 'normal' | 'check'): Promise<unknown> =>
    realise(
      store,
      targets.map((drvPath): BuildTarget => ({ kind: 'derivation', drvPath, outputs: 'all' })),
      { settings: { ...defaultBuildSettings(), sandbox: 'false', compressLog: false }, builtins: noBuiltins, mode },
    );

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-open-'));
    chmodSync(dir, 0o755);
    const box = join(dir, 'box');
    mkdirSync(join(box, 'bin'), { recursive: true });
    copyFileSync(busybox, join(box, 'bin/busybox'));
    for (const tool of busyboxTools) symlinkSync('busybox', join(box, 'bin', tool));
    const instantiate = (): StorePath[] =>
      nix('nix-instantiate', '-E', expression, '--arg', 'busybox', box, '--argstr', 'system', currentSystem())
        .trim()
        .split('\n')
        .map((line) => parseStorePath(line.replace(/!.*/, ''), `${dir}/store`));
    drvPaths = instantiate();
    nix(
      'nix-store',
      '-r',
      ...drvPaths,
      '--option',
      'build-users-group',
      '',
      '--option',
      'sandbox',
      'false',
      '--option',
      'substitute',
      'false',
    );
    store = open();
    for (const [path, info] of describeOutputs()) recorded.set(path, info);
    await store.close();
    for (const name of ['store', 'state', 'log']) deletePath(`${dir}/${name}`);
    instantiate();
    store = open();
    await build(drvPaths, 'normal');
  }, 120_000);
  afterAll(async () => {
    await store.close();
    deletePath(dir);
  });

  it('gives the same outputs', () => {
    expect(Object.fromEntries(describeOutputs())).toEqual(Object.fromEntries(recorded));
  });

  it('real Nix finds nothing wrong with the store', () => {
    nix('nix-store', '--verify', '--check-contents');
  });

  it('finds the outputs the same when rebuilt', async () => {
    const same = drvPaths.filter((drvPath) => !drvPath.endsWith('-random.drv'));
    await build(same, 'check');
    const other = drvPaths.filter((drvPath) => drvPath.endsWith('-random.drv'));
    await expect(build(other, 'check')).rejects.toThrow(BuildFailure);
    await expect(build(other, 'check')).rejects.toThrow('may not be deterministic');
    nix('nix-store', '--verify', '--check-contents');
  });
});
