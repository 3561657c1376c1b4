// An installed package makes its start-up snapshot itself, in the background of the first command that had none:
// `node make-snapshot.cjs FOLDER`, FOLDER being named after the program and the Node (bin/tsnix). The folder stays where
// none could be made, so that there is one try.
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOwnFolder } from '../src/cli/cache/own-files.ts';
import { makeSnapshot } from './snapshot.ts';

/** So many programs and Nodes have a snapshot; the oldest ones go. */
const KEPT = 4;

const dist = dirname(fileURLToPath(import.meta.url));
const [, , dir = ''] = process.argv;
const parent = dirname(dir);

function removeOld(): void {
  const others = readdirSync(parent)
    .filter((name) => name !== basename(dir))
    .map((name) => ({ name, time: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { name } of others.slice(KEPT - 1)) rmSync(join(parent, name), { recursive: true, force: true });
}

if (isOwnFolder(parent, true)) {
  setPriority(10);
  mkdirSync(dir, { mode: 0o700 }); // fails where another process is at it
  makeSnapshot(process.execPath, dist, join(dist, 'snapshot-sample.nix'), join(dir, 'tsnix.blob'));
  removeOld();
}
