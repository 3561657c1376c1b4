// The published package: packed as `npm publish` would, installed in an empty project. Its examples (docs/api.md), types,
// command line and browser entry are tried there.
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'tsnix-package-'));
const project = join(dir, 'project');

const searchPath = `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`;

function run(command: string, args: readonly string[], cwd: string): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, PATH: searchPath },
  });
  return { status, output: stdout + stderr + (error?.message ?? '') };
}

/** Runs a module of the project; what it prints. */
function runModule(name: string, source: string): string {
  writeFileSync(join(project, name), source);
  const { status, output } = run(process.execPath, [name], project);
  expect(status, output).toBe(0);
  return output;
}

/** The tarball, made in a copy of the tree: packing bundles anew. */
function pack(): string {
  const tree = join(dir, 'tree');
  const left = ['.git', 'node_modules', 'dist', 'dist.new', 'test'].map((name) => join(root, name));
  cpSync(root, tree, { recursive: true, filter: (path) => !left.includes(path) });
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  const { status, output } = run('npm', ['pack', '--pack-destination', dir], tree);
  expect(status, output).toBe(0);
  return join(
    dir,
    readdirSync(dir).find((name) => name.endsWith('.tgz'))!,
  );
}

/** With npm; without a registry its dependencies (all bundled) stay away, and the tarball is unpacked by hand. */
function install(tarball: string): void {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', type: 'module', private: true }));
  const npm = run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0', tarball],
    project,
  );
  if (npm.status === 0) return;
  if (process.env['CI']) throw new Error(`npm install: ${npm.output}`);
  process.stderr.write('the package is unpacked without npm install: no registry\n');
  mkdirSync(join(project, 'node_modules/tsnix'), { recursive: true });
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', 'node_modules/tsnix'], project);
}

beforeAll(() => {
  install(pack());
}, 240_000);
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('the package', () => {
  it('holds what it needs, and no snapshot', () => {
    const dist = readdirSync(join(project, 'node_modules/tsnix/dist'));
    expect(dist).toEqual(
      expect.arrayContaining(['browser.js', 'evaluation-thread.js', 'index.js', 'main.cjs', 'types']),
    );
    expect(dist).not.toContain('tsnix.blob');
    expect(dist).not.toContain('tsnix.code');
  });

  it('makes a snapshot for its Node behind the first command, and starts from it', async () => {
    const home = join(dir, 'home');
    const tsnix = (more: NodeJS.ProcessEnv = {}): number | null => {
      const { CI: _, XDG_CACHE_HOME: __, ...env } = process.env;
      const options = { cwd: project, env: { ...env, PATH: searchPath, HOME: home, ...more } };
      return spawnSync('node_modules/.bin/tsnix', ['eval', '-E', '1 + 1'], options).status;
    };
    const start = join(home, '.cache/tsnix/start');
    const blobs = (): string[] => globSync('*/tsnix.blob', { cwd: start });
    mkdirSync(home);
    expect(tsnix({ CI: 'true' })).toBe(0);
    expect(blobs()).toEqual([]);
    expect(tsnix()).toBe(0);
    await vi.waitUntil(() => blobs().length > 0, { timeout: 120_000, interval: 100 });
    expect(tsnix()).toBe(0);
    expect(globSync('*/tsnix.code', { cwd: start })).toHaveLength(1);
    // It is really used; but not one that somebody else could have written, and not for another program.
    writeFileSync(join(start, blobs()[0]!), 'no snapshot');
    expect(tsnix()).not.toBe(0);
    if (process.getuid?.() === 0) {
      chownSync(start, 65534, 65534);
      expect(tsnix()).toBe(0);
      chownSync(start, 0, 0);
    }
    utimesSync(join(project, 'node_modules/tsnix/dist/tsnix.cjs'), 1e9, 1e9);
    expect(tsnix({ CI: 'true' })).toBe(0);
  });

  it('runs as a command', () => {
    const { status, output } = run('node_modules/.bin/tsnix', ['eval', '-E', '1 + 1'], project);
    expect([status, output]).toEqual([0, '2\n']);
  });

  const manual = readFileSync(join(root, 'docs/api.md'), 'utf8');
  for (const [i, [, source]] of [...manual.matchAll(/^```js\n([^]*?)^```/gm)].entries()) {
    const title = manual
      .slice(0, manual.indexOf(source!))
      .match(/^## .*/gm)!
      .at(-1)!;
    it(`the example of "${title.slice(3)}" prints what docs/api.md says`, () => {
      const expected = Array.from(source!.matchAll(/\/\/ → (.*)$/gm), ([, text]) => text!);
      expect(expected.length).toBeGreaterThan(0);
      // Wide, so that every value is on one line.
      const prefix = "import { inspect } from 'node:util';\ninspect.defaultOptions.breakLength = Infinity;\n";
      const plain = runModule(`example-${i}.mjs`, prefix + source!).replaceAll('[Object: null prototype] ', '');
      expect(plain.trimEnd().split('\n')).toEqual(expected);
    });
  }

  it('type-checks without Node’s types, skipping no library', () => {
    writeFileSync(
      join(project, 'use.ts'),
      `import { evaluate, Evaluator, LimitError, NixFloat, NixValue, strict, WorkerEvaluator, type JsValue } from 'tsnix';
import * as browser from 'tsnix/browser';
const nix: Evaluator = new Evaluator({
  files: { '/a': new Uint8Array([1]), '/b': { symlink: '/a' } },
  globals: { f: strict((a: number, b: string) => a + b.length), g: (x: NixValue) => x.get('y', 0) },
  limits: { maxSteps: 1, maxDepth: 2, maxMemoryBytes: 3, timeoutMs: 4 },
  settings: { experimentalFeatures: ['pipe-operators'], nixPath: ['a=/b'] },
});
const value: NixValue = nix.evaluate('1');
const data: JsValue = value.toJS({ exact: true });
const names: string[] = value.names();
for (const element of value) element.call(1, 'x', new NixFloat(2)).type satisfies string;
const worker = new WorkerEvaluator({ stackSizeMb: 1, memoryMb: 2 });
const later: Promise<JsValue> = worker.evaluate('1', { timeoutMs: 1, args: [1] });
try { evaluate('x'); } catch (error) { if (error instanceof LimitError) error.code satisfies 'LIMIT'; }
const other: browser.Evaluator = new browser.Evaluator();
// @ts-expect-error: no such option
new Evaluator({ nonsense: 1 });
// @ts-expect-error: handles come from an Evaluator
new NixValue();
export { data, names, later, other };
`,
    );
    const options = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['es2022'], types: [] };
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...options, exactOptionalPropertyTypes: true }, files: ['use.ts'] }),
    );
    const { status, output } = run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc')], project);
    expect([status, output]).toEqual([0, '']);
  });

  it('runs in a browser: bundled without Node’s modules, with nothing but a page’s globals', async () => {
    const entry = `import { Evaluator, formatError } from 'tsnix';
      const nix = new Evaluator({ files: { '/a.nix': '{ x = "é"; }' } });
      const result = nix.evaluate(${JSON.stringify(browserExpression)}).toJS();
      let error;
      try { nix.evaluate('1 + {}'); } catch (e) { error = formatError(e); }
      globalThis.answer = JSON.stringify({ result, error, drv: nix.instantiate(${JSON.stringify(drv)}).drvPath });`;
    const { outputFiles, metafile } = await build({
      stdin: { contents: entry, resolveDir: project },
      bundle: true,
      platform: 'browser',
      format: 'iife',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    expect(Object.keys(metafile.inputs)).toContainEqual(expect.stringMatching(/dist\/browser\.js$/));
    const page = createContext({ TextEncoder, TextDecoder, atob, btoa, performance });
    runInContext(outputFiles[0]!.text, page);
    const there = JSON.parse(page['answer'] as string) as unknown;
    const here = runModule(
      'here.mjs',
      entry
        .replace('globalThis.answer =', 'console.log(')
        .replace(/;$/, ');')
        .replace('console.log( JSON', 'console.log(JSON'),
    );
    expect(there).toEqual(JSON.parse(here));
  });
});

const browserExpression = `[
  (import /a.nix).x (builtins.toJSON { a = 1.5; }) (builtins.match "(a+)b" "aab") (builtins.substring 0 1 "é")
  (map (algo: builtins.hashString algo "é") [ "md5" "sha1" "sha256" "sha512" ])
  (builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "nix32"; })
  (builtins.convertHash { hash = builtins.hashString "md5" "x"; hashAlgo = "md5"; toHashFormat = "sri"; })
  "\${builtins.toFile "a" "b"}" (builtins.fromJSON "\\"\\\\u00e9\\"") (builtins.fromTOML "a = 1").a
]`;
const drv = 'derivation { name = "x"; system = "y"; builder = ./a.nix; outputs = [ "out" "dev" ]; }';
