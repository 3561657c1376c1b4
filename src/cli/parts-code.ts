// Compiles all parts (parts.ts) whole, and writes what V8 makes of them: `tsnix parts-code FILE`. scripts/snapshot.ts runs
// this from the start-up snapshot that the code is for, with the flags of bin/tsnix, once.
import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { allParts, partScript, partsName, settleFlags } from './parts.ts';

export function partsCode([path]: readonly string[]): Promise<number> {
  settleFlags();
  const codes = new Map(allParts().map((id) => [id, compile(id)]));
  codes.set(partsName(), Buffer.alloc(0)); // what it is the code of
  // V8 does not look for damage.
  writeFileSync(path!, indexed(codes), { flush: true });
  return Promise.resolve(0);
}

/** With all functions in it, also those that the part does not call while it is loaded. */
function compile(id: string): Buffer {
  setFlagsFromString('--no-lazy');
  try {
    const script = partScript(id);
    setFlagsFromString('--lazy'); // V8 notes the flags in what it makes
    return script.createCachedData();
  } finally {
    setFlagsFromString('--lazy');
  }
}

function indexed(codes: ReadonlyMap<string, Buffer>): Buffer {
  const indexFrom = (start: number): string => {
    let at = start;
    const entries = [...codes].map(([id, code]) => [id, [(at += code.length) - code.length, code.length]]);
    return JSON.stringify(Object.fromEntries(entries));
  };
  // As in scripts/parts.ts.
  const room = indexFrom(1e8).length;
  const head = String(room).padStart(8) + indexFrom(8 + room).padEnd(room);
  return Buffer.concat([Buffer.from(head, 'latin1'), ...codes.values()]);
}
