import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { NodeEvalIo } from '../eval/node-io.ts';

describeWith(['hg'], 'builtins.fetchMercurial', () => {
  let dir: string;
  const lines: string[] = [];
  const opened: NodeEvalIo[] = [];
  const run = (source: string, settings = {}): string => {
    const io = new NodeEvalIo({ system: 's', log: (line) => lines.push(line) });
    opened.push(io);
    return evaluate(source.replaceAll('@', dir), { io, settings });
  };
  const hg = (...args: string[]): string =>
    execFileSync('hg', ['-R', join(dir, 'repo'), ...args], {
      encoding: 'utf8',
      env: { ...process.env, HGPLAIN: '', HGUSER: 't' },
    }).trim();
  const revs: string[] = [];

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-hg-test-'));
    vi.stubEnv('XDG_CACHE_HOME', join(dir, 'cache'));
    mkdirSync(join(dir, 'repo/sub'), { recursive: true });
    execFileSync('hg', ['init', join(dir, 'repo')]);
    writeFileSync(join(dir, 'repo/a'), 'one');
    writeFileSync(join(dir, 'repo/sub/run'), '#!/bin/sh\n');
    chmodSync(join(dir, 'repo/sub/run'), 0o755);
    hg('add', join(dir, 'repo/a'), join(dir, 'repo/sub/run'));
    hg('commit', '-m', 'one');
    revs.push(hg('log', '-r', '.', '--template', '{node}'));
    writeFileSync(join(dir, 'repo/a'), 'two');
    hg('tag', 'v1');
    hg('commit', '-m', 'two');
    revs.push(hg('log', '-r', '.', '--template', '{node}'));
  }, 60_000);
  afterAll(() => {
    for (const io of opened) io.close();
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true });
  });

  it('the newest revision, a tag, a revision', { timeout: 60_000 }, () => {
    expect(run('removeAttrs (builtins.fetchMercurial @/repo) [ "outPath" ]')).toBe(
      `{ branch = "default"; rev = "${revs[1]!}"; revCount = 2; shortRev = "${revs[1]!.slice(0, 12)}"; }`,
    );
    const contents = (rev: string): string =>
      run(`builtins.readFile (builtins.fetchMercurial { url = "file://@/repo"; rev = "${rev}"; } + "/a")`);
    expect(contents('default')).toBe('"two"');
    expect(contents('v1')).toBe('"one"');
    expect(contents(revs[0]!)).toBe('"one"');
    expect(() => contents('nothing')).toThrow(/unknown revision 'nothing'/);
    expect(() => contents('-x')).toThrow("invalid Mercurial branch/tag name '-x'");
  });

  it('the tree is what lies in the repository, without its archive note', { timeout: 60_000 }, () => {
    expect(run('builtins.readDir (builtins.fetchMercurial @/repo)')).toBe(
      '{ ".hgtags" = "regular"; a = "regular"; sub = "directory"; }',
    );
  });

  it('uncommitted changes count, unknown files do not', { timeout: 60_000 }, () => {
    writeFileSync(join(dir, 'repo/a'), 'three');
    writeFileSync(join(dir, 'repo/unknown'), '');
    lines.length = 0;
    expect(
      run(
        'let r = builtins.fetchMercurial @/repo; in [ (builtins.readFile (r + "/a")) (builtins.attrNames (builtins.readDir r)) r.rev (r ? revCount) ]',
      ),
    ).toBe(`[ "three" [ ".hgtags" "a" "sub" ] "${'0'.repeat(40)}" false ]`);
    expect(lines).toEqual([`warning: Mercurial tree "${dir}/repo" is unclean`]);
    hg('revert', '--no-backup', '--all');
  });

  it('wrong arguments', () => {
    expect(() => run('builtins.fetchMercurial { url = "@/repo"; odd = 1; }')).toThrow(
      "unsupported argument 'odd' to 'fetchMercurial'",
    );
    expect(() => run('builtins.fetchMercurial { }')).toThrow("'url' argument required");
    expect(() => run('builtins.fetchMercurial "@/repo"', { pureEval: true })).toThrow(
      "in pure evaluation mode, 'fetchMercurial' requires a Mercurial revision",
    );
  });

  it('the same tree by fetchTree', { timeout: 60_000 }, () => {
    const settings = { experimentalFeatures: new Set(['fetch-tree']) };
    expect(
      run(
        `(builtins.fetchTree { type = "hg"; url = "file://@/repo"; rev = "${revs[0]!}"; }).outPath == (builtins.fetchMercurial { url = "@/repo"; rev = "${revs[0]!}"; }).outPath`,
        settings,
      ),
    ).toBe('true');
  });
});
