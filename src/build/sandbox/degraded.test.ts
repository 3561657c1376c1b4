// Places where a sandbox is harder to make: containers that hide parts of /proc, and machines that allow none.
import { expect, it } from 'vitest';
import { busybox } from '../../../test/support/build-fixture.ts';
import { runDriver } from '../../../test/support/build-driver.ts';
import { describeWith } from '../../../test/support/requirements.ts';

const user = process.getuid?.() === 0 ? 65534 : undefined;

describeWith(['perl', 'unshare', busybox, 'other-users'], 'sandboxes in containers', () => {
  it('uses the container’s /proc where a fresh one is refused, and keeps builders from looking through it', () => {
    const script = `set +e
read -r self rest < /proc/self/stat; ls -d /proc/self/fd; echo $(cat /proc/1/comm)
for p in /proc/[0-9]*; do ls -d $p/root/. $p/cwd/. 2> /dev/null | grep -v -e "/proc/$self/"; done
echo end; echo > $out`;
    // As Podman does: part of /proc is covered.
    const masked = [
      'unshare',
      '-r',
      '-m',
      'sh',
      '-c',
      'mount -t tmpfs none /proc/acpi 2>/dev/null || mount -t tmpfs none /proc/fs; exec "$@"',
      'sh',
    ];
    const { results } = runDriver({ cases: [{ name: 'masked', script }] }, user, masked);
    expect(results['masked']!.error).toBeUndefined();
    const text = results['masked']!.lines.join('\n');
    expect(text).toMatch(/^\/proc\/self\/fd\n/);
    // Nothing between: the root and working directories of other processes can't be reached.
    expect(text).toMatch(/^\/proc\/self\/fd\n.*\nend$/);
  });

  it('says why there is no sandbox where user namespaces are switched off', () => {
    const off = ['unshare', '-r', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', 'sh'];
    const { results, leftovers } = runDriver({ cases: [{ name: 'none', script: 'echo > $out' }] }, user, off);
    expect(results['none']!.error).toMatch(
      /^this system does not support the kernel namespaces that are required for sandboxing, which is required for building in a diverted store\n {2}perl: clone: No space left on device\n/,
    );
    expect(results['none']!.exitStatus).toBe(1);
    expect(leftovers).toEqual([]);
  });
});
