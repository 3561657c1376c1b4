// One run of one process: wall clock, CPU time of it and its children, peak memory.
import { spawnSync } from 'node:child_process';

export interface Sample {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakKb: number;
  readonly ok: boolean;
  /** What it wrote to standard output: both programs must say the same. */
  readonly output: string;
  readonly errors: string;
}

// Perl is on every Debian and starts in 2 ms; it asks the kernel (getrusage of its only child), whose times it would
// itself round to 10 ms. The struct: seconds and microseconds of user and system time, peak memory in KB.
const MEASURE = `use Time::HiRes 'time'; use Config; my $t = time; my $pid = fork // die;
if (!$pid) { exec { $ARGV[0] } @ARGV or exit 127 }
waitpid $pid, 0; my $s = $?; my $wall = time - $t; my $buffer = chr(0) x 256;
syscall($Config{archname} =~ /^aarch64/ ? 165 : 98, -1, $buffer) == 0 or die;
my @u = unpack 'q5', $buffer;
printf STDERR "\nTSNIX-BENCH %.6f %.6f %d\n", $wall, $u[0] + $u[2] + ($u[1] + $u[3]) / 1e6, $u[4]; exit($s ? 1 : 0);`;

export function measure(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Sample {
  const result = spawnSync('perl', ['-e', MEASURE, ...command], { encoding: 'latin1', maxBuffer: 1 << 28, env });
  const found = /\nTSNIX-BENCH ([\d.]+) ([\d.]+) (\d+)\n$/.exec(result.stderr);
  if (found === null) throw new Error(`could not measure ${command.join(' ')}: ${result.stderr}`);
  return {
    wallMs: Number(found[1]) * 1000,
    cpuMs: Number(found[2]) * 1000,
    peakKb: Number(found[3]),
    ok: result.status === 0,
    output: result.stdout,
    errors: result.stderr.slice(0, found.index),
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
