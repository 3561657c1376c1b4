// Mode vm: the builder is root of its own little machine, and nothing of that shows outside.
import { lstatSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { busybox } from '../../../test/support/build-fixture.ts';
import { runDriver } from '../../../test/support/build-driver.ts';
import type { DriverResult } from '../../../test/support/build-driver.ts';
import { describeWith, othersReachUs } from '../../../test/support/requirements.ts';

const script = `set +e
exec > $out 2>&1
echo id $(id -u) $(id -g); echo caps $(grep CapEff /proc/self/status)
mkdir /mnt /disk && mount -t tmpfs -o size=10m none /disk && cd /disk && mkdir low up work merged
echo low > low/kept; echo low > low/removed; mkdir low/folder; echo x > low/folder/file
chown 1000:100 low/kept && echo chowned
mount -t overlay overlay -o lowerdir=low,upperdir=up,workdir=work,userxattr merged && echo mounted
rm merged/removed; rm -r merged/folder; echo new > merged/added
stat -c '%F %n' up/removed up/added; ls merged; stat -c '%u:%g' merged/kept
chmod 4755 merged/added && stat -c %a merged/added
mkdir sys && mount --rbind /sys sys && echo sys is there
ls /dev/vda
umount merged && echo unmounted
mount -o remount,rw,bind $(echo /nix/store/*-busybox); touch $(echo /nix/store/*-busybox)/x
umount $(echo /nix/store/*-busybox)
chmod 600 /dev/null; echo x > /proc/sys/kernel/core_pattern; mknod /disk/sda b 8 0
ifconfig eth0; unshare -mp true && echo unshared
mkdir -p /build/deep/er; touch /build/deep/er/x; chown -R 77:77 /build/deep; chmod 000 /build/deep
echo end`;

const foreign = `mkdir $out; touch $out/a $out/b; chown 1234:55 $out/b; mkdir $out/c; touch $out/c/d; chown -R 9:9 $out/c; chmod 4711 $out/b; chmod 700 $out/c`;

/** A user that has subordinate ids, where this machine has one. */
function subordinateUser(): number | undefined {
  try {
    const name = readFileSync('/etc/subuid', 'utf8').split(':')[0]!;
    const id = spawnSync('id', ['-u', name], { encoding: 'utf8' }).stdout.trim();
    return id === '' ? undefined : Number(id);
  } catch {
    return undefined; // no such file
  }
}

function build(uid: number | undefined): Record<string, DriverResult> {
  const before = lstatSync('/dev/null').mode;
  const { results, leftovers } = runDriver(
    {
      cases: [
        { name: 'machine', script, env: { requiredSystemFeatures: 'tsnix-vm' } },
        { name: 'foreign', script: foreign, env: { requiredSystemFeatures: 'tsnix-vm' } },
      ],
    },
    uid,
  );
  expect(lstatSync('/dev/null').mode).toBe(before);
  expect(leftovers).toEqual([]);
  return results;
}

function checkMachine(result: DriverResult, range: boolean): void {
  expect(result.error).toBeUndefined();
  const text = result.out!;
  expect(text).toContain('id 0 0\ncaps CapEff: 000001ffffffffff\n');
  expect(text).toContain(range ? 'chowned\nmounted\n' : 'Invalid argument\nmounted\n');
  expect(text).toMatch(/character special file up\/removed\nregular (empty )?file up\/added\nadded\nkept\n/);
  expect(text).toContain(range ? '\n1000:100\n4755\n' : '\n0:0\n4755\n');
  expect(text).toContain('sys is there\n/dev/vda\nunmounted\n');
  // Inputs stay read-only, devices and settings of the host out of reach.
  expect(text).toMatch(/mount: [^\n]*\ntouch: [^\n]*Read-only file system\numount: [^\n]*Invalid argument\n/);
  expect(text).toMatch(
    /chmod: \/dev\/null: Operation not permitted\n.*core_pattern: Permission denied\nmknod: .*not permitted\n/,
  );
  expect(text).toMatch(/unshared\n[^]*end/);
}

describeWith(['perl', busybox], 'mode vm', () => {
  const root = process.getuid?.() === 0;
  describe.skipIf(!root)('as root', () => {
    it('gives a range of ids', () => {
      const results = build(undefined);
      checkMachine(results['machine']!, true);
      expect(results['foreign']!.error).toBeUndefined();
      expect(results['foreign']!.uid).toBe(0);
    });
  });
  it.skipIf(!othersReachUs())('gives the one id that an ordinary user has', () => {
    const results = build(root ? 65534 : undefined);
    checkMachine(results['machine']!, false);
  });
  const user = subordinateUser();
  if (root && user === undefined && process.env['CI'])
    throw new Error('no user with subordinate ids: .ci/run makes one');
  it.skipIf(!root || user === undefined)('gives a user with subordinate ids their range', () => {
    const results = build(user);
    checkMachine(results['machine']!, true);
    expect(results['foreign']!.error).toBeUndefined();
    expect(results['foreign']!.uid).toBe(user);
  });
});
