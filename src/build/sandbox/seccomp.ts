// The system call filter of a build, as a classic BPF program (struct sock_filter[], native byte order): what Nix
// forbids. Setting a setuid or setgid bit is EPERM; extended attributes are ENOTSUP (a NAR can't hold them). More than
// Nix: what no namespace keeps apart. Keyrings (a builder inherits its caller's session keyring, with passwords of
// network file systems in it) and io_uring (which sets extended attributes past this filter) are as if the kernel had
// none; sockets to the hypervisor and its other guests (vsock) are EAFNOSUPPORT.
// Written by hand for the ABIs that a machine can run; any other ABI gets ENOSYS.
// Facts: Nix, libstore/linux/build/linux-derivation-builder.cc; numbers from the kernel's syscall tables.
import { arch } from 'node:os';

interface Abi {
  /** AUDIT_ARCH_*. */
  readonly audit: number;
  /** Bits to ignore in the number (x32 is x86_64 with one bit set). */
  readonly ignore?: number;
  readonly chmod?: number;
  readonly fchmod: number;
  readonly fchmodat: number;
  /** setxattr … flistxattr: one unbroken range in every table. */
  readonly xattrFirst: number;
  readonly xattrLast: number;
  /** add_key, request_key, keyctl: the same. */
  readonly keysFirst: number;
  readonly socket: number;
  /** One call for all of them, of old, whose arguments lie where no filter looks. */
  readonly socketcall?: number;
}

const x86_64: Abi = {
  audit: 0xc000003e,
  ignore: 0x40000000,
  chmod: 90,
  fchmod: 91,
  fchmodat: 268,
  xattrFirst: 188,
  xattrLast: 196,
  keysFirst: 248,
  socket: 41,
};
const i386: Abi = {
  audit: 0x40000003,
  chmod: 15,
  fchmod: 94,
  fchmodat: 306,
  xattrFirst: 226,
  xattrLast: 234,
  keysFirst: 286,
  socket: 359,
  socketcall: 102,
};
const aarch64: Abi = {
  audit: 0xc00000b7,
  fchmod: 52,
  fchmodat: 53,
  xattrFirst: 5,
  xattrLast: 13,
  keysFirst: 217,
  socket: 198,
};
const arm: Abi = {
  audit: 0x40000028,
  chmod: 15,
  fchmod: 94,
  fchmodat: 333,
  xattrFirst: 226,
  xattrLast: 234,
  keysFirst: 309,
  socket: 281,
};

// The same in every table.
const fchmodat2 = 452;
/** setxattrat, getxattrat, listxattrat. */
const xattratFirst = 463;
const xattratLast = 465;
const ioUringSetup = 425;
const AF_VSOCK = 40;
/** What socketcall() is told for socket(). */
const SYS_SOCKET = 1;

const loadWord = 0x20;
const andConstant = 0x54;
const jumpEqual = 0x15;
const jumpGreaterOrEqual = 0x35;
const jumpGreater = 0x25;
const jumpSet = 0x45;
const jumpAlways = 0x05;
const returnConstant = 0x06;

const allow = 0x7fff0000;
const failWith = (errno: number): number => 0x00050000 | errno;
const EPERM = 1;
const ENOSYS = 38;
const ENOTSUP = 95;
const EAFNOSUPPORT = 97;

/** Offsets in struct seccomp_data (little-endian machines: the low word of an argument comes first). */
const numberOffset = 0;
const archOffset = 4;
const argumentOffset = (index: number): number => 16 + 8 * index;

/** [code, jump if true, jump if false, constant] */
type Instruction = readonly [number, number, number, number];

function rules(abi: Abi): Instruction[] {
  const out: Instruction[] = [[loadWord, 0, 0, numberOffset]];
  if (abi.ignore !== undefined) out.push([andConstant, 0, 0, ~abi.ignore >>> 0]);
  const range = (first: number, last: number, errno: number): void => {
    out.push([jumpGreaterOrEqual, 0, 2, first], [jumpGreater, 1, 0, last], [returnConstant, 0, 0, failWith(errno)]);
  };
  /** Fails where an argument passes a test. */
  const where = (number: number, argument: number, test: number, value: number, errno: number): void => {
    out.push(
      [jumpEqual, 0, 4, number],
      [loadWord, 0, 0, argumentOffset(argument)],
      [test, 0, 1, value],
      [returnConstant, 0, 0, failWith(errno)],
      [returnConstant, 0, 0, allow],
    );
  };
  const mode = (number: number, argument: number): void => {
    where(number, argument, jumpSet, 0o6000, EPERM);
  };
  range(abi.xattrFirst, abi.xattrLast, ENOTSUP);
  range(xattratFirst, xattratLast, ENOTSUP);
  range(abi.keysFirst, abi.keysFirst + 2, ENOSYS);
  range(ioUringSetup, ioUringSetup, ENOSYS);
  where(abi.socket, 0, jumpEqual, AF_VSOCK, EAFNOSUPPORT);
  if (abi.socketcall !== undefined) where(abi.socketcall, 0, jumpEqual, SYS_SOCKET, EAFNOSUPPORT);
  if (abi.chmod !== undefined) mode(abi.chmod, 1);
  mode(abi.fchmod, 1);
  mode(abi.fchmodat, 2);
  mode(fchmodat2, 2);
  out.push([returnConstant, 0, 0, allow]);
  return out;
}

/**
 * The filter for this machine, or undefined for a processor we have no table of.
 * @param machine as `os.arch()`
 */
export function seccompFilter(machine: string = arch()): Buffer | undefined {
  const abis = machine === 'x64' ? [x86_64, i386] : machine === 'arm64' ? [aarch64, arm] : undefined;
  if (abis === undefined) return undefined;
  const program: Instruction[] = [[loadWord, 0, 0, archOffset]];
  for (const abi of abis) {
    const body = rules(abi);
    // The body is longer than a conditional jump may be for comfort: jump over it by an unconditional one.
    program.push([jumpEqual, 1, 0, abi.audit], [jumpAlways, 0, 0, body.length], ...body);
  }
  program.push([returnConstant, 0, 0, failWith(ENOSYS)]);
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, jumpTrue, jumpFalse, constant], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(constant >>> 0, index * 8 + 4);
  });
  return bytes;
}
