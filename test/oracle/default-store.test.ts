// The store at /nix, which neither program is told of: real Nix and ours take turns building, asking, collecting and
// verifying. In a mount namespace whose /nix is a directory of the test's, so that the machine's own is not touched.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { program, Workplace } from '../support/cli.ts';
import { describeWith, findProgram } from '../support/requirements.ts';
import { makeClosure, StorePlace } from '../support/store-closure.ts';

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

describeWith(
  [...root, 'nix-build', 'nix-store', 'nix-daemon', 'other-users', 'setpriv', 'unshare', 'mount', 'busybox', 'perl'],
  'the store at /nix',
  () => {
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

    it('is reached through its daemon by who may not write it, with the rights that the daemon gives', async () => {
      const script = `
      chmod 777 . ; nix-daemon > /dev/null 2>&1 & daemon=$!
      for i in $(seq 100); do [ -S /nix/var/nix/daemon-socket/socket ] && break; sleep 0.1; done
      user() { setpriv --reuid 31234 --regid 31234 --clear-groups env HOME="$HOME-user" "$@" 2>&1; }
      say() { echo "== $1"; }
      ours="${program} nix-store"
      say built; user ${program} nix-build -A two -o by-user | tail -n 1
      say again; user nix-build -A two --no-out-link
      for query in '-q --roots RESULT' '-qR RESULT' '--gc --print-roots' '--gc --print-dead' --dump-db --verify '--verify --repair' --optimise; do
        query=$(echo "$query" | sed "s,RESULT,$(readlink by-user),")
        say "nix $query"; user nix-store $query || echo status $?
        say "ours $query"; user $ours $query || echo status $?
      done
      say unsigned; user ${program} copy --store "$FIRST" --to daemon "$UNSIGNED" --no-check-sigs || echo status $?
      rm by-user; say gc; user ${program} nix-collect-garbage
      say dead; user nix-store --gc --print-dead
      kill $daemon; wait $daemon; rm -f /nix/var/nix/daemon-socket/socket
      say home; user ${program} nix-store --gc --print-dead`;
      const other = new StorePlace();
      const { leaf } = makeClosure(other.open('first'));
      spawnSync('chmod', ['-R', 'a+rwX', other.dir]);
      const { stdout, stderr } = run('env', `FIRST=${other.dir}/first`, `UNSIGNED=${leaf}`, 'sh', '-c', script);
      const parts = new Map(
        stdout.split(/^== /m).map((part): [string, string] => [
          part.slice(0, part.indexOf('\n')),
          // Processes come and go.
          part
            .slice(part.indexOf('\n') + 1)
            .replace(/^(\{censored\}|\/proc\/\S+|\{temp:\d+\}|\{memory\S*) -> .*\n/gm, ''),
        ]),
      );
      const out = parts.get('built')!;
      expect([out, stderr]).toEqual([expect.stringMatching(/^\/nix\/store\/.*-two\n$/), '']);
      expect(parts.get('again')).toBe(out);
      const queries = [...parts.keys()].filter((title) => title.startsWith('nix '));
      expect(queries).toHaveLength(8);
      const words = (text: string): string => text.replace(/^(?!error).*(linking|freed|stale link).*\n/gm, '');
      for (const title of queries) {
        expect([title, words(parts.get(title.replace('nix', 'ours'))!)]).toEqual([title, words(parts.get(title)!)]);
      }
      expect(parts.get('ours --verify --repair')).toContain('you are not privileged to repair paths');
      expect(parts.get('unsigned')).toMatch(/lacks a (valid )?signature[^]*status 1/);
      expect(parts.get('gc')).toMatch(/[1-9]\d* store paths deleted/);
      expect(parts.get('dead')).not.toContain('/nix/store');
      expect(parts.get('home')).toContain("'/nix/var/nix' is not writable and no daemon listens, so '");
      await other.close();
    });
  },
);
