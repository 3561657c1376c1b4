// npm run bench -- images: images against other people's tools on the same machine in the same run. Figures are seconds of
// wall and CPU time (this machine may be busy: compare CPU time), and peak memory.
//   --mb N     size of the tree (default 200)
//   --runs N   runs of each (default 3); the least counts
//   --case X   only cases whose names begin with X
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { numberOf, parseOptions } from '../scripts/usage.ts';

const { values } = parseOptions(import.meta.filename, {
  options: {
    mb: { type: 'string', default: '200' },
    runs: { type: 'string', default: '3' },
    case: { type: 'string', default: '' },
  },
});
const megabytes = numberOf('mb', values.mb);
const runs = numberOf('runs', values.runs);
const work = mkdtempSync(join(tmpdir(), 'tsnix-bench-'));
const tsnix = resolve(import.meta.dirname, '../bin/tsnix');
const store = ['--store', `local?root=${work}/root`];
const port = 5055;
process.env['XDG_CACHE_HOME'] = join(work, 'cache');

interface Sample {
  readonly wall: number;
  readonly cpu: number;
  readonly peakMb: number;
}

const MEASURE = `import os, resource, subprocess, sys, time
t = time.time(); r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.time() - t, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024); sys.exit(r.returncode)`;

function measure(command: readonly string[]): Sample {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', MEASURE, ...command], { encoding: 'utf8', cwd: work });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  const [wall, cpu, peakMb] = stdout.trim().split(' ').map(Number) as [number, number, number];
  return { wall, cpu, peakMb };
}

function compare(name: string, ours: () => readonly string[], theirs: () => readonly string[]): void {
  if (!name.startsWith(values.case)) return;
  const all: { ours: Sample; theirs: Sample }[] = [];
  for (let i = 0; i < runs; i++) all.push({ theirs: measure(theirs()), ours: measure(ours()) });
  const least = (of: (sample: (typeof all)[number]) => number): number => Math.min(...all.map(of));
  const [a, b] = [least(({ ours: { wall } }) => wall), least(({ theirs: { wall } }) => wall)];
  const [c, d] = [least(({ ours: { cpu } }) => cpu), least(({ theirs: { cpu } }) => cpu)];
  const peak = Math.max(...all.map(({ ours: { peakMb } }) => peakMb));
  process.stdout.write(
    `${name.padEnd(44)} wall ${a.toFixed(2)} : ${b.toFixed(2)} = ${(a / b).toFixed(2)}   cpu ${c.toFixed(2)} : ${d.toFixed(2)} = ${(c / d).toFixed(2)}   peak ${peak.toFixed(0)} MB\n`,
  );
}

/** 100 store paths of real files, and one on top that refers to them all. */
function expression(): string {
  const files = globSync('/usr/lib/*-linux-gnu/*.so*')
    .filter((file) => statSync(file).isFile())
    .sort();
  const limit = megabytes * 1e6;
  const tree = join(work, 'tree');
  mkdirSync(tree, { recursive: true });
  let size = 0;
  for (let round = 0; size < limit; round++) {
    for (const file of files) {
      if (size >= limit) break;
      const bytes = statSync(file).size;
      if (bytes > limit / 20) continue;
      const slot = createHash('sha256').update(`${round}${file}`).digest()[0]! % 100;
      mkdirSync(join(tree, String(slot)), { recursive: true });
      cpSync(file, join(tree, String(slot), `${round}-${basename(file)}`));
      if (round > 0)
        writeFileSync(join(tree, String(slot), `${round}-${basename(file)}`), String(round), { flag: 'a' });
      size += bytes;
    }
  }
  return `let parts = map (n: builtins.path { path = ${tree} + "/\${toString n}"; name = "part-\${toString n}"; }) (builtins.genList (n: n) 100);
    in builtins.toFile "parts" (toString parts)`;
}

const fresh = (): void => {
  for (const name of ['cache', 'out', 'out2']) rmSync(join(work, name), { recursive: true, force: true });
};
const registryDir = join(work, 'registry');
writeFileSync(
  join(work, 'registry.yml'),
  `version: 0.1\nstorage: { filesystem: { rootdirectory: ${registryDir} } }\nhttp: { addr: 127.0.0.1:${port} }\n`,
);
const registry = spawn('docker-registry', ['serve', join(work, 'registry.yml')], { stdio: 'ignore' });
process.on('exit', () => {
  registry.kill();
  spawnSync('chmod', ['-R', 'u+w', work]);
  rmSync(work, { recursive: true, force: true });
});

const parts = expression();
spawnSync(tsnix, ['image', 'build', '-E', parts, ...store, '--output', 'oci:warm', '--compression', 'none'], {
  cwd: work,
});
const names = globSync(`${work}/root/nix/store/*-part-*`).map((path) => basename(path));
writeFileSync(join(work, 'names'), names.join('\n'));
// Paths that are there: copying sources into the store is not what is measured.
const image = (top: string): string =>
  `builtins.toFile "top" "${top} \${toString (map builtins.storePath [ ${names.map((name) => `"/nix/store/${name}"`).join(' ')} ])}"`;
const first = image('1');
const tar = `tar -C ${work}/root/nix/store -T ${work}/names -cf -`;
const build = (...more: string[]): string[] => [
  tsnix,
  'image',
  'build',
  '-E',
  first,
  ...store,
  '--max-layers',
  '110',
  ...more,
];

compare(
  'plain layers : tar | sha256sum',
  () => (fresh(), build('--output', 'oci:out', '--compression', 'none')),
  () => ['sh', '-c', `${tar} | sha256sum`],
);
compare(
  'gzip layers : tar | pigz -p2',
  () => (fresh(), build('--output', 'oci:out')),
  () => ['sh', '-c', `${tar} | pigz -p2 > ${work}/out.gz`],
);
compare(
  'zstd layers : tar | pigz -p2',
  () => (fresh(), build('--output', 'oci:out', '--compression', 'zstd')),
  () => ['sh', '-c', `${tar} | pigz -p2 > ${work}/out.gz`],
);

if ('push, everything new'.startsWith(values.case) || 'push, one path changed'.startsWith(values.case)) {
  const reference = (repository: string): string => `127.0.0.1:${port}/${repository}`;
  // The archive is compressed, as dockerTools makes it: skopeo before 1.10 can't read that, later ones decompress it, too.
  const skopeo = (repository: string): string[] => [
    'sh',
    '-ec',
    `gzip -dc ${work}/image.tar.gz > ${work}/image.tar
    skopeo --insecure-policy copy -q --dest-tls-verify=false \\
      docker-archive:${work}/image.tar docker://${reference(repository)}:v1`,
  ];
  const archive = (text: string): void => {
    const made = spawnSync(
      tsnix,
      [
        'image',
        'build',
        '-E',
        text,
        ...store,
        '--max-layers',
        '110',
        '-t',
        'x:v1',
        '--output',
        `docker-archive:${work}/image.tar`,
      ],
      { cwd: work, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(made.stderr);
    spawnSync('pigz', ['-nfp2', `${work}/image.tar`]);
  };
  archive(first);
  let round = 0;
  compare(
    'push, everything new : skopeo copy',
    () => (
      fresh(),
      [tsnix, 'image', 'push', '-E', first, ...store, '--max-layers', '110', reference(`ours${round++}`)]
    ),
    () => skopeo(`theirs${round}`),
  );
  spawnSync(tsnix, ['image', 'push', '-E', first, ...store, '--max-layers', '110', reference('app')], { cwd: work });
  compare(
    'push, one path changed : skopeo copy',
    () => [tsnix, 'image', 'push', '-E', image(`${round++}x`), ...store, '--max-layers', '110', reference('app')],
    () => (archive(image(`${round++}y`)), skopeo('theirs')),
  );
}
process.stdout.write(
  `(${values.mb} MB in ${names.length} paths; node ${process.version}; ${readFileSync('/proc/loadavg', 'utf8').trim()})\n`,
);
process.exit();
