// npm run bench [-- NAME…]: whole processes of tsnix against real Nix on the same machine in the same run, in turn
// (A B A B …), as medians of the pairs' ratios. Files are in the page cache after a warm-up. Never gates CI.
//   --runs N   pairs a case (default 7)
//   --tree DIR a checkout of github.com/auxolotl/core for the stdenv case
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const seed = resolve(root, '../shared/seed');
const { values, positionals } = parseArgs({
  options: { runs: { type: 'string', default: '7' }, tree: { type: 'string' } },
  allowPositionals: true,
});
const runs = Number(values.runs);

interface Case {
  readonly name: string;
  readonly tsnix: readonly string[];
  readonly nix: readonly string[];
  /** Why the case can't run here; undefined where it can. */
  readonly missing?: string;
}

const tsnix = join(root, 'bin/tsnix');
const work = mkdtempSync(join(tmpdir(), 'tsnix-bench-'));
process.on('exit', () => {
  rmSync(work, { recursive: true, force: true });
});

function evalCase(name: string, expr: string): Case {
  const args = ['--eval', '--strict', '-E', expr];
  return { name, tsnix: [tsnix, 'nix-instantiate', ...args], nix: ['nix-instantiate', ...args] };
}

function instantiateCase(name: string, args: readonly string[], needs?: string): Case {
  return {
    name,
    tsnix: [tsnix, 'nix-instantiate', '--store', join(work, 'ours'), ...args],
    nix: ['nix-instantiate', '--store', join(work, 'theirs'), ...args],
    ...(needs !== undefined && !existsSync(needs) ? { missing: `needs ${needs}` } : {}),
  };
}

/** The seed with derivations in place of the package set: the same work for both programs. */
const seedExpr = join(work, 'seed.nix');
writeFileSync(
  seedExpr,
  `{ seed }:
let
  lib = {
    toLower = s: s; head = builtins.head; last = l: builtins.elemAt l (builtins.length l - 1);
    splitString = sep: s: builtins.filter builtins.isString (builtins.split sep s);
    optionalString = c: s: if c then s else ""; singleton = x: [ x ]; concatStringsSep = builtins.concatStringsSep;
  };
  tool = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
  run = name: env: text: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; buildCommand = text; }
    // removeAttrs env [ "passthru" ]) // (env.passthru or { });
  callPackage = path: over: (import path) (builtins.intersectAttrs (builtins.functionArgs (import path)) (pkgs // { inherit pkgs; }) // over);
  pkgs = builtins.listToAttrs (map (name: { inherit name; value = tool name; }) [
    "cacert" "coreutils" "e2fsprogs" "findutils" "go" "jq" "jshon" "moreutils" "nix" "pigz" "rsync" "shadow" "skopeo"
    "utillinux" "bash" ]) // {
    docker.src = tool "docker";
    inherit lib callPackage; buildPackages.go.GOARCH = "amd64"; stdenv = { inherit lib; };
    runCommand = run; runtimeShell = "/bin/sh";
    writeText = name: text: run name { inherit text; passAsFile = [ "text" ]; } "cp $textPath $out";
    writeScript = name: text: run name { inherit text; passAsFile = [ "text" ]; } "cp $textPath $out";
    closureInfo = { rootPaths }: run "closure-info" { exportReferencesGraph = [ "c" (builtins.head rootPaths) ]; } "";
    referencesByPopularity = path: run "closure-paths" { exportReferencesGraph = [ "graph" path ]; } "";
    writeReferencesToFile = path: run "refs" { exportReferencesGraph = [ "graph" path ]; } "";
    substituteAll = args: run "substituted" args ""; symlinkJoin = { name, paths }: run name { inherit paths; } "";
    vmTools = { runInLinuxVM = drv: drv; createEmptyImage = _: "x"; hd = "vda"; };
  };
in (callPackage seed { }).buildLayeredImage { name = "hello"; contents = [ pkgs.bash pkgs.coreutils ]; config.Cmd = [ "/bin/bash" ]; }
`,
);

const core = values.tree ?? process.env['TSNIX_BENCH_CORE'] ?? '';
const cases: Case[] = [
  evalCase('start: 1+1', '1+1'),
  evalCase('fib 31', 'let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 31'),
  evalCase("foldl' over 1e6", "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 1000000)"),
  evalCase(
    '20k-attribute fold',
    'builtins.length (builtins.attrNames (builtins.foldl\' (a: i: a // { ${"k" + toString i} = i; }) {} (builtins.genList (x: x) 5000)))',
  ),
  evalCase(
    'strings',
    'builtins.stringLength (builtins.concatStringsSep "," (map toString (builtins.genList (x: x) 200000)))',
  ),
  evalCase(
    'sort',
    'builtins.head (builtins.sort (a: b: a < b) (builtins.genList (x: (x * 7919) - (x * 7919 / 100003) * 100003) 100000))',
  ),
  instantiateCase('seed: buildLayeredImage', [seedExpr, '--arg', 'seed', join(seed, 'default.nix')], seed),
  instantiateCase('auxolotl/core: stdenv', [join(core, 'default.nix'), '-A', 'stdenv'], core === '' ? '--tree' : core),
];

interface Sample {
  readonly wallMs: number;
  readonly peakKb: number;
  readonly ok: boolean;
}

function time(command: readonly string[]): Sample {
  // GNU time's figures by way of the shell's child: ru_maxrss of this process' children only ever grows.
  const start = process.hrtime.bigint();
  const result = spawnSync('perl', ['-e', MEASURE, ...command], { encoding: 'utf8' });
  const wallMs = Number(process.hrtime.bigint() - start) / 1e6;
  const [seconds, kb] = (/TSNIX-BENCH ([\d.]+) (\d+)/.exec(result.stderr) ?? ['', String(wallMs / 1000), '0']).slice(1);
  return { wallMs: Number(seconds) * 1000, peakKb: Number(kb), ok: result.status === 0 };
}
const MEASURE = `use Time::HiRes 'time'; my $t = time; my $pid = fork // die;
if (!$pid) { open STDOUT, '>', '/dev/null'; exec { $ARGV[0] } @ARGV or exit 127 }
my $peak = 0;
while (1) { my $r = waitpid $pid, 1; last if $r; if (open my $f, '<', "/proc/$pid/status") { while (<$f>) { $peak = $1 if /VmHWM:\\s+(\\d+)/ && $1 > $peak } } select undef, undef, undef, 0.002 }
my $s = $?; printf STDERR "\\nTSNIX-BENCH %.6f %d\\n", time - $t, $peak; exit($s ? 1 : 0);`;

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

console.log(
  `${cpus()[0]?.model ?? '?'}, ${availableParallelism()} cores, Node ${process.versions.node}; ${runs} pairs, whole processes`,
);
console.log('case                        tsnix ms    nix ms   wall ratio   peak MB ours : nix');
for (const c of cases) {
  if (positionals.length > 0 && !positionals.some((word) => c.name.includes(word))) continue;
  if (c.missing !== undefined) {
    console.log(`${c.name.padEnd(26)} skipped: ${c.missing}`);
    continue;
  }
  const warm = [time(c.tsnix), time(c.nix)];
  if (!warm.every((sample) => sample.ok)) {
    console.log(`${c.name.padEnd(26)} failed: ${warm[0]!.ok ? 'nix' : 'tsnix'}`);
    continue;
  }
  const pairs = Array.from({ length: runs }, () => [time(c.tsnix), time(c.nix)] as const);
  const ratio = median(pairs.map(([a, b]) => a.wallMs / b.wallMs));
  const row = [
    c.name.padEnd(26),
    median(pairs.map(([a]) => a.wallMs))
      .toFixed(0)
      .padStart(9),
    median(pairs.map(([, b]) => b.wallMs))
      .toFixed(0)
      .padStart(9),
    ratio.toFixed(2).padStart(11),
    `${(median(pairs.map(([a]) => a.peakKb)) / 1024).toFixed(0)} : ${(median(pairs.map(([, b]) => b.peakKb)) / 1024).toFixed(0)}`.padStart(
      16,
    ),
  ];
  console.log(row.join(' '));
}
