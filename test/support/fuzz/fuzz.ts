// Runs cases in child processes, watches them, and makes what was found small.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { readCorpus } from './corpus.ts';
import { randomInput, type Corpus, type Format } from './inputs.ts';
import { Random } from './random.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly formats: readonly Format[];
  /** Folders of files to damage, beside this repository's. */
  readonly folders?: readonly string[];
  /** No case may take more CPU time, nor ten times as much by the clock. */
  readonly caseMs?: number;
  readonly first?: number;
  readonly onFinding?: (finding: Finding) => void;
}

export interface Finding {
  readonly kind: 'crash' | 'hang' | 'exception';
  readonly seed: number;
  readonly index: number;
  readonly format: Format;
  readonly message: string;
  /** Byte string. */
  readonly input: string;
}

export interface FuzzResult {
  readonly cases: number;
  readonly findings: readonly Finding[];
}

const CHILD = join(import.meta.dirname, 'child.ts');
/** A child is started anew now and then: what cases leave behind (names, key sets) must not add up. */
const PER_CHILD = 20_000;
/** As bin/tsnix runs: a deep stack. A case that wants more than this memory is a crash. */
const NODE = ['-c', 'ulimit -s 65536 2>/dev/null && set -- --stack-size=60000 "$@"; exec "$0" "$@"', process.execPath];
const FLAGS = ['--max-old-space-size=1500', '--disable-warning=ExperimentalWarning', CHILD];

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const end = performance.now() + options.seconds * 1000;
  const corpus = readCorpus(options.folders ?? []);
  const findings: Finding[] = [];
  const first = options.first ?? 0;
  let next = first;
  while (performance.now() < end) {
    const run = await runChild(options, next, end);
    next = run.next;
    for (const { index, kind, message } of run.found) {
      const finding = { kind, seed: options.seed, index, message, ...inputOf(options, corpus, index) };
      findings.push(finding);
      options.onFinding?.(finding);
    }
  }
  return { cases: next - first, findings };
}

/** The input of a case. */
export function inputOf(options: FuzzOptions, corpus: Corpus, index: number): { format: Format; input: string } {
  const random = new Random(options.seed, index);
  const format = random.pick(options.formats);
  return { format, input: randomInput(random, format, corpus) };
}

interface ChildRun {
  readonly next: number;
  readonly found: readonly Pick<Finding, 'kind' | 'index' | 'message'>[];
}

function runChild(options: FuzzOptions, first: number, end: number): Promise<ChildRun> {
  const caseMs = options.caseMs ?? 20_000;
  const { seed, formats, folders = [] } = options;
  const args = ['cases', String(seed), String(first), String(PER_CHILD), formats.join(','), ...folders];
  const child = spawn('sh', [...NODE, ...FLAGS, ...args], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const found: Pick<Finding, 'kind' | 'index' | 'message'>[] = [];
  let current = first - 1;
  let done = false;
  let stopped = false;
  let hanging = false;
  let rest = '';
  let errors = '';
  let seen = performance.now();
  /** What the child had used when it was last seen to begin a case. */
  let used = 0;
  let watched = current;
  (child.stdio[3] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [mark, index, message] = line.split('\t');
      if (mark === 'F') found.push({ kind: 'exception', index: Number(index), message: message! });
      else if (line === 'done') done = true;
      else current = Number(line);
    }
    seen = performance.now();
  });
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-4000);
  });
  const watch = setInterval(() => {
    const now = performance.now();
    const cpu = HAS_PROC ? cpuMs(child.pid) : now;
    if (cpu === undefined) return; // it has ended
    if (watched !== current) {
      watched = current;
      used = cpu;
    }
    // Starting, and reading the files, is no case.
    const working = current >= first;
    hanging = working && (cpu - used > caseMs || now - seen > 10 * caseMs);
    stopped = now > end && (!working || cpu - used < caseMs / 2);
    if (hanging || stopped) child.kill('SIGKILL');
  }, 250);
  return new Promise((resolve) => {
    child.on('close', (status, signal) => {
      clearInterval(watch);
      if (hanging) found.push({ kind: 'hang', index: current, message: `longer than ${caseMs} ms` });
      else if (!done && !stopped) {
        const message = `status ${String(status)}, signal ${String(signal)}: ${errors.slice(0, 500)}`;
        found.push({ kind: 'crash', index: current, message });
      }
      resolve({ next: current + 1, found });
    });
  });
}

const HAS_PROC = existsSync('/proc/self/stat');

/** CPU time of a process; undefined if there is none. */
function cpuMs(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10; // utime, stime, in clock ticks
  } catch {
    return undefined;
  }
}

/** Whether an input shows the same finding. */
function reproduces(finding: Finding, input: string, caseMs: number): boolean {
  const run = spawnSync('sh', [...NODE, ...FLAGS, 'one', finding.format, String(finding.seed), String(finding.index)], {
    input: Buffer.from(input, 'latin1'),
    encoding: 'utf8',
    timeout: 2 * caseMs,
    killSignal: 'SIGKILL',
  });
  if (finding.kind === 'hang') return run.error !== undefined;
  if (finding.kind === 'exception') return run.status === 3 && place(run.stdout) === place(finding.message);
  return run.error === undefined && run.status !== 0 && run.status !== 3;
}

/** Where it was thrown. */
function place(message: string): string {
  return /\bat \S+/.exec(message)?.[0] ?? message;
}

/** Removes ever smaller pieces as long as the finding stays; stops when its time is up. */
export function minimise(finding: Finding, seconds: number, caseMs = 20_000): string {
  const end = performance.now() + seconds * 1000;
  let input = finding.input;
  for (let size = input.length >> 1; size >= 1 && performance.now() < end; size >>= 1) {
    for (let at = 0; at < input.length && performance.now() < end;) {
      const shorter = input.slice(0, at) + input.slice(at + size);
      if (reproduces(finding, shorter, caseMs)) input = shorter;
      else at += size;
    }
  }
  return input;
}
