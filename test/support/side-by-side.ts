// The same shell commands with real Nix and with ours, one after the other in the same place: a store, a state folder and
// a home of their own, whose paths (and hashes) are the same both times.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from './cli.ts';

export interface Shown {
  readonly command: string;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class SideBySide {
  readonly dir = mkdtempSync(join(tmpdir(), 'tsnix-side-'));
  /** Where both work: HOME, the current folder, `store` and `var` lie below. */
  readonly place = join(this.dir, 'place');
  private readonly settings: readonly string[];

  constructor(settings: readonly string[] = []) {
    this.settings = ['sandbox = false', 'substituters =', 'build-users-group =', ...settings];
  }

  /**
   * Runs commands; afterwards what they left lies in `dir/as`.
   * @param project files that are there first: a folder
   */
  run(as: string, commands: readonly string[], project: string, ours: boolean): Shown[] {
    mkdirSync(join(this.place, 'home'), { recursive: true });
    cpSync(project, join(this.place, 'project'), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    const folder = ours ? spawnSync(program, ['drop-ins'], { encoding: 'utf8' }).stdout.trimEnd() : undefined;
    const path = process.env['PATH']!;
    const env = {
      PATH: folder === undefined ? path : `${folder}:${path}`,
      HOME: join(this.place, 'home'),
      TZ: 'UTC',
      NIX_REMOTE: '',
      NIX_PATH: '',
      NIX_STORE_DIR: join(this.place, 'store'),
      NIX_STATE_DIR: join(this.place, 'var'),
      NIX_LOG_DIR: join(this.place, 'log'),
      NIX_CONF_DIR: join(this.place, 'conf'),
      NIX_CONFIG: this.settings.join('\n'),
      PLACE: this.place,
    };
    const shown = commands.map((command) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
        cwd: join(this.place, 'project'),
        env,
        encoding: 'latin1',
        input: '',
      });
      return { command, status, stdout, stderr };
    });
    renameSync(this.place, join(this.dir, as));
    return shown;
  }

  close(): void {
    spawnSync('chmod', ['-R', 'u+w', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
