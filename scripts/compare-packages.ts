// npm run compare-packages -- FILE [--arg NAME EXPR]…: every derivation that `tsnix eval-jobs` finds in a package set
// (say, a checkout of nixpkgs), its .drv path beside that of real Nix (`nix-instantiate` on PATH); and whether some of what
// fails here fails there. Status 1 where anything differs. What depends on builtins.nixVersion does, rightly.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseOptions, usageError } from './usage.ts';

/** How many packages one process of Nix takes on; more want more memory. */
const BATCH = 1500;
/** How many of those that fail are tried with Nix, one by one. */
const FAILURES = 50;

interface Job {
  readonly attr: string;
  readonly attrPath: readonly string[];
  readonly drvPath?: string;
  readonly error?: string;
}

const [file, ...more] = process.argv.slice(2);
if (file === undefined || !existsSync(file)) {
  if (file?.startsWith('-') === true) parseOptions(import.meta.filename, {});
  usageError(file === undefined ? 'which FILE?' : `there is no '${file}'`);
}
const given = new Map<string, string>();
for (let i = 0; i < more.length; i += 3) {
  const [flag, name, value] = more.slice(i);
  if (flag !== '--arg' || name === undefined || value === undefined) usageError(`unknown argument '${flag}'`);
  given.set(name, value);
}

const scratch = mkdtempSync(join(tmpdir(), 'tsnix-compare-'));
const set = `(import ${resolve(file)} { ${[...given].map(([name, value]) => `${name} = ${value};`).join(' ')} })`;

async function jobs(): Promise<Job[]> {
  const args = ['eval-jobs', '--store', join(scratch, 'tsnix'), '--no-eval-cache', '-E', set];
  const child = spawn(join(import.meta.dirname, '../bin/tsnix'), args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const found: Job[] = [];
  for await (const line of createInterface(child.stdout)) found.push(JSON.parse(line) as Job);
  return found;
}

function quoted(name: string): string {
  return `"${name.replace(/["\\]|\$\{/g, '\\$&')}"`;
}

/** What Nix makes of some packages; undefined where it fails for one of them. */
function byNix(batch: readonly Job[]): string[] | undefined {
  const paths = batch.map(({ attrPath }) => `[ ${attrPath.map(quoted).join(' ')} ]`).join(' ');
  const program = join(scratch, 'batch.nix');
  // As attributes on the command line: functions on the way are called.
  writeFileSync(
    program,
    `let
      call = v: if builtins.isFunction v then v { } else v;
      set = ${set};
    in map (path: (builtins.foldl' (s: name: call s.\${name}) set path).drvPath) [ ${paths} ]`,
  );
  // Some sets import what they have added to the store.
  const args = ['--eval', '--strict', '--json', '--read-write-mode', '--option', 'fsync-metadata', 'false'];
  const { status, stdout } = spawnSync('nix-instantiate', [...args, '--store', join(scratch, 'nix'), program], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return status === 0 ? (JSON.parse(stdout) as string[]) : undefined;
}

/** Differences of packages that evaluate here. */
function compare(batch: readonly Job[]): string[] {
  const there = byNix(batch);
  if (there !== undefined) {
    return batch.flatMap(({ attr, drvPath }, i) =>
      there[i] === drvPath ? [] : [`${attr}: ${drvPath}, Nix: ${there[i]}`],
    );
  }
  if (batch.length === 1) return [`${batch[0]!.attr}: fails with Nix only`];
  const half = Math.ceil(batch.length / 2);
  return [...compare(batch.slice(0, half)), ...compare(batch.slice(half))];
}

try {
  const all = await jobs();
  const good = all.filter(({ error }) => error === undefined);
  const failed = all.filter(({ error }) => error !== undefined);
  const differences: string[] = [];
  for (let i = 0; i < good.length; i += BATCH) differences.push(...compare(good.slice(i, i + BATCH)));
  const step = Math.max(1, Math.ceil(failed.length / FAILURES));
  for (const job of failed.filter((_, i) => i % step === 0)) {
    if (byNix([job]) !== undefined) differences.push(`${job.attr}: fails here only: ${job.error}`);
  }
  for (const difference of differences) console.log(difference);
  console.log(`${good.length} derivations, ${failed.length} that fail; ${differences.length} differ`);
  process.exitCode = differences.length > 0 || good.length === 0 ? 1 : 0;
} finally {
  spawnSync('chmod', ['-R', 'u+w', scratch]);
  rmSync(scratch, { recursive: true });
}
