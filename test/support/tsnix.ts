// The program itself, as a user runs it, with a store, a home and a cache of its own.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const program = resolve(import.meta.dirname, '../../bin/tsnix');

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class TestInstallation {
  readonly dir = mkdtempSync(join(tmpdir(), 'tsnix-e2e-'));
  readonly store = `local?root=${this.dir}/root`;
  readonly #prefix: readonly string[];

  /** @param uid only root may run as another user */
  constructor(uid?: number) {
    if (uid === undefined) {
      this.#prefix = [];
      return;
    }
    chownSync(this.dir, uid, uid);
    this.#prefix = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  }

  run(args: readonly string[], options: RunOptions = {}): Ran {
    const [command, ...all] = [...this.#prefix, program, ...args, '--store', this.store];
    const run = spawnSync(command, all, {
      cwd: options.cwd ?? this.dir,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      // No settings of this machine: Debian's nix-bin switches sandboxes off.
      env: { PATH: process.env['PATH'], HOME: this.dir, NIX_CONF_DIR: this.dir, ...options.env },
    });
    return { status: run.status, stdout: run.stdout, stderr: run.stderr };
  }

  /**
   * Builds, all in one process; for each thing that the arguments name where its output `out` lies on this machine.
   * @throws Error with what the build said
   */
  build(args: readonly string[], options: RunOptions = {}): string[] {
    const { status, stdout, stderr } = this.run(['build', '--json', '--no-out-link', ...args], options);
    if (status !== 0) throw new Error(`tsnix build ${args.join(' ')} failed (${status}):\n${stderr}`);
    const built = JSON.parse(stdout) as { realPaths: Record<string, string> }[];
    return built.map(({ realPaths }) => realPaths['out']!);
  }

  /** Where a path of the store, as builds know it, lies on this machine. */
  real(path: string): string {
    return path.startsWith('/nix/store/') ? `${this.dir}/root${path}` : path;
  }

  close(): void {
    // Directories of a store are read-only.
    spawnSync('chmod', ['-R', 'u+w', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
