// What a machine says of a build that it was asked for.
import { NixError, StoreError } from '../../util/errors.ts';
import { parseStorePath } from '../store-path.ts';
import type { StorePath } from '../store.ts';
import { maxItems, type Wire } from './wire.ts';

export interface RemoteBuildSettings {
  /** Seconds; 0: none. */
  readonly maxSilentTime: number;
  readonly timeout: number;
  /** Bytes; 0: any. */
  readonly maxLogSize: number;
  readonly keepFailed: boolean;
}

export interface RemoteBuildResult {
  /** Nix's numbers: 0 built, 1 substituted, 2 already valid, others are failures. */
  readonly status: number;
  readonly message: string;
  /** What outputs came to be, where the machine says. */
  readonly outputs: ReadonlyMap<string, StorePath>;
}

/** Names and realisations (JSON) of outputs. @throws StoreError */
export function readBuiltOutputs(from: Wire, storeDir: string): Map<string, StorePath> {
  const outputs = new Map<string, StorePath>();
  const count = from.readNumber();
  if (count > maxItems) throw new StoreError('a machine names too many outputs');
  for (let left = count; left > 0; left--) {
    const id = from.readString();
    const path = outPathOf(from.readString());
    outputs.set(id.slice(id.indexOf('!') + 1), parseStorePath(`${storeDir}/${path}`, storeDir));
  }
  return outputs;
}

function outPathOf(realisation: string): string {
  try {
    const { outPath } = JSON.parse(realisation) as { outPath?: unknown };
    if (typeof outPath === 'string') return outPath;
  } catch (error) {
    if (error instanceof NixError) throw error;
  }
  throw new StoreError('a machine describes an output that it built in an unknown form');
}
