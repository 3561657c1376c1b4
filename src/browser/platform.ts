// In the place of src/api/platform.ts where there is no Node: no files but those that `files` gives, no store.
import { MemoryEvalIo } from '../eval/memory-io.ts';
import type { MachineIo, MachineOptions } from '../api/machine.ts';

export function machineIo({ store, restrict: _restrict, ...options }: MachineOptions): MachineIo {
  if (store !== undefined) throw new TypeError("'store' needs Node");
  return { io: new MemoryEvalIo(options) };
}

export function currentFolder(): string {
  return '/';
}

/** How much there is, or is in use, is not known here. */
export function memoryCheck(_max: number | undefined): null {
  return null;
}
