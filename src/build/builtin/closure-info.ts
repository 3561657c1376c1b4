// builtin:tsnix-closure-info (closureInfo): what another store needs to know of a closure. `registration` is for
// `nix-store --load-db`, `store-paths` lists the paths, `total-nar-size` is their sum in bytes.
import { mkdir, writeFile } from 'node:fs/promises';
import { fsPath } from '../../util/bytes.ts';
import { printDigest } from '../../store/hash.ts';
import type { PathInfo } from '../../store/store.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { exportedRoots, sortedClosure } from './graph.ts';

/** Path, hash and size of the NAR, no deriver, number of references, references; each on a line. */
function registration(info: PathInfo): string {
  const lines = [
    info.path,
    `sha256:${printDigest(info.narHash, 'nix32')}`,
    String(info.narSize),
    '',
    String(info.references.length),
    ...info.references,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** `exportReferencesGraph`: the root paths; out: a directory with the three files. */
export async function closureInfo(job: BuiltinJob): Promise<void> {
  const out = job.outputs.get('out')!;
  const closure = sortedClosure(job.store, exportedRoots(job));
  const totalBytes = closure.reduce((sum, { narSize }) => sum + narSize, 0);
  await mkdir(fsPath(out));
  await writeFile(fsPath(`${out}/total-nar-size`), `${totalBytes}\n`);
  await writeFile(fsPath(`${out}/registration`), closure.map(registration).join(''), 'latin1');
  await writeFile(fsPath(`${out}/store-paths`), closure.map(({ path }) => `${path}\n`).join(''), 'latin1');
}
