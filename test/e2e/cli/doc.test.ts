// `tsnix doc`.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

function doc(...names: string[]): { status: number | null; stdout: string; stderr: string } {
  const program = resolve(import.meta.dirname, '../../../bin/tsnix');
  const { status, stdout, stderr } = spawnSync(program, ['doc', ...names], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('tsnix doc', () => {
  it('prints the manual of builtins, by any of their names', () => {
    const { status, stdout } = doc("builtins.foldl'");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^## `builtins\.foldl'` \*op\* \*nul\* \*list\*\n\n\w/);
    expect(stdout).toContain('x2 …`');
    expect(doc("foldl'").stdout).toBe(stdout);
    expect(doc("__foldl'").stdout).toBe(stdout);
    expect(doc('map', 'builtins', 'currentSystem').stdout).toMatch(
      /`builtins\.map`[^]*`builtins` \(set\)[^]*`builtins\.currentSystem`/,
    );
  });

  it('lists them all, one line each', () => {
    const lines = doc().stdout.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(120);
    expect(lines).toContainEqual(expect.stringMatching(/^builtins\.map f list {2}\S/));
    expect(lines.filter((line) => line.includes('`') || line.length > 300)).toEqual([]);
  });

  it('says what is not there', () => {
    const { status, stderr } = doc('builtins.mapp');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: there is no builtin 'mapp'\n.*Did you mean map\?/);
  });
});
