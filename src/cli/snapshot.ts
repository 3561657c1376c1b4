// Entry of the start-up snapshot: Node runs this once, when the program is bundled, and keeps the heap. What is loaded
// and warmed here is there at once in every run. Nothing of the machine or the user may stay in the heap.
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startupSnapshot } from 'node:v8';
import { setPackageRoot } from '../util/program-files.ts';
import { startQuickAnswer } from './cache/quick-answer.ts';
import { closeParts, openParts } from './parts.ts';
import { run } from './run.ts';
import { setSelfEnvironment } from './self.ts';
import { warm } from './warm.ts';

/** The name of the file of parts. */
declare const TSNIX_PARTS: string;

// Modules of Node that most commands use, and that are costly to load. node:sqlite cannot be in a snapshot;
// node:child_process costs every start more than it saves those that build.
for (const name of ['node:crypto', 'node:worker_threads', 'node:vm']) process.getBuiltinModule(name);

/**
 * @param dist the folder of the program's files
 * @param code see `openParts`
 * @returns the descriptor
 */
function openPartsIn(dist: string, code?: string): number {
  return openParts(join(dist, TSNIX_PARTS), pathToFileURL(join(dist, 'tsnix.cjs')).href, code);
}

/** Beside the snapshot that this process came from: `….code` for `….blob`. */
function codeFile(): string | undefined {
  const blob = process.execArgv[process.execArgv.indexOf('--snapshot-blob') + 1];
  return blob?.endsWith('.blob') === true ? `${blob.slice(0, -'.blob'.length)}.code` : undefined;
}

async function main(): Promise<void> {
  // From bin/tsnix, for this process alone.
  const { TSNIX_TUNABLES, GLIBC_TUNABLES } = process.env;
  if (TSNIX_TUNABLES !== undefined) {
    setSelfEnvironment({ TSNIX_TUNABLES, GLIBC_TUNABLES });
    delete process.env['TSNIX_TUNABLES'];
    delete process.env['GLIBC_TUNABLES'];
  }
  const quick = process.env['TSNIX_QUICK'];
  delete process.env['TSNIX_QUICK'];
  const dist = dirname(process.argv[1]!);
  const parts = openPartsIn(dist, codeFile());
  setPackageRoot(dirname(dist));
  if (quick !== undefined) startQuickAnswer(quick, { fd: parts, path: join(dist, TSNIX_PARTS) });
  const status = await run(process.argv.slice(2));
  // Where nothing is left to wait for, Node need not take its heap down before it ends.
  if (process.getActiveResourcesInfo().length === 0) process.exit(status);
  process.exitCode = status;
}

openPartsIn(__dirname);
void warm().then(() => {
  closeParts();
  startupSnapshot.setDeserializeMainFunction(() => void main());
});
