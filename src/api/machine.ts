// The door between the library and the machine: platform.ts has it for Node, src/browser/platform.ts for browsers.
import type { EvalIo } from '../eval/io.ts';

export interface MachineOptions {
  readonly system: string;
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
  readonly store?: string;
  readonly storeDir?: string;
  readonly currentTime?: number;
  readonly restrict?: { readonly pure: boolean; readonly allowed: readonly string[] };
}

export interface MachineIo {
  readonly io: EvalIo;
  /** Writes what is pending in the store. */
  readonly flush?: () => void;
  readonly close?: () => Promise<void>;
}
