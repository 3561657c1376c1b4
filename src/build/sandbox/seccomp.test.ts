import { describe, expect, it } from 'vitest';
import { seccompFilter } from './seccomp.ts';

/** Runs the filter on one system call, as the kernel would; returns its verdict. */
function run(filter: Buffer, audit: number, number: number, args: readonly number[]): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  args.forEach((arg, index) => data.writeUInt32LE(arg, 16 + 8 * index));
  let a = 0;
  for (let pc = 0; ; pc++) {
    const code = filter.readUInt16LE(pc * 8);
    const [jumpTrue, jumpFalse] = [filter[pc * 8 + 2]!, filter[pc * 8 + 3]!];
    const k = filter.readUInt32LE(pc * 8 + 4);
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) pc += k;
    else if (code === 0x06) return k;
    else {
      const holds = { 0x15: a === k, 0x35: a >= k, 0x25: a > k, 0x45: (a & k) !== 0 }[code];
      if (holds === undefined) throw new Error(`unknown instruction ${code}`);
      pc += holds ? jumpTrue : jumpFalse;
    }
  }
}

const allow = 0x7fff0000;
const errno = (number: number): number => 0x00050000 | number;

describe('seccompFilter()', () => {
  it.each([
    [
      'x64',
      0xc000003e,
      {
        chmod: 90,
        fchmod: 91,
        fchmodat: 268,
        setxattr: 188,
        flistxattr: 196,
        removexattr: 197,
        read: 0,
        add_key: 248,
        keyctl: 250,
        after: 251,
        socket: 41,
      },
    ],
    [
      'x64',
      0x40000003,
      {
        chmod: 15,
        fchmod: 94,
        fchmodat: 306,
        setxattr: 226,
        flistxattr: 234,
        removexattr: 235,
        read: 3,
        add_key: 286,
        keyctl: 288,
        after: 289,
        socket: 359,
      },
    ],
    ['arm64', 0xc00000b7, { fchmod: 52, fchmodat: 53, setxattr: 5, flistxattr: 13, removexattr: 14, read: 63 }],
    [
      'arm64',
      0x40000028,
      { chmod: 15, fchmod: 94, fchmodat: 333, setxattr: 226, flistxattr: 234, removexattr: 235, read: 3 },
    ],
  ])('forbids what Nix forbids, on %s, ABI %i', (machine, audit, calls: Record<string, number>) => {
    const filter = seccompFilter(machine)!;
    const verdict = (name: string, args: readonly number[]): number => run(filter, audit, calls[name]!, args);
    for (const mode of [0o4755, 0o2755, 0o6000]) {
      if (calls['chmod'] !== undefined) expect(verdict('chmod', [0, mode])).toBe(errno(1));
      expect(verdict('fchmod', [0, mode])).toBe(errno(1));
      expect(verdict('fchmodat', [0, 0, mode])).toBe(errno(1));
      expect(run(filter, audit, 452, [0, 0, mode])).toBe(errno(1));
    }
    expect(verdict('fchmod', [0, 0o1755])).toBe(allow);
    expect(verdict('fchmodat', [0, 0o4000, 0o755])).toBe(allow);
    for (const name of ['setxattr', 'flistxattr']) expect(verdict(name, [])).toBe(errno(95));
    expect(verdict('removexattr', [])).toBe(allow);
    expect(run(filter, audit, 463, [])).toBe(errno(95));
    expect(verdict('read', [])).toBe(allow);
  });

  it.each([
    ['x64', 0xc000003e, { add_key: 248, keyctl: 250, after: 251, socket: 41 }],
    ['x64', 0x40000003, { add_key: 286, keyctl: 288, after: 289, socket: 359 }],
    ['arm64', 0xc00000b7, { add_key: 217, keyctl: 219, after: 220, socket: 198 }],
    ['arm64', 0x40000028, { add_key: 309, keyctl: 311, after: 312, socket: 281 }],
  ])('forbids what no namespace keeps apart, on %s, ABI %i', (machine, audit, calls) => {
    const filter = seccompFilter(machine)!;
    for (const number of [calls.add_key, calls.add_key + 1, calls.keyctl, 425])
      expect(run(filter, audit, number, [])).toBe(errno(38));
    for (const number of [calls.add_key - 1, calls.after, 424, 426]) expect(run(filter, audit, number, [])).toBe(allow);
    // AF_VSOCK; others, AF_UNIX and AF_INET6 among them, are the namespace's.
    expect(run(filter, audit, calls.socket, [40, 1, 0])).toBe(errno(97));
    for (const family of [1, 2, 10, 16]) expect(run(filter, audit, calls.socket, [family, 1, 0])).toBe(allow);
    if (audit === 0x40000003) {
      expect(run(filter, audit, 102, [1])).toBe(errno(97));
      expect(run(filter, audit, 102, [8])).toBe(allow);
    }
  });

  it('treats x32 calls as those of x86_64, and knows no other ABI', () => {
    const filter = seccompFilter('x64')!;
    expect(run(filter, 0xc000003e, 0x40000000 + 90, [0, 0o4755])).toBe(errno(1));
    expect(run(filter, 0xc00000b7, 63, [])).toBe(errno(38));
  });

  it('has none for other processors', () => {
    expect(seccompFilter('s390x')).toBeUndefined();
  });
});
