// Makes a fresh clone ready: installs what package-lock.json names (a current Node among it) and bundles the program.
// Plain JavaScript, for it is what runs first, on whatever Node the machine has.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const own = join(root, 'node_modules', '.bin', 'node');
const newest = (dir) =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((time, entry) => Math.max(time, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs), 0);
const time = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

/** Runs a command; what it says goes to standard error. @throws where it fails */
function run(command, ...args) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
}
// No package of ours needs its install scripts, and they would run on the new Node before it is known to run at all.
const install = (...args) =>
  run('npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...args);

/** The newest Node links to libatomic, which a bare Debian lacks: there the one before it takes its place. */
function ensureNodeRuns() {
  const { error, status } = spawnSync(own, ['--version'], { stdio: 'ignore' });
  if (error?.code === 'ENOENT' || status === 0) return;
  const lts = join(root, 'tools', 'node-lts');
  rmSync(own); // npm, run as a script, would find it first
  install('--prefix', lts);
  symlinkSync(join('..', '..', 'tools', 'node-lts', 'node_modules', '.bin', 'node'), own);
}

function setUp() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (time(installed) < time(join(root, 'package-lock.json'))) {
    install();
    try {
      ensureNodeRuns();
    } catch (error) {
      rmSync(installed); // so that the next run installs again
      throw error;
    }
  }
  if (time(join(root, 'dist', 'main.cjs')) >= Math.max(newest(join(root, 'src')), time(installed))) return;
  const node = existsSync(own) ? own : process.execPath;
  run(node, join(root, 'scripts', 'build.ts'), ...process.argv.slice(2));
}

try {
  setUp();
} catch (error) {
  // The command has said why.
  process.stderr.write(`tsnix: the set-up failed: ${error.message.split('\n')[0]}\n`);
  process.exit(1);
}
