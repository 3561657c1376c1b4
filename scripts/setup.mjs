// Makes a fresh clone ready: installs what package-lock.json names (a current Node among it) and bundles the program.
// Plain JavaScript, for it is what runs first, on whatever Node the machine has.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const newest = (dir) =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((time, entry) => Math.max(time, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs), 0);
const time = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

const installed = join(root, 'node_modules', '.package-lock.json');
if (time(installed) < time(join(root, 'package-lock.json'))) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] });
}
if (time(join(root, 'dist', 'main.cjs')) < Math.max(newest(join(root, 'src')), time(installed))) {
  const own = join(root, 'node_modules', '.bin', 'node');
  execFileSync(
    existsSync(own) ? own : process.execPath,
    [join(root, 'scripts', 'build.ts'), ...process.argv.slice(2)],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
    },
  );
}
