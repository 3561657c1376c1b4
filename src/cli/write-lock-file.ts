// flake.lock, written where the flake is a work tree on this machine.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { showFlakeRef, type FlakeRef } from '../builtins/flake-ref/flake-ref.ts';
import { filePathOfUrl } from '../fetch/file-url.ts';
import { fromUtf8, fsPath, toBuffer } from '../util/bytes.ts';
import { EvalError } from '../util/errors.ts';
import { say } from './output.ts';

/** Where the tree of a flake can be written to; null for what is not a folder here. */
function workTreeOf(ref: FlakeRef): string | null {
  const { input } = ref;
  if (input.get('type') === 'path') return String(input.get('path'));
  const type = input.get('type');
  if ((type !== 'git' && type !== 'hg') || input.has('rev') || input.has('ref')) return null;
  const path = filePathOfUrl(String(input.get('url')));
  return path !== null && existsSync(fsPath(`${path}/.${type}`)) ? path : null;
}

/**
 * Writes flake.lock into a work tree; git or hg learn of it, else the next evaluation would not see it.
 * @param commit the summary of a commit to make of it, empty for Nix's own; undefined: none is made
 * @throws EvalError
 */
export function writeLockFile(ref: FlakeRef, text: string, diff: string, commit: string | undefined): void {
  const root = workTreeOf(ref);
  if (root === null) {
    throw new EvalError(
      `cannot write modified lock file of flake '${showFlakeRef(ref)}' (use '--no-write-lock-file' to ignore)`,
    );
  }
  const name = ref.dir === '' ? 'flake.lock' : `${ref.dir}/flake.lock`;
  const file = `${root}/${name}`;
  const isNew = !existsSync(fsPath(file));
  say(`warning: ${isNew ? 'creating' : 'updating'} lock file "${file}":${isNew ? ' ' : ''}\n${diff}`);
  writeFileSync(fsPath(file), toBuffer(text));
  if (ref.input.get('type') === 'hg' && isNew) {
    spawnSync('hg', ['add', '--cwd', fromUtf8(root), '--', fromUtf8(file)], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (ref.input.get('type') !== 'git') return;
  const git = (args: readonly string[], input?: string): number | null =>
    spawnSync('git', ['-C', fromUtf8(root), ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'inherit'],
      ...(input === undefined ? {} : { input: toBuffer(input) }),
    }).status;
  const path = fromUtf8(name);
  if (git(['check-ignore', '--quiet', path]) === 0) return;
  git(['add', '--intent-to-add', '--', path]);
  if (commit === undefined) return;
  const summary = commit === '' ? `${name}: ${isNew ? 'Add' : 'Update'}` : commit;
  const status = git(['commit', path, '-F', '-'], `${summary}\n\nFlake lock file updates:\n\n${diff}\n`);
  if (status !== 0) throw new EvalError(`program 'git' failed with exit code ${String(status)}`);
  const head = execFileSync('git', ['-C', fromUtf8(root), 'rev-parse', 'HEAD'], { encoding: 'latin1' }).trim();
  say(`warning: committed new revision '${head}'`);
}
