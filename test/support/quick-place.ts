// A project, and a copy of the program that tells whether Node was started.
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Workplace, type Ended, type StartOptions } from './cli.ts';

const root = resolve(import.meta.dirname, '../..');

/** So long something must have lain still before a run begins. */
export const SETTLED_MS = 2600;

export async function settle(): Promise<void> {
  await new Promise((done) => setTimeout(done, SETTLED_MS));
}

/** A copy of bin/ and dist/ whose Node leaves a line in a file. */
export function copyProgram(dir: string): string {
  cpSync(join(root, 'bin'), join(dir, 'bin'), { recursive: true });
  cpSync(join(root, 'dist'), join(dir, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(dir, 'package.json'));
  symlinkSync(join(root, 'lib'), join(dir, 'lib'));
  mkdirSync(join(dir, 'node_modules/.bin'), { recursive: true });
  const node = join(dir, 'node_modules/.bin/node');
  const real = join(root, 'node_modules/.bin/node');
  writeFileSync(node, `#!/bin/sh\n[ -z "$STARTS" ] || echo x >>"$STARTS"\nexec '${real}' "$@"\n`, { mode: 0o755 });
  // The snapshot must be younger.
  utimesSync(node, 1, 1);
  return join(dir, 'bin/tsnix');
}

export interface QuickRun extends Ended {
  /** Node answered. */
  readonly node: boolean;
}

export class QuickPlace extends Workplace {
  program: string;
  private readonly starts: string;

  constructor(program: string, files: Readonly<Record<string, string>> = {}) {
    super(files);
    this.program = program;
    this.starts = join(this.dir, 'starts');
  }

  override environment(): Record<string, string> {
    return { ...super.environment(), NIX_REMOTE: this.store, STARTS: this.starts };
  }

  async ask(args: readonly string[], options: Omit<StartOptions, 'name'> = {}): Promise<QuickRun> {
    const before = this.count();
    const ended = await this.startProgram([...(options.through ?? []), this.program, ...args], options).ended;
    return { ...ended, node: this.count() > before };
  }

  private count(): number {
    return existsSync(this.starts) ? readFileSync(this.starts).length : 0;
  }

  get folder(): string {
    return join(this.dir, 'home/.cache/tsnix/quick');
  }
}
