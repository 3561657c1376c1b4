// The program itself for tests of its command line: what it prints and how it ends, several at a time, with signals.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execa } from 'execa';

export const program = resolve(import.meta.dirname, '../../bin/tsnix');

export interface Ended {
  /** As a shell has it: 130 for an end by SIGINT. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Run through this command: setpriv … */
  readonly through?: readonly string[];
  /** The name to start it under, by way of `tsnix NAME`. */
  readonly name?: string;
}

export interface Started {
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<Ended>;
}

/** A folder with a store, a home and settings of its own, and a project in `project/`. */
export class Workplace {
  readonly dir: string;
  readonly store: string;
  readonly project: string;

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.dir = mkdtempSync(join(tmpdir(), 'tsnix-cli-'));
    // Ordinary users take part.
    chmodSync(this.dir, 0o755);
    this.store = join(this.dir, 'root');
    this.project = join(this.dir, 'project');
    mkdirSync(join(this.dir, 'conf'));
    mkdirSync(this.project);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** A file of the project; other directories start with `../`. */
  write(name: string, text: string): string {
    const file = join(this.project, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Where a store path lies. */
  real(path: string): string {
    return this.store + path;
  }

  start(args: readonly string[], options: StartOptions = {}): Started {
    const words = [program, ...(options.name === undefined ? [] : [options.name]), ...args];
    return this.startProgram([...(options.through ?? []), ...words], options);
  }

  startProgram(words: readonly string[], options: Omit<StartOptions, 'through' | 'name'>): Started {
    const process = execa(words[0]!, words.slice(1), {
      cwd: options.cwd ?? this.project,
      reject: false,
      stripFinalNewline: false,
      extendEnv: false,
      env: { ...this.environment(), ...options.env },
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    });
    const ended = process.then(({ exitCode, signal, stdout, stderr }) => ({
      status: exitCode ?? { SIGINT: 130, SIGKILL: 137, SIGTERM: 143, SIGHUP: 129 }[signal as string] ?? -1,
      stdout,
      stderr,
    }));
    const kill = (signal: NodeJS.Signals): void => {
      process.kill(signal);
    };
    return { kill, ended };
  }

  /** With this workplace's store. */
  run(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
    return this.start(args, { ...options, env: { NIX_REMOTE: this.store, ...options.env } }).ended;
  }

  environment(): Record<string, string> {
    return {
      PATH: process.env['PATH']!,
      HOME: join(this.dir, 'home'),
      NIX_CONF_DIR: join(this.dir, 'conf'),
    };
  }

  close(): void {
    // Directories of a store are read-only.
    spawnSync('chmod', ['-R', 'u+w', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A file of derivations that need nothing but the sandbox's /bin/sh. */
export const derivations = (attributes: string): string => `
{ who ? "world" }:
let
  mk = name: script: more: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
  } // more);
in rec {
${attributes}
}
`;
