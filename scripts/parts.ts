// Divides the program for its start-up snapshot: what runs of a sample use (src/cli/warm.ts) is bundled as one; each other
// module is a part, compiled when it is first used (src/cli/parts.ts), for every start pays for the size of the snapshot.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

export interface Places {
  /** Of the clone. */
  readonly root: string;
  /** What every bundle is made with. */
  readonly common: BuildOptions;
  readonly sample: string;
}

interface Module {
  /** What it exports. */
  readonly names: readonly string[];
  /** Modules of the program, by their paths in the clone. */
  readonly imports: readonly string[];
  /** As a part. */
  readonly code: string;
}

/** By their paths in the clone. */
type Modules = ReadonlyMap<string, Module>;

const ENTRY = 'src/cli/snapshot.ts';
const LOADER = 'src/cli/parts.ts';
const WARM = 'src/cli/warm.ts';

/** What an import means: a module of the program, by its path in the clone; undefined for packages' own files. */
function moduleOf(root: string, path: string, resolveDir: string): string | undefined {
  const id = relative(root, resolve(resolveDir, path));
  return id.startsWith('src/') ? id : undefined;
}

/** Modules import one another by their paths in the clone. */
function importsLeft(root: string): Plugin {
  return {
    name: 'imports-left',
    setup(builder) {
      builder.onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
        const id = kind === 'entry-point' ? undefined : moduleOf(root, path, resolveDir);
        return id === undefined ? undefined : { path: id, external: true };
      });
    },
  };
}

/** All modules that `ENTRY` leads to, and each as a part. */
async function findModules({ root, common }: Places): Promise<Modules> {
  const buildEach = (entryPoints: string[], options: BuildOptions) =>
    build({
      ...common,
      ...options,
      entryPoints,
      outdir: root,
      outbase: root,
      write: false,
      metafile: true,
      plugins: [importsLeft(root), ...common.plugins!],
    });
  const { metafile } = await buildEach(
    globSync('src/**/*.ts', { cwd: root, exclude: ['**/*.test.ts', 'src/browser/**'] }),
    {
      format: 'esm',
      logLevel: 'error',
    },
  );
  const outputs = new Map(Object.values(metafile.outputs).map((output) => [output.entryPoint!, output]));
  const importsOf = (id: string): string[] =>
    outputs.get(id)!.imports.map(({ path }) => path).filter((path) => path.startsWith('src/')); // prettier-ignore
  const reached = new Set([ENTRY]);
  for (const id of reached) for (const other of importsOf(id)) reached.add(other);
  const { outputFiles } = await buildEach([...reached], {
    format: 'cjs',
    supported: { 'dynamic-import': false }, // it becomes `require`, too
    define: { ...common.define!, 'import.meta.url': 'importMetaUrl' },
  });
  const code = new Map(outputFiles.map(({ path, text }) => [relative(root, path).replace(/\.js$/, '.ts'), text]));
  return new Map(
    [...reached].map((id) => [
      id,
      {
        names: outputs.get(id)!.exports,
        imports: importsOf(id),
        code: `(function(require,module,importMetaUrl){${code.get(id)!}})`,
      },
    ]),
  );
}

/** Bundles `contents` with the modules in `linked`; in place of others is what loads them when it is used. */
async function link(
  places: Places,
  modules: Modules,
  linked: ReadonlySet<string>,
  options: BuildOptions,
): Promise<void> {
  const { root, common } = places;
  const parts: Plugin = {
    name: 'parts',
    setup(builder) {
      builder.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
        const id = moduleOf(root, path, resolveDir);
        return id === undefined || linked.has(id) ? undefined : { path: id, external: true };
      });
      builder.onResolve({ filter: /^loader:$/ }, () => ({ path: 'loader', namespace: 'loader' }));
      builder.onLoad({ filter: /.*/, namespace: 'loader' }, () => ({
        contents: `import { part } from './${LOADER}';\nloader.part = part;`,
        resolveDir: root,
      }));
      builder.onResolve({ filter: /^linked:$/ }, () => ({ path: 'modules', namespace: 'linked' }));
      builder.onLoad({ filter: /.*/, namespace: 'linked' }, () => ({
        contents: linkedModules(modules, linked),
        resolveDir: root,
      }));
    },
  };
  await build({
    ...common,
    ...options,
    format: 'cjs',
    define: { ...common.define, 'import.meta.url': 'importMetaUrl' },
    supported: { 'dynamic-import': false },
    banner: {
      js:
        "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" +
        'const loader = {};' +
        "require = ((node) => (id) => id.startsWith('src/') ? loader.part(id) : node(id))(require);",
    },
    plugins: [parts, ...common.plugins!],
  });
}

/** A module that gives parts what linked modules export. */
function linkedModules(modules: Modules, linked: ReadonlySet<string>): string {
  const imports: string[] = [];
  const entries: string[] = [];
  for (const id of linked) {
    if (id === ENTRY) continue;
    const names = modules.get(id)!.names.map((name, i) => ({ name, own: `m${entries.length}_${i}` }));
    imports.push(`import { ${names.map(({ name, own }) => `${name} as ${own}`).join(', ')} } from './${id}';`);
    entries.push(`'${id}': () => ({ ${names.map(({ name, own }) => `get ${name}() { return ${own}; }`).join(', ')} })`);
  }
  return `import { setLinked } from './${LOADER}';\n${imports.join('\n')}\nsetLinked({ ${entries.join(',\n')} });`;
}

/** The parts, one after the other, behind an index of them. */
function partsFile(modules: Modules, ids: readonly string[]): string {
  const indexFrom = (start: number): string => {
    let at = start;
    const index: Record<string, unknown> = {};
    for (const id of ids) {
      const { code } = modules.get(id)!;
      index[id] = [at, code.length];
      at += code.length;
    }
    return JSON.stringify(index);
  };
  // Where the code begins depends on how long the index is: there is room for large numbers, which spaces fill.
  const room = indexFrom(1e8).length;
  const index = indexFrom(8 + room).padEnd(room);
  return `${String(room).padStart(8)}${index}${ids.map((id) => modules.get(id)!.code).join('')}`;
}

/** What runs of the sample use, found by running them with all modules as parts but `linked`. */
async function usedBySample(places: Places, modules: Modules, linked: ReadonlySet<string>): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'tsnix-parts-'));
  try {
    const parts = join(dir, 'parts');
    const used = join(dir, 'used');
    const ids = [...modules.keys()].filter((id) => !linked.has(id));
    writeFileSync(parts, partsFile(modules, ids), 'latin1');
    const contents = `
      require('loader:');
      const { loadedParts, openParts, part, setLinked } = require('./${LOADER}');
      openParts(${JSON.stringify(parts)}, importMetaUrl);
      setLinked({ ${[...linked].map((id) => `'${id}': () => require('./${id}')`).join()} });
      part('${WARM}').warm().then(() => {
        require('node:fs').writeFileSync(${JSON.stringify(used)}, loadedParts().join('\\n'));
      });`;
    await link(places, modules, linked, {
      stdin: { contents, resolveDir: places.root },
      outfile: join(dir, 'sample.cjs'),
    });
    execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(dir, 'sample.cjs')], {
      env: { ...process.env, TSNIX_SNAPSHOT_SAMPLE: places.sample },
      stdio: 'inherit',
    });
    return readFileSync(used, 'utf8').split('\n');
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Modules that import the parser's library: in a part of its own each would have its own kinds of tokens. */
function usingChevrotain(root: string, modules: Modules): string[] {
  return [...modules.keys()].filter((id) =>
    /^import (?!type)[^;]*from 'chevrotain'/m.test(readFileSync(join(root, id), 'utf8')),
  );
}

/**
 * Writes `dist`/snapshot.cjs, of which the snapshot is made, and the parts beside it.
 * @throws Error where the sample fails
 */
export async function bundleInParts(places: Places, dist: string): Promise<void> {
  const { root, common } = places;
  const modules = await findModules(places);
  const parser = usingChevrotain(root, modules);
  const used = await usedBySample(places, modules, new Set([LOADER, ...parser]));
  const linked = new Set([ENTRY, LOADER, ...modules.get(ENTRY)!.imports, ...parser, ...used]);
  const parts = partsFile(
    modules,
    [...modules.keys()].filter((id) => !linked.has(id)),
  );
  // Named after what it holds: a program that starts while it is replaced finds none instead of another's.
  const name = `parts-${createHash('sha256').update(parts).digest('hex').slice(0, 16)}`;
  writeFileSync(join(dist, name), parts, 'latin1');
  await link(
    { ...places, common: { ...common, define: { ...common.define, TSNIX_PARTS: JSON.stringify(name) } } },
    modules,
    linked,
    {
      stdin: { contents: `import 'loader:';\nimport 'linked:';\nimport './${ENTRY}';`, resolveDir: root },
      outfile: join(dist, 'snapshot.cjs'),
    },
  );
}
