// The caches as a user meets them: the same answers, and a word on why.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestInstallation } from '../../support/tsnix.ts';

const HIT = 'evaluation cache: nothing changed: the answer is from the cache\n';

describe('caches', () => {
  let tsnix: TestInstallation;
  beforeAll(() => {
    tsnix = new TestInstallation();
  });
  afterAll(() => {
    tsnix.close();
  });
  const write = (name: string, text: string): void => {
    writeFileSync(join(tsnix.dir, name), text);
  };
  const info = (): { caches: Record<string, { files: number }> } =>
    JSON.parse(tsnix.run(['cache', 'info', '--json']).stdout) as { caches: Record<string, { files: number }> };

  it('answer again, with everything that was said', () => {
    write('x.nix', 'builtins.trace "said" (import ./y.nix)');
    write('y.nix', '{ a = [ 1 "two" ]; }');
    const args = ['eval', 'x.nix', '--explain-cache'];
    const first = tsnix.run(args);
    expect(first).toMatchObject({ status: 0, stdout: '{ a = [ 1 "two" ]; }\n' });
    expect(tsnix.run(args)).toEqual({ ...first, stderr: `${HIT}trace: said\n` });
    write('y.nix', '3');
    const changed = tsnix.run(args);
    expect(changed.stdout).toBe('3\n');
    expect(changed.stderr).toContain(`evaluated anew: '${tsnix.dir}/y.nix' has changed\n`);
  });

  it.each(['nix-instantiate', 'nix-build --dry-run'])('answer %s', (command) => {
    write(
      'd.nix',
      'derivation { name = "d"; system = "x86_64-linux"; builder = "/b"; src = builtins.toFile "t" "t"; }',
    );
    const args = [...command.split(' '), 'd.nix', '--explain-cache'];
    const first = tsnix.run(args);
    const again = tsnix.run(args);
    expect(first.status).toBe(0);
    expect(again.stdout).toBe(first.stdout);
    expect(again.stderr).toContain(HIT);
  });

  it('hold for import from derivation, as long as what was built is there', () => {
    write('ifd.nix', '{ writeText }: import (writeText "x.nix" "{ a = 1; }")');
    const args = ['eval', 'ifd.nix', '-A', 'a', '--explain-cache'];
    expect(tsnix.run(args)).toMatchObject({ status: 0, stdout: '1\n' });
    expect(tsnix.run(args)).toMatchObject({ status: 0, stdout: '1\n', stderr: HIT });
    expect(tsnix.run(['nix-store', '--gc']).status).toBe(0);
    const built = tsnix.run(args);
    expect(built.stdout).toBe('1\n');
    expect(built.stderr).toContain('evaluated anew');
  });

  it('leave errors as they are', () => {
    write('bad.nix', 'let\n  f = import ./f.nix;\nin\nf { a = "x"; }');
    write('f.nix', '{ a }:\n  # adds\n  1 + a');
    const args = ['eval', 'bad.nix', '--show-trace'];
    const parsed = tsnix.run(args);
    expect(parsed).toMatchObject({ status: 1 });
    expect(parsed.stderr).toContain(`f.nix:3:`);
    expect(tsnix.run(args)).toEqual(parsed);
    expect(tsnix.run([...args, '--no-cache'])).toEqual(parsed);
  });

  it('are shown and cleared', () => {
    write('x.nix', '1');
    tsnix.run(['eval', 'x.nix']);
    expect(info().caches['packs']!.files).toBeGreaterThan(0);
    expect(info().caches['results']!.files).toBeGreaterThan(0);
    expect(tsnix.run(['cache', 'info']).stdout).toContain('results of evaluation');
    expect(tsnix.run(['cache', 'clear']).status).toBe(0);
    expect(info().caches).toMatchObject({ packs: { files: 0 }, results: { files: 0 } });
    tsnix.run(['eval', 'x.nix', '--no-cache']);
    expect(info().caches).toMatchObject({ packs: { files: 0 }, results: { files: 0 } });
    tsnix.run(['eval', 'x.nix', '--no-eval-cache']);
    expect(info().caches['packs']!.files).toBe(1);
    expect(info().caches).toMatchObject({ results: { files: 0 } });
    expect(tsnix.run(['cache', 'fill'])).toMatchObject({ status: 1 });
  });

  it('do without a folder to write to', () => {
    write('x.nix', '{ a = 1; }');
    write('none', '');
    const env = { XDG_CACHE_HOME: join(tsnix.dir, 'none') };
    for (let i = 0; i < 2; i++) {
      expect(tsnix.run(['eval', 'x.nix'], { env })).toEqual({ status: 0, stdout: '{ a = 1; }\n', stderr: '' });
    }
    expect(readFileSync(join(tsnix.dir, 'none'), 'latin1')).toBe('');
  });
});
