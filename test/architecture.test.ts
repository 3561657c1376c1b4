// Who may import whom (docs/architecture.md), no cycles between files, no file past its length.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const src = join(root, 'src');

/** Area → areas that it may import, itself and util aside. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  util: [],
  parser: [],
  store: [],
  // node-io.ts, the evaluator's way to the machine, downloads.
  eval: ['parser', 'store', 'fetch'],
  builtins: ['eval', 'parser', 'store', 'fetch'],
  build: ['store', 'fetch'],
  docker: ['store', 'build', 'fetch'],
  fetch: ['store'],
  api: ['parser', 'eval', 'builtins', 'store', 'fetch'],
  browser: ['eval', 'api'],
  cli: ['parser', 'eval', 'builtins', 'store', 'build', 'docker', 'fetch'],
};

/** Data and single tables that are long by nature. */
const longFiles = new Set<string>([]);

const files = globSync('**/*.ts', { cwd: src }).filter((file) => !file.endsWith('.test.ts'));
const areaOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : 'index');

function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(join(src, file), 'utf8');
  const out: { target: string; typeOnly: boolean }[] = [];
  for (const match of text.matchAll(
    /(?:^|\n)(?:import|export)\s+(type\s)?[^'"();]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g,
  )) {
    const target = match[2] ?? match[3]!;
    out.push({ target: relative(src, normalize(join(src, dirname(file), target))), typeOnly: match[1] !== undefined });
  }
  return out;
}

describe('architecture', () => {
  it('imports only downwards', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const area = areaOf(file);
      if (area === 'index') continue;
      for (const { target } of importsOf(file)) {
        const to = areaOf(target);
        if (to !== area && to !== 'util' && !(arrows[area] ?? []).includes(to)) wrong.push(`${file} -> ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('has no cycles at run time', () => {
    const graph = new Map(
      files.map((file) => [file, importsOf(file).flatMap((i) => (i.typeOnly ? [] : [i.target]))] as const),
    );
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps files short', () => {
    const long = files.filter(
      (file) => !longFiles.has(file) && readFileSync(join(src, file), 'utf8').split('\n').length > 601,
    );
    expect(long).toEqual([]);
  });
});
