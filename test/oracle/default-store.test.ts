// The store at /nix, which neither program is told of: real Nix and ours take turns building, asking, collecting and
// verifying. In a mount namespace whose /nix is a directory of the test's, so that the machine's own is not touched.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { program, Workplace } from '../support/cli.ts';
import { describeWith, findProgram } from '../support/requirements.ts';

const root = process.getuid?.() === 0 ? [] : ['root'];

/** Everything of this machine, but for /nix, which is $HERE/nix; then the command. */
const inOtherRoot = `
new=$HERE/new; mkdir -p "$new"; mount -t tmpfs -o mode=755 none "$new"
for each in /*; do
  name=$new/\${each#/}
  if [ "$each" = /nix ]; then continue
  elif [ -L "$each" ]; then cp -P "$each" "$name"
  elif [ -d "$each" ]; then mkdir "$name"; mount --rbind "$each" "$name"; fi
done
mkdir "$new/nix" "$new/.old"; mount --bind "$HERE/nix" "$new/nix"
at=$(pwd); cd "$new"; pivot_root . .old; umount -l /.old; rmdir /.old; cd "$at"
exec "$@"`;

describeWith([...root, 'nix-build', 'nix-store', 'unshare', 'mount', 'busybox', 'perl'], 'the store at /nix', () => {
  const work = new Workplace({
    'default.nix': `
      let mk = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; };
      in rec {
        one = mk "one" "echo 1 > $out";
        two = mk "two" "echo \${one} > $out";
        three = mk "three" "echo \${two} \${./file} > $out";
        alone = mk "alone" "echo alone > $out";
      }`,
    file: 'a source\n',
    '../conf/nix.conf': `build-users-group =\nsandbox = true\nsandbox-paths = /bin/sh=${findProgram('busybox') ?? ''}\nsubstituters =\n`,
  });
  beforeAll(() => {
    mkdirSync(join(work.dir, 'nix'));
  });
  afterAll(() => {
    work.close();
  });
  const run = (...words: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync('unshare', ['--mount', 'sh', '-ec', inOtherRoot, 'sh', ...words], {
      cwd: work.project,
      env: { ...work.environment(), HERE: work.dir },
      encoding: 'latin1',
    });
  const nix = (name: string, ...args: string[]): ReturnType<typeof run> => run(name, ...args);
  const ours = (name: string, ...args: string[]): ReturnType<typeof run> => run(program, name, ...args);
  const tools = [
    ['Nix', nix],
    ['ours', ours],
  ] as const;
  const lines = (ended: ReturnType<typeof run>): string[] => {
    expect(ended.stderr).not.toMatch(/^error/m);
    expect(ended.status).toBe(0);
    return ended.stdout.split('\n').filter((line) => line !== '');
  };
  const built = (ended: ReturnType<typeof run>): string[] =>
    [...ended.stderr.matchAll(/^building '\/nix\/store\/.{33}(.*)\.drv'/gm)].map((match) => match[1]!);
  const verify = (): void => {
    for (const [, tool] of tools) {
      const { status, stderr } = tool('nix-store', '--verify', '--check-contents');
      expect(stderr).not.toMatch(/error|disappeared|modified|not all/);
      expect(status).toBe(0);
    }
  };
  const same = (...args: string[]): string[] => {
    const [theirs, own] = tools.map(([, tool]) => lines(tool('nix-store', ...args)));
    expect(own).toEqual(theirs);
    return own!;
  };

  it('is built in by both in turn, and neither builds again', () => {
    const one = nix('nix-build', '-A', 'one', '-o', 'by-nix');
    expect(built(one)).toEqual(['one']);
    const again = ours('nix-build', '-A', 'one', '--no-out-link');
    expect(built(again)).toEqual([]);
    expect(lines(again)).toEqual(lines(one));
    const two = ours('nix-build', '-A', 'two', '-o', 'by-ours');
    expect(built(two)).toEqual(['two']);
    const three = nix('nix-build', '-A', 'three', '-A', 'two', '--no-out-link');
    expect(built(three)).toEqual(['three']);
    expect(lines(three)[1]).toBe(lines(two)[0]);
    // Not a store elsewhere: links lead to /nix/store itself.
    expect(readlinkSync(join(work.project, 'by-ours'))).toBe(lines(two)[0]);
    verify();
  });

  it('gives both the same answers', () => {
    const [three] = lines(ours('nix-build', '-A', 'three', '--no-out-link'));
    const inputs = same('-qR', three!);
    expect(inputs).toHaveLength(4);
    same('-q', '--roots', inputs[0]!);
    same('--gc', '--print-dead');
    same('--dump-db');
  });

  it('is collected by either, which keeps what the other has rooted', () => {
    const alive = (): string[] =>
      lines(nix('nix-store', '--gc', '--print-live'))
        .filter((path) => !path.endsWith('.drv'))
        .map((path) => path.slice(44))
        .sort();
    expect(built(ours('nix-build', '-A', 'alone', '--no-out-link'))).toEqual(['alone']);
    expect(lines(ours('nix-store', '--gc')).length).toBeGreaterThan(0);
    expect(alive()).toEqual(['one', 'two']);
    expect(built(nix('nix-build', '-A', 'three', '--no-out-link'))).toEqual(['three']);
    rmSync(join(work.project, 'by-ours'));
    expect(lines(nix('nix-store', '--gc')).length).toBeGreaterThan(0);
    expect(alive()).toEqual(['one']);
    rmSync(join(work.project, 'by-nix'));
    ours('nix-store', '--gc');
    expect(lines(nix('nix-store', '--gc', '--print-dead'))).toEqual([]);
    expect(lines(ours('nix-store', '--dump-db'))).toEqual([]);
    expect(existsSync(join(work.dir, 'nix/var/nix/db/db.sqlite'))).toBe(true);
  });

  it('is repaired by either', () => {
    const [one] = lines(ours('nix-build', '-A', 'one', '-o', 'kept'));
    for (const [, tool] of tools) {
      spawnSync('chmod', ['u+w', join(work.dir, one!)]);
      writeFileSync(join(work.dir, one!), 'damaged');
      expect(ours('nix-store', '--verify-path', one!).status).toBe(1);
      lines(tool('nix-store', '--repair-path', one!));
      expect(lines(nix('nix-store', '--verify-path', one!))).toEqual([]);
    }
    verify();
  });
});
