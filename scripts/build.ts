// Bundles the program: dist/main.cjs and tsnix.cjs (command line), dist/index.js (API), the helper programs that are run
// as they are; a start-up snapshot for this clone's own Node (`--publish` leaves it out: it fits one Node only), the parts
// that are not in it and, with `--publish`, type declarations.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { bundleInParts } from './parts.ts';
import { makeSnapshot } from './snapshot.ts';

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
      'node:worker_threads',
      'node:zlib',
      'node:http',
      'node:https',
      'node:net',
      'node:perf_hooks',
      'node:tty',
    ];
    builder.onResolve({ filter: /^node:/ }, ({ path }) =>
      lazy.includes(path) ? { path, namespace: 'lazy-node' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'lazy-node' }, ({ path }) => {
      const module = process.getBuiltinModule(path) as Record<string, unknown>;
      const exports = Object.entries(module).map(([name, value]) =>
        typeof value !== 'function' || name === 'default'
          ? ''
          : /^[A-Z]/.test(name)
            ? `export const ${name} = function (...args) { return new (load().${name})(...args); };`
            : `export const ${name} = (...args) => load().${name}(...args);`,
      );
      const constants =
        'constants' in module
          ? 'export const constants = new Proxy({}, { get: (_, name) => load().constants[name] });'
          : '';
      const whole = 'export default new Proxy({}, { get: (_, name) => load()[name] });';
      const contents = `let loaded; const load = () => (loaded ??= process.getBuiltinModule('${path}'));\n${exports.join('\n')}\n${constants}\n${whole}`;
      return { contents, loader: 'js' };
    });
  },
};

/** The same for a library that most runs never use. */
const lazyLibraries: Plugin = {
  name: 'lazy-libraries',
  setup(builder) {
    const functions: Readonly<Record<string, string>> = {
      '@noble/hashes/blake3.js':
        "let loaded; const load = () => (loaded ??= require('@noble/hashes/blake3.js').blake3);\n" +
        'export const blake3 = Object.assign((bytes) => load()(bytes), { create: () => load().create() });',
    };
    builder.onResolve({ filter: /^@noble\/hashes\// }, ({ path, namespace }) =>
      path in functions && namespace !== 'lazy-library' ? { path, namespace: 'lazy-library' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'lazy-library' }, ({ path }) => ({
      contents: functions[path]!,
      loader: 'js',
      resolveDir: root,
    }));
  },
};

/** The parser's library has a lexer, which is a third of it and which nothing here uses, but for one constant. */
const noLexer: Plugin = {
  name: 'no-lexer',
  setup(builder) {
    builder.onLoad({ filter: /\/chevrotain\/lib\/src\/scan\/lexer_public\.js$/ }, () => ({
      contents: 'export const Lexer = { NA: /NOT_APPLICABLE/ }; export const LexerDefinitionErrorType = {};',
    }));
  },
};

/** What the program is made of, hashed: caches are valid for the very program that made them. */
function buildIdentity(): string {
  const hash = createHash('sha256');
  for (const file of [...globSync('src/**/*.ts', { cwd: root }).sort(), 'package-lock.json', 'scripts/build.ts']) {
    if (!file.endsWith('.test.ts')) hash.update(`${file}\0${readFileSync(join(root, file), 'latin1')}\0`);
  }
  return hash.digest('hex').slice(0, 32);
}

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 160,
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [lazyModules, lazyLibraries, noLexer],
  define: { TSNIX_BUILD: JSON.stringify(buildIdentity()) },
};

/** One CommonJS file: it loads in half the time of ES modules. Parts imported dynamically run when they are asked for. */
async function bundleProgram(entry: string, outfile: string): Promise<void> {
  await build({
    ...common,
    entryPoints: [entry],
    outfile: join(dist, outfile),
    format: 'cjs',
    define: { ...common.define, 'import.meta.url': 'importMetaUrl' },
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  });
}

await bundleProgram('src/cli/program.ts', 'tsnix.cjs');
await build({
  ...common,
  entryPoints: ['src/index.ts', 'src/api/evaluation-thread.ts'],
  entryNames: '[name]',
  outdir: dist,
  format: 'esm',
});
await build({
  ...common,
  entryPoints: ['src/fetch/fetch-child.ts', 'src/fetch/lfs-child.ts', 'src/fetch/cache/cache-child.ts'],
  entryNames: '[name]',
  outdir: dist,
  format: 'esm',
  // tar-stream's modules are CommonJS, and ask for Node's own.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
});

/** Own modules in the place of what only Node has; anything else of Node's ends the build. */
const forBrowsers: Plugin = {
  name: 'for-browsers',
  setup(builder) {
    const own = (file: string): { path: string } => ({ path: join(root, 'src/browser', file) });
    builder.onResolve({ filter: /^node:crypto$/ }, () => own('crypto.ts'));
    builder.onResolve({ filter: /\/platform\.ts$/ }, () => own('platform.ts'));
  },
};
await build({
  ...common,
  entryPoints: ['src/browser/index.ts'],
  outfile: join(dist, 'browser.js'),
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  inject: [join(root, 'src/browser/buffer.ts')],
  plugins: [forBrowsers],
});

// Must parse, and speak, on an old Node.
writeFileSync(
  join(dist, 'main.cjs'),
  `'use strict';
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write('tsnix: needs Node >= 24, but this is Node ' + process.versions.node + '\\n');
  process.exit(1);
}
const base = process.env.XDG_CACHE_HOME || (process.env.HOME || require('node:os').homedir()) + '/.cache';
require('node:v8').setFlagsFromString('--invocation-count-for-maglev=1000');
require('node:v8').setFlagsFromString('--invocation-count-for-turbofan=200000');
require('node:module').enableCompileCache(base + '/tsnix/compile');
const [, , name, command] = process.argv;
const small = process.env.TSNIX_STACK_THREAD === '1';
delete process.env.TSNIX_STACK_THREAD;
const snapshotDir = process.env.TSNIX_SNAPSHOT_DIR;
delete process.env.TSNIX_SNAPSHOT_DIR;
delete process.env.TSNIX_QUICK;
if (snapshotDir) {
  // bin/tsnix has none for this Node: one is made in the background.
  process.on('exit', () => {
    const maker = [require('node:path').join(__dirname, 'make-snapshot.cjs'), snapshotDir];
    const options = { cwd: '/', detached: true, stdio: 'ignore' };
    require('node:child_process').spawn(process.execPath, maker, options).on('error', () => {}).unref();
  });
}
if (small && ['eval', 'instantiate', 'nix-instantiate'].includes(name === 'tsnix' ? command : name)) {
  const { Worker } = require('node:worker_threads');
  const options = { argv: process.argv.slice(2), resourceLimits: { stackSizeMb: 256 } };
  new Worker(__filename, options).on('exit', (status) => (process.exitCode = status));
} else {
  require('./tsnix.cjs');
}
`,
);

// Helper programs that run as they are, in the sandbox or beside it.
for (const file of globSync('src/**/*.{pl,sh}', { cwd: root })) cpSync(join(root, file), join(dist, basename(file)));

const publish = process.argv.includes('--publish');
const ownNode = join(root, 'node_modules/.bin/node');
const sample = join(root, 'src/cli/snapshot-sample.nix');
// The licences are in the file beside tsnix.cjs, which has the same code.
const places = { root, common: { ...common, legalComments: 'none' }, sample } as const;
if (publish) {
  // Whoever installs the package has a Node of their own: the snapshot is made there, behind the first command.
  await bundleInParts(places, dist);
  await bundleProgram('scripts/installed-snapshot.ts', 'make-snapshot.cjs');
  cpSync(sample, join(dist, basename(sample)));
} else if (existsSync(ownNode)) {
  await bundleInParts(places, dist);
  makeSnapshot(ownNode, dist, sample, join(dist, 'tsnix.blob')); // bin/tsnix goes without where there is none
  rmSync(join(dist, 'snapshot.cjs'));
}
if (publish) {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json'], {
    cwd: root,
    stdio: 'inherit',
  });
}
rmSync(finalDist, { recursive: true, force: true });
renameSync(dist, finalDist);
