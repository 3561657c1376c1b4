import { describe, expect, it } from 'vitest';
import { allSteps, parseSandboxPaths, sandboxLayout } from './layout.ts';
import type { LayoutOptions } from './layout.ts';

const base: LayoutOptions = {
  store: {
    path: '/nix/store',
    outputsDir: '/real/out',
    inputsDir: '/real/store',
    inputs: [{ name: 'a', kind: 'directory' }],
  },
  buildDir: '/real/build',
  buildTop: '/build',
  tmpDir: '/real/tmp',
  sandboxPaths: [],
  uid: 1000,
  gid: 100,
  network: false,
};

describe('parseSandboxPaths()', () => {
  it('leaves /bin to sandbox-paths where they show the host’s', () => {
    const paths = (words: string[]): string[] =>
      allSteps(sandboxLayout({ ...base, shell: '/store/sh', sandboxPaths: parseSandboxPaths(words) })).map(
        (step) => step.path,
      );
    expect(paths([])).toContain('/bin/sh');
    expect(paths(['/bin=/usr/bin', '/usr'])).not.toContain('/bin/sh');
  });

  it('reads targets, sources and question marks; the last of a target counts', () => {
    expect(parseSandboxPaths(['/a', '/b=/c', '/d?', '/e=/f=g?', '/a=/z'])).toEqual([
      { target: '/a', source: '/z', optional: false },
      { target: '/b', source: '/c', optional: false },
      { target: '/d', source: '/d', optional: true },
      { target: '/e', source: '/f=g', optional: true },
    ]);
  });
});

describe('sandboxLayout()', () => {
  it('binds the store directory before what lies in it', () => {
    const binds = allSteps(sandboxLayout(base)).filter(({ op, path }) => op === 'bind' && path.startsWith('/nix'));
    expect(binds).toEqual([
      { op: 'bind', path: '/nix/store', source: '/real/out', readOnly: false },
      { op: 'bind', path: '/nix/store/a', source: '/real/store/a', readOnly: true },
    ]);
  });

  it('binds what the builder may write to before a store directory that lies below', () => {
    const layout = sandboxLayout({ ...base, store: { ...base.store, path: '/tmp/x/store' } });
    const paths = allSteps(layout).map((step) => step.path);
    expect(paths.indexOf('/tmp')).toBeLessThan(paths.indexOf('/tmp/x/store'));
  });

  it('leaves /dev alone where the user shows one', () => {
    const layout = allSteps(sandboxLayout({ ...base, sandboxPaths: parseSandboxPaths(['/dev']) }));
    expect(layout.filter((step) => step.path.startsWith('/dev')).map((step) => step.path)).toEqual(['/dev']);
  });

  it('refuses a missing source unless it is optional', () => {
    expect(() => sandboxLayout({ ...base, sandboxPaths: parseSandboxPaths(['/x=/does/not/exist']) })).toThrow(
      "getting attributes of path '/does/not/exist'",
    );
    expect(() => sandboxLayout({ ...base, sandboxPaths: parseSandboxPaths(['/x=/does/not/exist?']) })).not.toThrow();
  });
});
