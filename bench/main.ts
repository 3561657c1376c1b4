// npm run bench [-- WORD…]: whole processes of tsnix against real Nix on the same machine in the same run, in turn
// (A B A B …), as medians of the pairs' ratios. Words pick the cases whose names hold one of them. Files are in the page
// cache after a warm-up, in which the outputs are compared. Never gates CI.
//   --runs N        pairs a case (default 7)
//   --growth        the sized cases at a quarter, once and four times the size: ratios to Nix, which must not rise
//   --unchanged     let tsnix answer from kept results (else only the code of files is kept, as after a first run)
//   --list          names of the cases
//   --tree DIR      a checkout of github.com/auxolotl/core (or TSNIX_BENCH_CORE)
//   --nixpkgs DIR   a checkout of nixpkgs or of github.com/nix-community/nixpkgs.lib (or TSNIX_BENCH_NIXPKGS)
// npm run bench -- SCRIPT [ARG…]: images, docker-tools or substitution, which measure in ways of their own.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { allCases, type Case, type Command } from './cases.ts';
import { buildCases } from './build-cases.ts';
import { storeCases } from './store-cases.ts';
import { measure, median, type Sample } from './measure.ts';
import { numberOf, parseOptions } from '../scripts/usage.ts';

const [script = '', ...rest] = process.argv.slice(2);
if (['images', 'docker-tools', 'substitution'].includes(script)) {
  const run = spawnSync(process.execPath, [join(import.meta.dirname, `${script}.ts`), ...rest], { stdio: 'inherit' });
  process.exit(run.status ?? 1);
}

const root = join(import.meta.dirname, '..');
const { values, positionals } = parseOptions(import.meta.filename, {
  options: {
    runs: { type: 'string', default: '7' },
    growth: { type: 'boolean', default: false },
    unchanged: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    tree: { type: 'string', default: process.env['TSNIX_BENCH_CORE'] ?? '' },
    nixpkgs: { type: 'string', default: process.env['TSNIX_BENCH_NIXPKGS'] ?? '' },
  },
  allowPositionals: true,
});
const runs = numberOf('runs', values.runs);

const work = mkdtempSync(join(tmpdir(), 'tsnix-bench-'));
process.on('exit', () => {
  spawnSync('chmod', ['-R', 'u+w', work]); // directories of stores are read-only
  rmSync(work, { recursive: true, force: true });
});

// Both programs know the setting; real Nix means only flakes by it.
process.env['XDG_CACHE_HOME'] = join(work, 'cache');
if (!values.unchanged) process.env['NIX_CONFIG'] = `${process.env['NIX_CONFIG'] ?? ''}\neval-cache = false`;

type Pair = readonly [ours: Sample, theirs: Sample];

function runPair({ args, store, program = 'nix-instantiate', prepare, env }: Command): Pair {
  prepare?.();
  const stored = (place: string): string[] => (store === true ? ['--store', join(work, place)] : []);
  return [
    measure([join(root, 'bin/tsnix'), program, ...stored('ours'), ...args], env?.('ours')),
    measure([program, ...stored('theirs'), ...args], env?.('theirs')),
  ];
}

interface Result {
  readonly wall: number;
  readonly cpu: number;
  readonly row: string;
}

const cell = (number: number, digits: number, width: number): string => number.toFixed(digits).padStart(width);

/** Why the two can't be compared, or the medians. */
function compare(command: Command): Result | string {
  const [ours, theirs] = runPair(command);
  if (!ours.ok) return `tsnix failed: ${ours.errors}`;
  if (!theirs.ok) return `nix failed: ${theirs.errors}`;
  if (command.sameOutput !== false && ours.output !== theirs.output)
    return `outputs differ: ${ours.output.slice(0, 80)} | ${theirs.output.slice(0, 80)}`;
  const pairs = Array.from({ length: runs }, () => runPair(command));
  const medianOf = (f: (pair: Pair) => number): number => median(pairs.map(f));
  const wall = medianOf(([a, b]) => a.wallMs / b.wallMs);
  const cpu = medianOf(([a, b]) => a.cpuMs / b.cpuMs);
  const peaks = [medianOf(([a]) => a.peakKb), medianOf(([, b]) => b.peakKb)].map((kb) => (kb / 1024).toFixed(0));
  const row = [
    cell(
      medianOf(([a]) => a.wallMs),
      0,
      9,
    ),
    cell(
      medianOf(([, b]) => b.wallMs),
      0,
      9,
    ),
    cell(wall, 2, 8),
    cell(
      medianOf(([a]) => a.cpuMs),
      0,
      9,
    ),
    cell(
      medianOf(([, b]) => b.cpuMs),
      0,
      9,
    ),
    cell(cpu, 2, 8),
    peaks.join(' : ').padStart(13),
  ];
  return { wall, cpu, row: row.join('') };
}

const WIDTH = 31;
const HEADER = 'tsnix ms   nix ms   ratio      CPU  nix CPU   ratio    peak MB';

function showCase(c: Case): void {
  const result = compare(c.make(1));
  console.log(c.name.padEnd(WIDTH) + (typeof result === 'string' ? result : result.row));
}

function showGrowth(c: Case): void {
  const results: (Result | string)[] = [];
  for (const scale of [0.25, 1, 4]) {
    const result = compare(c.make(scale));
    results.push(result);
    const name = `${c.name} x${scale * 4}`.padEnd(WIDTH + 4);
    console.log(name + (typeof result === 'string' ? result : result.row));
  }
}

const places = { work, seed: resolve(root, '../shared/seed'), core: values.tree, nixpkgs: values.nixpkgs };
const chosen = [...allCases(places), ...storeCases(work), ...buildCases(work)]
  .filter((c) => positionals.length === 0 || positionals.some((word) => c.name.includes(word)))
  .filter((c) => !values.growth || c.sized);
if (values.list) for (const c of chosen) console.log(c.name);
else {
  console.log(
    `${cpus()[0]?.model ?? '?'}, ${availableParallelism()} cores (load ${loadavg()[0]!.toFixed(1)}), ` +
      `Node ${process.versions.node}; ${runs} pairs, whole processes`,
  );
  console.log('case'.padEnd(values.growth ? WIDTH + 5 : WIDTH + 1) + HEADER);
  for (const c of chosen) {
    if (c.missing !== undefined) console.log(`${c.name.padEnd(WIDTH)} skipped: needs ${c.missing}`);
    else if (values.growth) showGrowth(c);
    else showCase(c);
  }
}
