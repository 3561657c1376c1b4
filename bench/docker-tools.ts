// npm run bench -- docker-tools SEED: images by the original dockerTools (SEED is its folder) and real Nix (nix-build, in
// its sandbox, with this machine's tools, as root) against the same by ours: 2,001 little store paths and a large closure,
// both in 100 layers; each once more after one small store path has changed. What the images are made of is in the store
// before. Seconds of wall and CPU time, ratios, peak memory of the largest process. The archives have to be the same.
//   --mb N     size of the large closure (default 1000)
//   --only X   only `small` or `large`
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { numberOf, parseOptions, usageError } from '../scripts/usage.ts';
import { HOST_PROGRAMS, NIX_BUILD } from '../test/support/nix-build.ts';
import { measure } from './measure.ts';
import type { Sample } from './measure.ts';

const { values, positionals } = parseOptions(import.meta.filename, {
  options: { mb: { type: 'string', default: '1000' }, only: { type: 'string', default: '' } },
  allowPositionals: true,
});
const seed = positionals[0];
if (seed === undefined) usageError('the folder SEED is missing');
const megabytes = numberOf('mb', values.mb);
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
  const dirs = Array.from({ length: 97 }, (_, i) => join(tree, String(i)));
  const hashes = execFileSync('nix-hash', ['--type', 'sha256', '--base32', ...dirs], { encoding: 'utf8' });
  writeFileSync(join(tree, 'hashes.json'), JSON.stringify(hashes.trim().split('\n')));
}

const tree = join(work, 'tree');
makeTree(tree, megabytes * 1e6);
const store = `local?root=${work}/root`;
const tsnix = resolve(import.meta.dirname, '../bin/tsnix');
const env = { ...process.env, NIX_CONFIG: '', NIX_REMOTE: '', XDG_CACHE_HOME: join(work, 'cache') };

interface Built extends Sample {
  /** On this machine. */
  readonly path: string;
}

function build(attribute: string, change: string): Built {
  const sample = measure(
    [
      ...(attribute.endsWith('.original')
        ? ['nix-build', ...NIX_BUILD]
        : [tsnix, 'build', '--no-link', ...HOST_PROGRAMS]),
      ...[join(import.meta.dirname, 'docker-tools.nix'), '--store', store, '-A', attribute],
      ...['--arg', 'seed', resolve(seed!), '--argstr', 'tree', tree, '--argstr', 'change', change],
    ],
    env,
  );
  if (!sample.ok) throw new Error(sample.errors);
  return { ...sample, path: `${work}/root${sample.output.trim().split('\n').at(-1)!}` };
}

/** SHA-256 of an archive without its compression. */
function plainHash({ path }: Built): string {
  const read = path.endsWith('.gz') ? 'gzip -dc' : 'cat';
  return execFileSync('sh', ['-c', `${read} ${path} | sha256sum`], { encoding: 'utf8' }).trim();
}

for (const size of ['small', 'large'].filter((name) => name.startsWith(values.only))) {
  for (const change of ['', ' changed']) {
    build(`${size}.contents`, change);
    let original: Built | undefined;
    for (const which of ['original', 'plain', 'gzip']) {
      // First builds know nothing of others.
      if (change === '') rmSync(`${work}/root/nix/var/nix/tsnix`, { recursive: true, force: true });
      const built = build(`${size}.${which}`, change);
      original ??= built;
      if (plainHash(built) !== plainHash(original)) throw new Error(`${built.path} is another image`);
      const [wall, cpu] = (['wallMs', 'cpuMs'] as const).map(
        (of) => `${(built[of] / 1000).toFixed(2)} (${(built[of] / original![of]).toFixed(2)})`,
      );
      const peak = (built.peakKb / 1024).toFixed(0);
      process.stdout.write(`${`${size}.${which}${change}`.padEnd(24)} wall ${wall}  cpu ${cpu}  peak ${peak} MB\n`);
    }
  }
}
