// The same derivations built by real Nix (2.8.0) in its sandbox and by tsnix: outputs to the byte, references, what is
// registered, logs of failures and exit statuses.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  symlinkSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BuildFailure } from '../../src/build/failure.ts';
import { realise } from '../../src/build/goals.ts';
import { currentSystem, defaultBuildSettings } from '../../src/build/settings.ts';
import { deletePath } from '../../src/store/delete-path.ts';
import type { LocalStore } from '../../src/store/local-store.ts';
import { parseStorePath } from '../../src/store/store-path.ts';
import type { StorePath } from '../../src/store/store.ts';
import { fromBuffer, fsPath } from '../../src/util/bytes.ts';
import { chrootStore } from '../support/chroot-store.ts';
import { busybox, busyboxTools, noBuiltins } from '../support/build-fixture.ts';
import { describeWith } from '../support/requirements.ts';

const corpus = join(import.meta.dirname, 'builds/corpus.nix');

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function nix(program: string, args: readonly string[], env: Record<string, string> = {}): Run {
  const run = spawnSync(program, args, {
    encoding: 'latin1',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
  });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

// Debian's Nix builds in its sandbox only as root, or where it has build users.
const needs = process.getuid?.() === 0 ? ['nix-store', 'nix-instantiate', 'perl', busybox] : ['root'];

describeWith(needs, 'builds compared with real Nix', () => {
  let dir: string;
  let theirs: LocalStore;
  let ours: LocalStore;
  const okay: StorePath[] = [];
  const failures: StorePath[] = [];
  let theirBuild: Run;
  const theirFailures = new Map<StorePath, Run>();
  const ourFailures = new Map<StorePath, BuildFailure>();
  const settings = { ...defaultBuildSettings(), callerEnv: { TSNIX_TEST_SEEN: 'seen' }, systemFeatures: ['kvm'] };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-oracle-'));
    chmodSync(dir, 0o755);
    const box = join(dir, 'box');
    mkdirSync(join(box, 'bin'), { recursive: true });
    copyFileSync(busybox, join(box, 'bin/busybox'));
    for (const tool of [...busyboxTools, 'cut', 'readlink', 'test']) symlinkSync('busybox', join(box, 'bin', tool));
    const root = join(dir, 'nix');
    const instantiate = (attribute: string): StorePath[] => {
      const run = nix('nix-instantiate', [
        corpus,
        '--store',
        root,
        '-A',
        attribute,
        '--arg',
        'busybox',
        box,
        '--argstr',
        'system',
        currentSystem(),
      ]);
      expect(run.stderr.replace(/^warning.*\n/gm, '')).toBe('');
      return run.stdout
        .trim()
        .split('\n')
        .map((line) => parseStorePath(line.replace(/!.*/, '')));
    };
    okay.push(...instantiate('okay'));
    failures.push(...instantiate('failures'));
    cpSync(root, join(dir, 'tsnix'), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });

    const options = [
      '--store',
      root,
      '--option',
      'build-users-group',
      '',
      '--option',
      'sandbox',
      'true',
      '--option',
      'sandbox-paths',
      '',
      '--option',
      'substitute',
      'false',
      '--option',
      'system-features',
      'kvm',
      '--option',
      'compress-build-log',
      'false',
    ];
    theirBuild = nix('nix-store', ['-r', '-k', '-j', '2', ...okay, ...options], { TSNIX_TEST_SEEN: 'seen' });
    for (const drvPath of failures)
      theirFailures.set(drvPath, nix('nix-store', ['-r', drvPath, '--timeout', '2', ...options]));

    ours = chrootStore(join(dir, 'tsnix'));
    await realise(
      ours,
      okay.map((drvPath) => ({ kind: 'derivation', drvPath, outputs: 'all' })),
      {
        settings: { ...settings, keepGoing: true, maxJobs: 2, compressLog: false },
        builtins: noBuiltins,
      },
    );
    for (const drvPath of failures) {
      try {
        await realise(ours, [{ kind: 'derivation', drvPath, outputs: 'all' }], {
          settings: { ...settings, timeout: 2, compressLog: false },
          builtins: noBuiltins,
        });
      } catch (error) {
        if (!(error instanceof BuildFailure)) throw error;
        ourFailures.set(drvPath, error);
      }
    }
    theirs = chrootStore(root);
  }, 170_000);
  afterAll(async () => {
    await theirs.close();
    await ours.close();
    deletePath(dir);
  });

  it('real Nix builds the corpus', () => {
    expect(theirBuild.stderr.split('\n').filter((line) => line.startsWith('error'))).toEqual([]);
    expect(theirBuild.status).toBe(0);
  });

  it('outputs, hashes and references are the same', () => {
    for (const drvPath of okay) {
      for (const [name, output] of ours.readDerivation(drvPath).outputs) {
        if (output.kind !== 'inputAddressed' && output.kind !== 'fixed') throw new Error(output.kind);
        const [a, b] = [theirs, ours].map((store) => {
          const info = store.pathInfo(output.path);
          return info === undefined
            ? undefined
            : {
                ...info,
                registrationTime: 0,
                narHash: Buffer.from(info.narHash).toString('hex'),
                text: contents(store, output.path),
              };
        });
        expect({ name, ...b }).toEqual({ name, ...a });
      }
    }
  });

  it('failures end with the same status', () => {
    const statuses = (
      of: (drvPath: StorePath) => number | null | undefined,
    ): Record<string, number | null | undefined> =>
      Object.fromEntries(failures.map((drvPath) => [nameOf(drvPath), of(drvPath)]));
    expect(statuses((drvPath) => ourFailures.get(drvPath)?.exitStatus)).toEqual({
      ...statuses((drvPath) => theirFailures.get(drvPath)!.status),
      // Nix 2.36: what can't be built here is a failure of the build too.
      features: 100,
    });
  });

  it('logs of failures are the same', () => {
    for (const drvPath of failures) {
      if (nameOf(drvPath) === 'missing') continue; // 2.8 writes a binary message here
      const [a, b] = [theirs, ours].map((store) => log(store, drvPath));
      expect([nameOf(drvPath), b]).toEqual([nameOf(drvPath), a]);
    }
  });

  it('fails leave nothing valid, nor anything else', () => {
    for (const drvPath of failures) {
      for (const output of ours.readDerivation(drvPath).outputs.values()) {
        if ('path' in output) expect(ours.isValidPath(output.path)).toBe(false);
      }
    }
  });
});

function nameOf(drvPath: StorePath): string {
  return drvPath.slice('/nix/store/'.length + 33, -'.drv'.length);
}

/** For the message of a failed comparison: a file's contents, or those of the files in a folder. */
function contents(store: LocalStore, path: string): string {
  const real = store.realPath(path);
  const stat = lstatSync(fsPath(real));
  if (stat.isFile()) return fromBuffer(readFileSync(fsPath(real)));
  if (!stat.isDirectory()) return '';
  return readdirSync(fsPath(real), { encoding: 'latin1' })
    .map((name) => `== ${name}\n${contents(store, `${path}/${name}`)}`)
    .join('');
}

function log(store: LocalStore, drvPath: StorePath): string {
  const base = drvPath.slice('/nix/store/'.length);
  try {
    return readFileSync(`${store.logDir}/drvs/${base.slice(0, 2)}/${base.slice(2)}`, 'latin1');
  } catch {
    return 'no log';
  }
}
