// npm run bench -- docker-tools SEED: the native dockerTools against the original (SEED is its folder), run by the same
// tsnix, and a closure of 1 GB in 100 layers; each once more after one small store path has changed. What the images are
// made of is in the store before. Seconds of wall and CPU time, peak memory of the largest process.
//   --mb N     size of the large closure (default 1000)
//   --only X   only images whose names begin with X (`small`, `large.gzip` …)
import { spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from './measure.ts';

const { values, positionals } = parseArgs({
  options: { mb: { type: 'string', default: '1000' }, only: { type: 'string', default: '' } },
  allowPositionals: true,
});
const seed = positionals[0];
if (seed === undefined) throw new Error('usage: node bench/docker-tools.ts SEED [--mb N] [--only X]');
const work = mkdtempSync(join(tmpdir(), 'tsnix-bench-'));
process.on('exit', () => {
  spawnSync('chmod', ['-R', 'u+w', work]);
  rmSync(work, { recursive: true, force: true });
});

/** Real files in 97 directories, no two the same. */
function makeTree(tree: string, bytes: number): void {
  for (let i = 0; i < 97; i++) mkdirSync(join(tree, String(i)), { recursive: true });
  const files = globSync('/usr/lib/*-linux-gnu/*.so*').filter((file) => {
    const stats = statSync(file);
    return stats.isFile() && stats.size < bytes / 20;
  });
  if (files.length === 0) throw new Error('there are no shared libraries to make a tree of');
  let size = 0;
  for (let count = 0; size < bytes; count++) {
    const file = files[count % files.length]!;
    const copy = join(tree, String(count % 97), `${count}-${basename(file)}`);
    copyFileSync(file, copy);
    appendFileSync(copy, String(count));
    size += statSync(copy).size;
  }
}

const tree = join(work, 'tree');
makeTree(tree, Number(values.mb) * 1e6);

function build(attribute: string, change: string): string {
  const { wallMs, cpuMs, peakKb, ok, errors } = measure([
    resolve(import.meta.dirname, '../bin/tsnix'),
    'build',
    join(import.meta.dirname, 'docker-tools.nix'),
    '--no-link',
    ...['--store', `local?root=${work}/root`],
    ...['--arg', 'seed', resolve(seed!), '--argstr', 'tree', tree, '--argstr', 'change', change],
    ...['-A', attribute],
  ]);
  if (!ok) throw new Error(errors);
  const [wall, cpu] = [wallMs, cpuMs].map((ms) => (ms / 1000).toFixed(2));
  return `wall ${wall}  cpu ${cpu}  peak ${(peakKb / 1024).toFixed(0)} MB`;
}

for (const change of ['', ' changed']) {
  const images = ['small.original', 'small.ours', 'large.plain', 'large.gzip', 'large.original'];
  for (const size of ['small', 'large']) {
    if (images.some((name) => name.startsWith(size) && name.startsWith(values.only))) build(`${size}Paths`, change);
  }
  for (const attribute of images.filter((name) => name.startsWith(values.only))) {
    process.stdout.write(`${`${attribute}${change}`.padEnd(24)} ${build(attribute, change)}\n`);
  }
}
