// Bundles the program: dist/main.js (command line), dist/index.js (API), the files that are read at run time, and
// type declarations. Splitting keeps what a command does not need out of its start.
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');
const finalDist = join(root, 'dist');
// Beside it, and moved in place when whole: a build that fails leaves the last one.
const dist = join(root, 'dist.new');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

/**
 * Modules of Node that take milliseconds to load, and that most runs never use, are loaded at the first call of one of
 * their functions: `import { createHash } from 'node:crypto'` becomes a function that loads the module.
 */
const lazyModules: Plugin = {
  name: 'lazy-node-modules',
  setup(builder) {
    const lazy = [
      'node:child_process',
      'node:crypto',
      'node:sqlite',
      'node:zlib',
      'node:http',
      'node:net',
    ];
    builder.onResolve({ filter: /^node:/ }, ({ path }) =>
      lazy.includes(path) ? { path, namespace: 'lazy-node' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'lazy-node' }, ({ path }) => {
      const module = process.getBuiltinModule(path) as Record<string, unknown>;
      const exports = Object.entries(module).map(([name, value]) =>
        typeof value !== 'function'
          ? ''
          : /^[A-Z]/.test(name)
            ? `export const ${name} = function (...args) { return new (load().${name})(...args); };`
            : `export const ${name} = (...args) => load().${name}(...args);`,
      );
      const constants =
        'constants' in module
          ? 'export const constants = new Proxy({}, { get: (_, name) => load().constants[name] });'
          : '';
      const contents = `let loaded; const load = () => (loaded ??= process.getBuiltinModule('${path}'));\n${exports.join('\n')}\n${constants}`;
      return { contents, loader: 'js' };
    });
  },
};

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
  plugins: [lazyModules],
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
rmSync(finalDist, { recursive: true, force: true });
renameSync(dist, finalDist);
