// Builders that try what namespaces alone do not keep apart: with the real tools, against the real kernel.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { Workplace } from '../support/cli.ts';
import { describeWith } from '../support/requirements.ts';

const probe = `
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
out = os.environ["out"]
open(out, "w").close()
def call(name, *args):
    result = libc.syscall(*[ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args])
    print(name, "done" if result >= 0 else errno.errorcode[ctypes.get_errno()])
call("setxattr", 188, out.encode(), b"user.x", b"value", 5, 0)
call("io_uring", 425, 4, ctypes.create_string_buffer(200))
call("request_key", 249, b"user", b"tsnix-test", 0, 0)
call("keyctl", 250, 6, -3, ctypes.create_string_buffer(200), 200)
try:
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    print("vsock done")
except OSError as error:
    print("vsock", errno.errorcode[error.errno])
print("keys", len(open("/proc/keys").read()) if os.path.exists("/proc/keys") else 0)
`;
/** Runs a command with a key in its session keyring. */
const withKey = `
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.syscall(250, 1, 0)
assert libc.syscall(248, b"user", b"tsnix-test", b"secret", 6, -3) > 0
os.execvp(sys.argv[1], sys.argv[1:])
`;
const handsOut = `
import os, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0" + os.environ["socketName"])
listener.listen()
listener.settimeout(30)
out = open(os.environ["out"], "w+")
out.write("good\\n")
out.flush()
socket.send_fds(listener.accept()[0], [b"x"], [out.fileno()])
`;
/** Takes a descriptor, and writes to it when its standard input ends. */
const takes = `
import os, socket, sys, time
for attempt in range(600):
    try:
        line = socket.socket(socket.AF_UNIX)
        line.connect("\\0" + sys.argv[1])
        break
    except OSError:
        time.sleep(0.05)
fds = socket.recv_fds(line, 1, 1)[1]
print("taken", flush=True)
sys.stdin.read()
print("written", os.pwrite(fds[0], b"evil\\n", 0), flush=True)
`;

/** A mode that no chmod sets. */
const leavesSetuid = `
import os
os.umask(0)
os.close(os.open("setuid", os.O_CREAT | os.O_WRONLY, 0o4755))
os.makedirs("closed/below")
os.close(os.open("closed/below/setgid", os.O_CREAT | os.O_WRONLY, 0o2755))
os.symlink("/etc/shadow", "link")
os.chmod("closed", 0)
print(oct(os.stat("setuid").st_mode))
raise SystemExit(1)
`;

const name = `tsnix-test-${String(process.pid)}`;
const visible = ['--option', 'sandbox-paths', ['/usr', '/lib', '/lib64'].filter(existsSync).join(' ')];

describeWith(['python3', ...(process.arch === 'x64' ? [] : ['an x86_64 machine'])], 'a hostile builder', () => {
  const work = new Workplace({
    'probe.py': probe,
    'hands-out.py': handsOut,
    'with-key.py': withKey,
    'leaves-setuid.py': leavesSetuid,
    'default.nix': `
      let mk = name: more: derivation ({ inherit name; system = builtins.currentSystem; builder = "/usr/bin/python3"; } // more);
      in {
        leaves = mk "leaves" { args = [ ./leaves-setuid.py ]; };
        probe = mk "probe" { args = [ ./probe.py ]; };
        handsOut = mk "hands-out" {
          args = [ ./hands-out.py ]; socketName = "${name}";
          outputHashAlgo = "sha256"; outputHashMode = "flat"; outputHash = builtins.hashString "sha256" "good\\n";
        };
      }`,
  });
  afterAll(() => {
    work.close();
  });

  it('finds no keys of its caller, no io_uring, no sockets to other machines', async () => {
    const { status, stderr } = await work.run(['nix-build', '-A', 'probe', '--no-out-link', ...visible], {
      through: ['python3', 'with-key.py'],
    });
    expect(status, stderr).toBe(0);
    const lines = stderr.split('\n').filter((line) => /^(setxattr|io_uring|request_key|keyctl|vsock|keys) /.test(line));
    expect(lines).toEqual([
      'setxattr ENOTSUP',
      'io_uring ENOSYS',
      'request_key ENOSYS',
      'keyctl ENOSYS',
      'vsock EAFNOSUPPORT',
      'keys 0',
    ]);
  });

  it('can hand out a descriptor of its output, which then is of no use', async () => {
    const thief = spawn('python3', ['-c', takes, name], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: thief.stdout });
    const taken = once(lines, 'line');
    const { status, stdout, stderr } = await work.run(['nix-build', '-A', 'handsOut', '--no-out-link', ...visible]);
    expect(status, stderr).toBe(0);
    expect(await taken).toEqual(['taken']);
    const written = once(lines, 'line');
    thief.stdin.end();
    expect(await written).toEqual(['written 5']);
    expect(readFileSync(work.real(stdout.trim()), 'utf8')).toBe('good\n');
    expect((await work.run(['--verify', '--check-contents'], { name: 'nix-store' })).status).toBe(0);
  });

  it('lends nobody its id, or ours, by what it leaves in a kept build directory', async () => {
    const before = statSync('/etc/shadow');
    const { stderr } = await work.run(['nix-build', '-A', 'leaves', '--no-out-link', '--keep-failed', ...visible]);
    // The kernel has let it.
    expect(stderr).toContain('0o104755');
    const kept = /keeping build directory "(.*)"/.exec(stderr)![1]!;
    const modes = Object.fromEntries(
      ['.', 'setuid', 'closed/below/setgid', 'link'].map((file) => {
        const { mode, uid } = lstatSync(join(kept, file));
        return [file, [mode & 0o7777, uid]];
      }),
    );
    const us = process.geteuid!();
    expect(modes).toEqual({
      '.': [0o755, us],
      setuid: [0o755, us],
      'closed/below/setgid': [0o755, us],
      link: [0o777, us],
    });
    expect(statSync('/etc/shadow')).toMatchObject({ uid: before.uid, gid: before.gid, mode: before.mode });
  });

  it('reads no file of the machine by way of builders that are part of the program', async () => {
    const secret = work.write('../secret', 'secret\n');
    const expression = `derivation {
      name = "secret"; system = builtins.currentSystem; builder = "builtin:fetchurl"; url = "file://${secret}";
      outputHashAlgo = "sha256"; outputHashMode = "flat"; outputHash = builtins.hashString "sha256" "secret\n";
    }`;
    const { status, stderr } = await work.run(['nix-build', '--no-out-link', '-E', expression]);
    expect([status, stderr]).toEqual([1, expect.stringContaining('it is not in the sandbox')]);
  });
});
