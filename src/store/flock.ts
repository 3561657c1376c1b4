// flock(2) called from this very process, by Node's foreign function interface, where this Node has one (26 and later, as
// an experiment). Where it has none, or one of another shape, locks.ts has helper processes lock.

/** The part of `node:ffi` that we use; the types of Node that we compile with are older. */
interface ForeignFunctions {
  dlopen(
    library: string | null,
    signatures: Readonly<Record<string, { readonly arguments: readonly string[]; readonly return: string }>>,
  ): { readonly functions: Readonly<Record<string, (...args: number[]) => unknown>> };
}

type Flock = (fd: number, operation: number) => unknown;

const unlock = 8;

let known: Flock | null | undefined;

function find(): Flock | undefined {
  // Loading it warns of an experiment, which is nothing to users of ours.
  const warn = Object.getOwnPropertyDescriptor(process, 'emitWarning')!;
  process.emitWarning = () => undefined;
  try {
    const ffi = process.getBuiltinModule('node:ffi') as unknown as ForeignFunctions | undefined;
    const flock = ffi?.dlopen(null, { flock: { arguments: ['i32', 'i32'], return: 'i32' } }).functions['flock'];
    // No such descriptor: whatever else says anything but -1 has understood the signature otherwise.
    return flock?.(-1, unlock) === -1 ? flock : undefined;
  } catch {
    return undefined; // refused (Node's permission model), or another interface
  } finally {
    Object.defineProperty(process, 'emitWarning', warn);
  }
}

/** Whether flockHere() can lock anything. */
export function canFlockHere(): boolean {
  if (known === undefined) known = find() ?? null;
  return known !== null;
}

/**
 * One system call that does not wait.
 * @param operation flock()'s, with LOCK_NB
 * @returns true: locked. false says nothing: another may hold it, it failed, or this Node can't call it
 */
export function flockHere(fd: number, operation: number): boolean {
  return canFlockHere() && known!(fd, operation) === 0;
}
