// The embedded package set: trivial builders, the standard environment, fetchers and the machine without a VM, from
// expressions to what lies in the store.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerTools, runImage, unpackImage } from '../../support/container.ts';
import { describeWith } from '../../support/requirements.ts';
import { TestInstallation } from '../../support/tsnix.ts';

const checks = join(import.meta.dirname, 'checks.nix');

describeWith(['patch', 'perl'], 'the embedded package set', () => {
  const installation = new TestInstallation();
  const built = new Map<string, string>();
  const attributes = [
    'phases', 'overridden', 'structured', 'texts', 'runs', 'joined', 'joinedAndChanged', 'environment', 'substituted',
    'references', 'closures', 'popular', 'info', 'patched', 'sealed', 'machine', 'archive',
  ]; // prettier-ignore

  beforeAll(() => {
    const paths = installation.build([checks, ...attributes.flatMap((attribute) => ['-A', attribute])]);
    attributes.forEach((attribute, i) => built.set(attribute, paths[i]!));
  }, 600_000);
  afterAll(() => {
    installation.close();
  }, 60_000);

  const read = (attribute: string, file = ''): string => readFileSync(join(built.get(attribute)!, file), 'utf8');
  const follow = (attribute: string, file: string): string =>
    installation.real(readlinkSync(join(built.get(attribute)!, file)));

  it('stdenv runs the phases of a package', () => {
    expect(read('phases', 'text')).toBe('newer\n');
    expect(read('phases', 'configured')).toMatch(
      /^configured with --prefix=\/nix\/store\/\S+-project-1\.0 --with-x --y=z\n$/,
    );
    expect(read('phases', 'greeted')).toBe('greeted\n');
    expect(read('phases', 'greeting')).toMatch(/^from \/nix\/store\/\S+-greeting-hook\n$/);
    expect(read('phases', 'hook')).toBe('hook\n');
    expect(read('phases', 'environment')).toBe('1 cores UTC project-1.0 1.0\n');
  });

  it('stdenv propagates inputs, and patches scripts', () => {
    expect(read('phases', 'path')).toMatch(/^\/nix\/store\/\S+-hello-1\.0\/bin\/hello\n$/);
    expect(read('phases', 'bin/tool')).toMatch(/^#!\/nix\/store\/\S+-bash\/bin\/bash\necho version 1\.0\n$/);
  });

  it('overrideAttrs changes what the package is made of', () => {
    expect(read('overridden', 'hook')).toBe('hook\nmore\n');
    expect(read('overridden', 'environment')).toBe('1 cores UTC project-2.0 2.0\n');
  });

  it('stdenv takes structured attributes', () => {
    expect(read('structured')).toBe('a b\nc\n1\n');
  });

  it('trivial builders', () => {
    const text = (file: string): string => readFileSync(follow('texts', file), 'utf8');
    expect(text('text')).toBe('plain\n');
    expect(readFileSync(join(follow('texts', 'dir'), 'sub/file'), 'utf8')).toBe('in a directory\n');
    expect(text('checked')).toBe('checked\n');
    expect(text('both')).toBe('a\nb\n');
    expect(readdirSync(follow('texts', 'empty'))).toEqual([]);
    expect(statSync(follow('texts', 'script')).mode & 0o777).toBe(0o555);
    expect(read('runs')).toBe('script\nshell\ntool\nshell-bin\nHello, world!\n');
  });

  it('symlinkJoin and buildEnv', () => {
    expect(readdirSync(join(built.get('joined')!, 'bin')).sort()).toEqual(['hello', 'other']);
    expect(lstatSync(join(built.get('joined')!, 'bin/hello')).isSymbolicLink()).toBe(true);
    expect(read('joinedAndChanged', 'bin/hello')).toMatch(
      /export GREETER=me\nexport PATH=\/x\$\{PATH:\+:\$PATH\}\nexec -a "\$0"/,
    );
    expect(readdirSync(built.get('environment')!)).toEqual(['share']);
    expect(readdirSync(join(built.get('environment')!, 'share')).sort()).toEqual(['hello', 'other']);
  });

  it('substituteAll fills in variables, one after the other', () => {
    const text = read('substituted');
    const shell = /^#!(\S+)\n/.exec(text)![1]!;
    // The value of `greeting` names `shell`, which comes later in the order of names.
    expect(text).toBe(
      `#!${shell}\necho hi & \\1 ${shell} ${built.get('substituted')!.slice(`${installation.dir}/root`.length)} @Unknown@\n`,
    );
    expect(statSync(built.get('substituted')!).mode & 0o111).not.toBe(0);
  });

  it('closures', () => {
    const names = (text: string): string[] =>
      text
        .trim()
        .split('\n')
        .map((path) => path.slice('/nix/store/'.length + 33))
        .sort();
    const closure = ['bash', 'glibc', 'hello-1.0', 'libtinfo.so.6'];
    expect(names(read('references'))).toEqual(closure);
    expect(names(read('closures'))).toEqual(closure);
    expect(names(read('popular'))).toEqual(['bash', 'closure', 'glibc', 'hello-1.0', 'libtinfo.so.6']);
    expect(names(read('popular'))[0]).not.toBe('closure');
    expect(names(read('info', 'store-paths'))).toEqual(closure);
    expect(read('patched', 'x')).toBe('y\n');
  });

  it('builds see nothing of the machine', () => {
    const lines = read('sealed').trim().split('\n');
    expect(lines).toContain('/nix');
    for (const line of lines.slice(0, -1)) expect(line).toMatch(/^\/(nix|build|tmp|proc|dev|etc|bin)(\/|$)/);
    expect(lines.filter((line) => line.startsWith('/bin/'))).toEqual(['/bin/sh']);
    expect(lines.at(-1)).toBe('1000');
  });

  it('runInLinuxVM: root, a disk of its own size, whiteouts', () => {
    expect(read('machine')).toBe('32\nfull\n0\ncharacter special file\nafter\n');
  });

  it('passthru is there, and a failure says what the build said', () => {
    expect(installation.run(['eval', checks, '-A', 'extra']).stdout).toBe('42\n');
    const { status, stderr } = installation.run(['build', '--no-out-link', checks, '-A', 'failing']);
    expect(status).toBe(100);
    expect(stderr).toMatch(/> before\n\s*> hooked\n/);
    expect(stderr).not.toMatch(/> after/);
  });

  it('fetchurl and fetchzip take files by hash', () => {
    const archive = join(installation.dir, 'project.tar.gz');
    copyFileSync(built.get('archive')!, archive);
    const script = join(installation.dir, 'script.sh');
    writeFileSync(script, '#!/bin/sh\n');
    const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
    // Builders see no files but the store's.
    const fetch = (attribute: string, file: string, sha256: string) => {
      const added = installation.run(['nix-store', '--add', file]).stdout.trim();
      return installation.run([
        ...['build', '--json', '--no-out-link', checks, '-A', attribute],
        ...['--argstr', 'url', `file://${added}`, '--argstr', 'sha256', sha256],
      ]);
    };
    const out = (run: { stdout: string; stderr: string }): string => {
      if (run.stdout === '') throw new Error(run.stderr);
      return (JSON.parse(run.stdout) as [{ realPaths: { out: string } }])[0].realPaths.out;
    };
    expect(readFileSync(out(fetch('fetched', script, hash(script))), 'utf8')).toBe('#!/bin/sh\n');
    const wrong = fetch('fetched', script, '0'.repeat(64));
    expect(wrong.status).toBe(102);
    const probe = fetch('unpacked', archive, '0'.repeat(64));
    const got = /got: +(sha256-\S+)/.exec(probe.stderr)![1]!;
    expect(readFileSync(join(out(fetch('unpacked', archive, got)), 'text'), 'utf8')).toBe('old\n');
    // An executable is hashed as a tree, as in Nix.
    const asTree = /got: +(sha256-\S+)/.exec(fetch('fetchedScript', script, '0'.repeat(64)).stderr)![1]!;
    expect(statSync(out(fetch('fetchedScript', script, asTree))).mode & 0o777).toBe(0o555);
  });
});

describe('without a file', () => {
  const installation = new TestInstallation();
  afterAll(() => {
    installation.close();
  }, 60_000);

  it.skipIf(spawnSync('dpkg', ['-L', 'coreutils']).status !== 0)('coreutils has all that Debian puts into it', () => {
    const files = spawnSync('dpkg', ['-L', 'coreutils'], { encoding: 'utf8' }).stdout.split('\n');
    const theirs = files.filter((file) => /\/s?bin\/[^.]+$/.test(file)).map((file) => basename(file));
    expect(theirs).toContain('seq');
    const [ours] = installation.build(['-A', 'coreutils']);
    expect(theirs.filter((name) => !existsSync(join(ours!, 'bin', name)))).toEqual([]);
  });

  it('tsnix build -A hello', () => {
    const [path] = installation.build(['-A', 'hello']);
    expect(readFileSync(join(path!, 'share/hello/greeting'), 'utf8')).toBe('Hello, world!\n');
  }, 120_000);

  describeWith(containerTools, 'in a container', () => {
    it('tsnix build -A images.bash', () => {
      const [path] = installation.build(['-A', 'images.bash']);
      const image = unpackImage(path!, join(installation.dir, 'unpacked'));
      expect(runImage(image, ['/bin/bash', '-c', 'ls /bin/ls; echo "$((6 * 7))"']).output).toBe('/bin/ls\n42\n');
    }, 120_000);
  });

  it('tells its names to who asks for one that it does not have', () => {
    const { status, stderr } = installation.run(['build', '-A', 'no-such-package', '--no-out-link']);
    expect(status).toBe(1);
    expect(stderr).toContain("attribute 'no-such-package'");
  });
});
