// builtin:tsnix-references (writeReferencesToFile, writeClosure, writeDirectReferencesToFile): paths that a path refers
// to, one a line, sorted.
import { writeFile } from 'node:fs/promises';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { exportedRoots, sortedClosure } from './graph.ts';

/** `exportReferencesGraph`: the paths; `direct`: not empty for the references themselves instead of the closure. */
export async function references(job: BuiltinJob): Promise<void> {
  const roots = exportedRoots(job);
  const paths = sortedClosure(job.store, roots)
    .filter(({ path }) => (job.env.get('direct') ?? '') === '' || roots.includes(path))
    .flatMap((info) => ((job.env.get('direct') ?? '') === '' ? [info.path] : info.references));
  const lines = [...new Set(paths)].sort();
  await writeFile(fsPath(job.outputs.get('out')!), lines.map((path) => `${path}\n`).join(''), 'latin1');
}
