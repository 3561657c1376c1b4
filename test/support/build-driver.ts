// Run as a program, by whichever user: builds the cases that standard input lists (JSON) in a store of its own and
// prints what came of each. So one suite serves every backend as root and as an ordinary user.
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import type { BackendName } from '../../src/build/sandbox/backend.ts';
import type { BuildSettings } from '../../src/build/settings.ts';
import { parseSandboxPaths } from '../../src/build/sandbox/layout.ts';
import { BuildError } from '../../src/util/errors.ts';
import { hashString } from '../../src/store/hash.ts';
import { buildFixture } from './build-fixture.ts';
import type { BuildFixture } from './build-fixture.ts';

export interface DriverCase {
  readonly name: string;
  readonly script: string;
  readonly outputs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Makes it a fixed-output derivation (flat, sha256) of this text. */
  readonly fixedText?: string;
  readonly settings?: Partial<
    Pick<BuildSettings, 'timeout' | 'maxSilentTime' | 'keepFailed' | 'maxLogSize' | 'sandbox'>
  >;
  readonly sandboxPaths?: readonly string[];
  /** `BUSYBOX` stands for the store path. */
  readonly builder?: string;
  readonly args?: readonly string[];
}

export interface DriverResult {
  readonly error?: string;
  readonly exitStatus: number;
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  /** Contents of output `out` where it is a file. */
  readonly out?: string;
  readonly valid: boolean;
  readonly milliseconds: number;
  readonly uid?: number;
  /** Permission bits of output `out`. */
  readonly mode?: number;
}

export interface DriverRequest {
  readonly backend?: BackendName;
  readonly cases: readonly DriverCase[];
  /** In a store that lies where its paths say, without a sandbox. */
  readonly open?: boolean;
  /** Cases built at the same time; 1 when time is measured. */
  readonly atOnce?: number;
}

export interface DriverAnswer {
  readonly results: Readonly<Record<string, DriverResult>>;
  /** What lies in the store and build directories beyond valid paths. */
  readonly leftovers: readonly string[];
}

/** Runs the driver in a process of its own. `uid`: as that user (only root can); `wrapper`: a command to run it by. */
export function runDriver(request: DriverRequest, uid?: number, wrapper: readonly string[] = []): DriverAnswer {
  const command = [...wrapper, process.execPath, fileURLToPath(import.meta.url)];
  const all =
    uid === undefined ? command : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', ...command];
  const run = spawnSync(all[0]!, all.slice(1), {
    input: JSON.stringify(request),
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', TMPDIR: '/tmp' },
  });
  if (run.status !== 0) throw new Error(`the driver failed: ${run.stderr}`);
  return JSON.parse(run.stdout) as DriverAnswer;
}

async function main(): Promise<void> {
  const request = JSON.parse(readFileSync(0, 'utf8')) as DriverRequest;
  const fixture = buildFixture(request.open);
  try {
    const results: Record<string, DriverResult> = {};
    const waiting = [...request.cases];
    const worker = async (): Promise<void> => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        results[item.name] = await runCase(fixture, item, request);
      }
    };
    await Promise.all(Array.from({ length: request.atOnce ?? 1 }, worker));
    const builds = `${fixture.dir}/nix/var/nix/builds`;
    const answer: DriverAnswer = {
      results,
      leftovers: [
        ...leftovers(fixture.store.realStoreDir, fixture.store.validPaths()),
        ...(existsSync(builds) ? readdirSync(builds) : []),
      ],
    };
    process.stdout.write(JSON.stringify(answer));
  } finally {
    await fixture.close();
  }
}

async function runCase(fixture: BuildFixture, item: DriverCase, request: DriverRequest): Promise<DriverResult> {
  const made = fixture.derivation({
    name: item.name,
    script: item.script,
    ...(item.outputs === undefined ? {} : { outputs: item.outputs }),
    ...(item.env === undefined ? {} : { env: item.env }),
    ...(item.builder === undefined ? {} : { builder: item.builder.replace('BUSYBOX', fixture.busybox) }),
    ...(item.args === undefined ? {} : { args: item.args }),
    ...(item.fixedText === undefined
      ? {}
      : {
          fixed: { method: 'flat' as const, algorithm: 'sha256' as const, hash: hashString('sha256', item.fixedText) },
        }),
  });
  const lines: string[] = [];
  const warnings: string[] = [];
  let failure: unknown;
  const start = performance.now();
  try {
    await fixture.build(made, {
      settings: {
        ...(request.backend === undefined ? {} : { backend: request.backend }),
        sandboxFallback: false,
        ...(request.open === true ? { sandbox: 'false' as const } : {}),
        sandboxPaths: parseSandboxPaths(item.sandboxPaths ?? []),
        ...item.settings,
      },
      observer: { line: (_, line) => lines.push(line), warn: (message) => warnings.push(message) },
    });
  } catch (error) {
    failure = error;
  }
  const milliseconds = performance.now() - start;
  const valid = fixture.store.isValidPath(made.out);
  const real = fixture.store.realPath(made.out);
  return {
    ...(failure === undefined
      ? {}
      : { error: failure instanceof BuildError ? failure.message : String((failure as Error).stack) }),
    exitStatus: failure === undefined ? 0 : failure instanceof BuildError ? failure.exitStatus : -1,
    lines,
    warnings,
    valid,
    milliseconds,
    ...(valid && lstatSync(real).isFile() ? { out: readFileSync(real, 'latin1') } : {}),
    ...(valid ? { uid: lstatSync(real).uid, mode: lstatSync(real).mode & 0o7777 } : {}),
  };
}

function leftovers(dir: string, valid: readonly string[]): string[] {
  const known = new Set(valid.map((path) => path.slice(path.lastIndexOf('/') + 1)));
  return readdirSync(dir).filter((name) => name !== '.links' && !name.endsWith('.lock') && !known.has(name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
