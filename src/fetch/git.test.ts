import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { checkOutGit, type GitCaching, type GitCheckout, type GitSource } from './git.ts';

describeWith(['git'], 'git repositories', () => {
  let dir: string;
  const options = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'commit.gpgsign=false'];
  const git = (repo: string, ...args: string[]): string =>
    execFileSync('git', ['-C', join(dir, repo), ...options, ...args], { encoding: 'utf8' }).trim();
  const checkOut = (url: string, source: Partial<GitSource> = {}, caching?: GitCaching): GitCheckout => {
    const none = { ref: null, rev: null, submodules: false, shallow: false, allRefs: false, exportIgnore: true };
    const made = checkOutGit({ url, ...none, ...source }, caching);
    rmSync(made.tempDir, { recursive: true });
    return made;
  };

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsnix-git-test-'));
    // Runs here what would run on the other machine.
    writeFileSync(join(dir, 'ssh'), '#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"\n', {
      mode: 0o755,
    });
    for (const repo of ['one', 'other']) {
      execFileSync('git', ['init', '--quiet', '--initial-branch=main', join(dir, repo)]);
      for (const text of ['first', 'second']) {
        writeFileSync(join(dir, repo, 'file'), text);
        git(repo, 'add', '.');
        git(repo, 'commit', '--quiet', '-m', `${repo}, ${text}`);
      }
    }
    git('one', 'branch', 'old', 'HEAD~');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  it('a hook of another repository changes nothing', () => {
    vi.stubEnv('GIT_DIR', join(dir, 'other/.git'));
    vi.stubEnv('GIT_INDEX_FILE', join(dir, 'other/.git/index'));
    const { rev } = checkOut(`file://${dir}/one`);
    vi.unstubAllEnvs();
    expect(rev).toBe(git('one', 'rev-parse', 'HEAD'));
  });

  it('a fetch without history does not shorten the next one', () => {
    vi.stubEnv('XDG_CACHE_HOME', join(dir, 'cache'));
    vi.stubEnv('GIT_SSH_COMMAND', join(dir, 'ssh'));
    const url = `ssh://nobody@nowhere.invalid${dir}/one`;
    expect(checkOut(url, { shallow: true }).revCount).toBeNull();
    expect(checkOut(url).revCount).toBe(2);
    expect(checkOut(url, { ref: 'old' }).revCount).toBe(1);
    // Each ref is kept under a name of its own: two fetches at once do not mix them up.
    const cached = execFileSync('git', ['for-each-ref', '--format=%(objectname)'], {
      encoding: 'utf8',
      env: { ...process.env, GIT_DIR: cacheWithHistory() },
    });
    expect(new Set(cached.trim().split('\n'))).toEqual(
      new Set([git('one', 'rev-parse', 'main'), git('one', 'rev-parse', 'old')]),
    );
  });

  it('another machine is asked again once what it said is old, and done without where it is gone', () => {
    vi.stubEnv('XDG_CACHE_HOME', join(dir, 'aging'));
    vi.stubEnv('GIT_SSH_COMMAND', join(dir, 'ssh'));
    const url = `ssh://nobody@nowhere.invalid${dir}/other`;
    const warnings: string[] = [];
    const after = (ttl: number): string | null =>
      checkOut(url, { ref: 'main' }, { ttl, warn: (message) => void warnings.push(message) }).rev;
    const before = after(0);
    git('other', 'commit', '--quiet', '--allow-empty', '-m', 'third');
    expect(after(3600)).toBe(before);
    const third = git('other', 'rev-parse', 'HEAD');
    expect(after(0)).toBe(third);
    expect(after(3600)).toBe(third);
    expect(warnings).toEqual([]);
    vi.stubEnv('GIT_SSH_COMMAND', 'false');
    expect(after(0)).toBe(third);
    expect(warnings).toEqual([
      `could not update local clone of Git repository '${url}'; continuing with the most recent version`,
    ]);
    expect(() => checkOut(url, { ref: 'old' }, { ttl: 0, warn: () => undefined })).toThrow('cannot fetch');
  });

  function cacheWithHistory(): string {
    const caches = execFileSync('sh', ['-c', 'ls -d "$1"/cache/tsnix/git/*', 'sh', dir], { encoding: 'utf8' });
    const found = caches
      .trim()
      .split('\n')
      .find((cache) => {
        const args = [`--git-dir=${cache}`, 'rev-parse', '--is-shallow-repository'];
        return execFileSync('git', args, { encoding: 'utf8' }).trim() === 'false';
      });
    return found!;
  }
});
