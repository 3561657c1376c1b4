// What every sandbox must do, whatever makes it and whoever runs it. Applied to each backend, as root and as an
// ordinary user (backends.test.ts).
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackendName } from '../../src/build/sandbox/backend.ts';
import { busybox } from './build-fixture.ts';
import { runDriver } from './build-driver.ts';
import { othersReachUs } from './requirements.ts';
import type { DriverAnswer, DriverCase, DriverResult } from './build-driver.ts';

export interface SandboxTraits {
  readonly filters: boolean;
  readonly argv0: boolean;
  /** The environment arrives in Nix's order. */
  readonly sortedEnv: boolean;
}

/** A number that appears in the command line of every process that a hostile builder leaves. */
const mark = 4_000_000 + (process.pid % 1_000_000);

/** A port of this machine that somebody listens on. */
let hostPort = 0;

const hostileCases = (): DriverCase[] => [
  {
    name: 'look-around',
    script: `set +e
for file in /etc/shadow /root/.profile /home /var /proc/1/root/etc/hostname /proc/kcore /sys /dev/kmsg /dev/mem /dev/sda /run; do
  cat $file > /dev/null 2>&1 && echo "read $file"; ls $file > /dev/null 2>&1 && echo "listed $file"
done
tr '\\0' '\\n' < /proc/1/environ | grep -i -e secret -e HOST && echo "the caller's environment"
ls /proc/1/fd | wc -l; readlink /proc/1/cwd
echo done > $out`,
  },
  {
    name: 'network',
    script: `set +e
for address in 127.0.0.1 10.0.0.1 1.1.1.1; do
  busybox nc -w 2 $address ${hostPort} < /dev/null > /dev/null 2>&1 && echo "reached $address"
done
ifconfig | grep -v -e '^lo' -e '^ ' -e '^$'
echo done > $out`,
  },
  {
    name: 'network-fixed',
    script: `busybox nc -w 2 127.0.0.1 ${hostPort} < /dev/null > /dev/null 2>&1 && echo reached; echo net > $out`,
    fixedText: 'net\n',
  },
  {
    name: 'neighbour-a',
    script: `echo secret > /tmp/secret; echo secret > /dev/shm/secret; sleep 3; echo > $out`.replace(
      'exec sleep 3',
      'sleep 3',
    ),
  },
  {
    name: 'neighbour-b',
    script: `set +e
sleep 1; for i in 1 2 3 4 5 6 7 8; do
  cat /tmp/secret /dev/shm/secret /proc/*/root/tmp/secret 2> /dev/null; [ $(ls -d /proc/[0-9]* | wc -l) -lt 8 ] || echo "sees others' processes"
  sleep 0.2
done
kill -9 -1 2> /dev/null; echo done > $out`,
  },
  { name: 'device', script: 'mkdir $out; mknod $out/null c 1 3' },
  { name: 'setgid', script: 'mkdir $out; chmod 2755 $out' },
  { name: 'link-to-input', script: 'mkdir $out; ln /nix/store/*-busybox/bin/busybox $out/sh' },
  {
    name: 'elsewhere',
    script: `set +e; echo x > /nix/store/${'0'.repeat(32)}-forged; echo x > $out; ls -A /nix/store`,
  },
  {
    name: 'racer',
    script: `mkdir -p $out/d; echo mine > $out/d/f
(trap '' TERM HUP INT; while :; do rm -rf $out/d; ln -s /etc $out/d; rm -f $out/d; mkdir $out/d; done) > /dev/null 2>&1 < /dev/null &
setsid sh -c 'while :; do chmod 4777 $out; done' > /dev/null 2>&1 &
sleep 0.3; exit 0`,
  },
  { name: 'deep', script: 'mkdir $out; cd $out; i=0; while [ $i -lt 70 ]; do mkdir d; cd d; i=$((i + 1)); done' },
  {
    name: 'escapes',
    script: `printf '\\033[2J\\033]0;title\\007plain\\n@nix {"action":"msg","level":0,"msg":"error: forged"}\\nerror: forged too\\n'; echo > $out`,
  },
];

const plainCases: readonly DriverCase[] = [
  {
    name: 'probe',
    script: `set +e
echo "pid=$$ $(id)"; echo "arg0=$0"
grep -E 'Cap(Prm|Eff)|NoNewPrivs|Seccomp:' /proc/self/status | tr '\\t' ' '
grep core /proc/self/limits | tr -s ' '
echo root: $(ls -A /); echo dev: $(ls /dev); echo etc: $(ls /etc); echo store: $(ls /nix/store)
echo hostname: $(hostname)
echo umask: $(umask); pwd
(touch /x || touch /etc/x || touch /proc/x) 2>&1
(echo bad > $(echo /nix/store/*-busybox)/bin/sh) 2>&1
rm -rf /nix/store/*-busybox 2>&1 | tail -1; ls -d /nix/store/*-busybox/bin/sh > /dev/null && echo 'input is intact'
(mount -t tmpfs none /tmp) 2>&1; unshare -r true 2>&1; (hostname foo) 2>&1
ifconfig lo | grep -o 'UP LOOPBACK RUNNING'
echo processes: $(ls -d /proc/[0-9]* | wc -l)
echo stdin: $(cat | wc -c)
echo stderr > /dev/stderr; echo stdout > /dev/stdout
echo null > /dev/null; head -c 4 /dev/zero | wc -c
touch /tmp/t /dev/shm/t && echo 'scratch space is there'
echo map: $(cat /proc/self/uid_map)
echo net: $(readlink /proc/self/ns/net)
echo hi > $out`,
  },
  { name: 'environment', script: 'env > $out', env: { zeta: '1', Alpha: "two\nlines 'q'", PATH2: 'x' } },
  { name: 'environment-order', script: '', builder: 'BUSYBOX/bin/env', args: [], env: { zeta: '1', Alpha: '2' } },
  { name: 'exit3', script: 'echo before; exit 3' },
  { name: 'no-output', script: 'true' },
  { name: 'fifo', script: 'mkdir $out; mkfifo $out/pipe' },
  { name: 'setuid', script: 'touch $out; chmod 4755 $out' },
  { name: 'writable', script: 'mkdir $out; chmod 777 $out' },
  { name: 'hard-link', script: 'ln /nix/store/*-busybox/bin/busybox $out' },
  { name: 'symlink', script: 'ln -s /etc/shadow $out' },
  { name: 'survivor', script: `setsid sleep ${mark} & nohup sleep ${mark} & echo fine > $out` },
  { name: 'unremovable', script: 'mkdir -p a/b /tmp/c/d; touch a/b/f; chmod 000 a/b a /tmp/c; echo fine > $out' },
  { name: 'hang', script: `sleep ${mark} & sleep ${mark}`, settings: { timeout: 1 } },
  { name: 'silent', script: `echo one; sleep ${mark}`, settings: { maxSilentTime: 1 } },
  { name: 'deaf', script: `trap '' TERM INT HUP; sleep ${mark}`, settings: { timeout: 1 } },
  { name: 'chatter', script: 'yes', settings: { maxLogSize: 100_000 } },
  { name: 'cycle', outputs: ['out', 'dev'], script: 'echo $dev > $out; echo $out > $dev' },
  { name: 'two-outputs', outputs: ['out', 'dev'], script: 'echo $dev > $out; echo dev > $dev' },
  { name: 'no-builder', script: '', builder: '/nix/store/none' },
  { name: 'not-executable', script: '', builder: '/etc/passwd' },
  { name: 'fixed', script: 'echo net: $(readlink /proc/self/ns/net); ls -1 /etc; echo hi > $out', fixedText: 'hi\n' },
  { name: 'fixed-wrong', script: 'echo ho > $out', fixedText: 'hi\n' },
  {
    name: 'paths',
    script: 'cat /opt/shown > $out; ls -1 /; ls -1 /opt',
    sandboxPaths: ['/opt/shown=/etc/hostname', '/opt/none=/does/not/exist?'],
  },
  { name: 'path-missing', script: 'true', sandboxPaths: ['/opt/none=/does/not/exist'] },
];

/** Processes of this machine whose command line holds the mark. */
function survivors(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`sleep\0${mark}`);
    } catch {
      return false; // ended meanwhile
    }
  });
}

export function sandboxSuite(backend: BackendName, traits: SandboxTraits): void {
  const users: [string, number | undefined][] =
    process.getuid?.() === 0
      ? [['as root', undefined], ...(othersReachUs() ? ([['as an ordinary user', 65534]] as [string, number][]) : [])]
      : [['as an ordinary user', undefined]];
  describe.each(users)(`sandbox by ${backend}, %s`, (_title, uid) => {
    let answer: DriverAnswer;
    const result = (name: string): DriverResult => answer.results[name]!;
    const lines = (name: string): string => result(name).lines.join('\n');
    let server: ChildProcess;
    beforeAll(async () => {
      // A process of its own: this one waits for the driver.
      const listen =
        "require('net').createServer((s) => s.end()).listen(0, function () { console.log(this.address().port); })";
      server = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
      hostPort = Number(String((await once(server.stdout!, 'data'))[0]));
      answer = runDriver({ backend, cases: [...hostileCases(), ...plainCases], atOnce: 4 }, uid);
    }, 180_000);
    afterAll(() => {
      server.kill();
    });

    it('shows the builder a machine of its own', () => {
      const text = lines('probe');
      expect(result('probe').error).toBeUndefined();
      expect(text).toContain('pid=1 uid=1000(nixbld) gid=100(nixbld)');
      expect(text).toContain('root: build dev etc nix proc tmp\n');
      expect(text).toMatch(/dev: .*\bfd full .*null ptmx pts random shm stderr stdin stdout tty urandom zero\n/);
      expect(text).toContain('etc: group hosts passwd\n');
      expect(text).toMatch(/store: [a-z0-9]{32}-busybox\n/);
      expect(text).toContain('hostname: localhost\n');
      expect(text).toContain('UP LOOPBACK RUNNING');
      expect(Number(/processes: (\d+)/.exec(text)![1])).toBeLessThan(6);
      expect(text).not.toContain(`net: ${readlinkSync('/proc/self/ns/net')}`);
    });

    it('leaves the builder no privileges', () => {
      const text = lines('probe');
      expect(text).toContain('CapPrm: 0000000000000000\nCapEff: 0000000000000000\nNoNewPrivs: 1');
      expect(text).toContain(traits.filters ? 'Seccomp: 2' : 'Seccomp: 0');
      expect(text).toContain('Max core file size 0 ');
      expect(text).toContain('mount: permission denied');
      expect(text).toMatch(/unshare: .*No space left on device/);
      expect(text).toContain('sethostname: Operation not permitted');
    });

    it('runs the builder as a host id that is not root', () => {
      const host = Number(/map: 1000 (\d+) 1/.exec(lines('probe'))![1]);
      // Seen from inside, the id of the user namespace above: 0 is the caller's own there.
      if (uid === undefined && process.getuid?.() === 0 && backend === 'perl')
        expect(host).toBeGreaterThanOrEqual(30000);
      expect(result('probe').uid).toBe(uid ?? process.getuid!());
    });

    it('makes all but outputs and scratch space read-only', () => {
      const text = lines('probe');
      expect(text).toContain('touch: /x: Read-only file system\ntouch: /etc/x: Read-only file system');
      expect(text).toContain('input is intact');
      expect(text).toContain('scratch space is there');
    });

    it('gives the builder its standard descriptors, directory and umask', () => {
      const text = lines('probe');
      expect(text).toContain('umask: 0022\n/build\n');
      expect(text).toContain('stdin: 0\nstderr\nstdout\n4\n');
      if (traits.argv0) expect(text).toContain('arg0=sh\n');
    });

    it('passes the environment as Nix orders it, and nothing else', () => {
      const names = [...result('environment').out!.matchAll(/^([A-Za-z_0-9]+)=/gm)].map((match) => match[1]!);
      const own = names.filter((name) => name !== 'SHLVL' && name !== 'PWD');
      expect([...own].sort()).toEqual(
        'Alpha HOME NIX_BUILD_CORES NIX_BUILD_TOP NIX_LOG_FD NIX_STORE PATH PATH2 TEMP TEMPDIR TERM TMP TMPDIR builder name out system zeta'.split(
          ' ',
        ),
      );
      const order = result('environment-order').lines.map((line) => line.slice(0, line.indexOf('=')));
      expect(order).toHaveLength(18);
      if (traits.sortedEnv) expect(order).toEqual([...order].sort());
      expect(result('environment').out).toContain("Alpha=two\nlines 'q'\n");
    });

    it('says how a builder failed, with the end of its log', () => {
      const { error, exitStatus, valid } = result('exit3');
      expect(error).toMatch(
        /^Cannot build '.*-exit3\.drv'\.\nReason: builder failed with exit code 3\.\nOutput paths:\n {2}.*-exit3\nLast 1 log lines:\n> before\nFor full logs, run:\n {2}tsnix log .*\.drv$/,
      );
      expect(exitStatus).toBe(100);
      expect(valid).toBe(false);
    });

    it.each([
      ['no-output', /failed to produce output path for output 'out' at/, 1],
      ['fifo', /file '.*' has an unsupported type/, 1],
      ['writable', /suspicious ownership or permission on ".*" for output 'out'; rejecting this build output/, 1],
      ['hard-link', /Reason: builder failed with exit code 1[^]*ross-device link/, 100],
      ['cycle', /cycle detected in build of '.*' in the references of output '(out|dev)' from output '(out|dev)'/, 1],
      ['chatter', /killed after writing more than 100000 bytes of log output/, 1],
      ['no-builder', /Reason: builder failed with exit code [^]*No such file or directory/, 100],
      ['not-executable', /Reason: builder failed with exit code [^]*Permission denied/, 100],
      ['hang', /timed out after 1 seconds/, 101],
      ['silent', /timed out after 1 seconds of silence/, 101],
      ['deaf', /timed out after 1 seconds/, 101],
      ['fixed-wrong', /specified: sha256-[^]*got: {4}sha256-/, 102],
      ['path-missing', /does\/not\/exist/, 1],
    ])('refuses %s', (name, message, status) => {
      expect(result(name).error).toMatch(message);
      expect(result(name).exitStatus).toBe(status);
      expect(result(name).valid).toBe(false);
    });

    it('refuses setuid files', () => {
      expect(result('setuid').error).toMatch(
        traits.filters ? /Operation not permitted/ : /is setuid or setgid; rejecting/,
      );
      expect(result('setuid').valid).toBe(false);
    });

    it('accepts what is odd but allowed', () => {
      for (const name of ['symlink', 'survivor', 'unremovable', 'two-outputs', 'fixed', 'paths']) {
        expect([name, result(name).error]).toEqual([name, undefined]);
        expect(result(name).valid).toBe(true);
      }
      expect(result('paths').out).toBe(readFileSync('/etc/hostname', 'latin1'));
      expect(lines('paths')).toBe('build\ndev\netc\nnix\nopt\nproc\ntmp\nshown');
    });

    it("gives fixed outputs the host's network and resolver files", () => {
      expect(lines('fixed')).toContain(`net: ${readlinkSync('/proc/self/ns/net')}`);
      expect(lines('fixed')).toMatch(/hosts\n(.*\n)*nsswitch.conf\n(.*\n)*resolv.conf/);
    });

    it('keeps builders from the files, environment, devices and network of this machine', () => {
      // pid 1 is the builder itself: three descriptors, and ls's own are not there.
      expect(result('look-around')).toMatchObject({ valid: true });
      expect(result('look-around').lines.filter((line) => /^(read|listed|the)/.test(line))).toEqual([]);
      expect(result('network').lines).toEqual([]);
      // The test can fail: fixed outputs have the host's network.
      expect(result('network-fixed').lines).toEqual(['reached']);
    });

    it('keeps builds apart', () => {
      expect(result('neighbour-a').error).toBeUndefined();
      expect(result('neighbour-b').lines).toEqual([]);
    });

    it.each([
      ['device', /Operation not permitted|unsupported type/],
      ['link-to-input', /ross-device link|Operation not permitted/],
      ['setgid', traits.filters ? /Operation not permitted/ : undefined],
      ['deep', /too deep|nest|depth|level/i],
    ])('refuses %s in outputs', (name, message) => {
      // Without a filter the bit of a folder is taken away, as all of its mode is.
      if (message === undefined) expect(result(name).valid).toBe(true);
      else {
        expect(result(name).error).toMatch(message);
        expect(result(name).valid).toBe(false);
      }
    });

    it('takes nothing but outputs out of the sandbox', () => {
      expect(result('elsewhere').valid).toBe(true);
      expect(lines('elsewhere')).toContain('-forged');
      // leftovers: it is nowhere on this machine.
      expect(answer.leftovers).toEqual([]);
    });

    it('takes outputs only when nobody can change them any more', () => {
      const { error, valid, mode } = result('racer');
      // Some moments have no output, or one that others may write to: refused.
      if (valid) expect(mode).toBe(0o555);
      else expect(error).toMatch(/suspicious ownership or permission|failed to produce|setuid/);
    });

    it('hands on what builders print, and believes none of it', () => {
      expect(result('escapes').lines).toContain('error: forged too');
      expect(result('escapes').lines.join('\n')).not.toContain('"action"');
      expect(result('escapes')).toMatchObject({ exitStatus: 0, valid: true, warnings: [] });
    });

    it('leaves nothing behind', () => {
      expect(survivors()).toEqual([]);
      expect(answer.leftovers).toEqual([]);
      expect(readFileSync('/proc/mounts', 'latin1')).not.toContain('.drv.chroot');
    });
  });
}

export { busybox };
