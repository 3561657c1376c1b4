// Bundles the program: dist/main.js (command line), dist/index.js (API), the files that are read at run time, and
// type declarations. Splitting keeps what a command does not need out of its start.
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

const entries = ['src/cli/main.ts', 'src/index.ts', 'src/fetch/fetch-child.ts'].filter(
  (entry) => globSync(entry, { cwd: root }).length > 0,
);
await build({
  absWorkingDir: root,
  entryPoints: entries,
  entryNames: '[name]',
  chunkNames: 'chunks/[name]-[hash]',
  outdir: dist,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  keepNames: false,
  legalComments: 'linked',
  logLevel: 'warning',
  // Dependencies in CommonJS ask for require().
  banner: {
    js: "import { createRequire as tsnixRequire } from 'node:module'; const require = tsnixRequire(import.meta.url);",
  },
});

// Helper programs that run as they are, in the sandbox or beside it.
for (const file of globSync('src/**/*.{pl,sh}', { cwd: root })) cpSync(join(root, file), join(dist, basename(file)));

if (process.argv.includes('--types')) {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json'], {
    cwd: root,
    stdio: 'inherit',
  });
}
