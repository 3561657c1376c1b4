import { expect, it } from 'vitest';
import { parseSubmodules, resolveSubmoduleUrl } from './git-submodules.ts';

it.each([
  ['https://example.org/x.git', 'https://example.com/a/b', 'https://example.org/x.git'],
  ['./x', 'https://example.com/a/b', 'https://example.com/a/b/x'],
  ['../x', 'https://example.com/a/b', 'https://example.com/a/x'],
  ['../../x/', 'https://example.com/a/b/', 'https://example.com/x'],
  ['.././x', 'https://example.com/a/b', 'https://example.com/a/x'],
  ['../x', 'git@example.com:a/b', 'git@example.com:a/x'],
  ['../x', 'git@example.com:b', 'git@example.com:x'],
  ['./x', '/srv/a', 'file:///srv/a/x'],
  ['../x', '/srv/a', 'file:///srv/x'],
  ['/srv/100%?#', '/srv/a', 'file:///srv/100%25%3f%23'],
  ['file:///srv/x', '/srv/a', 'file:///srv/x'],
])('%s from %s', (url, base, resolved) => {
  expect(resolveSubmoduleUrl(url, base)).toBe(resolved);
});

it('reads what git lists', () => {
  const listed =
    'submodule.a.b.path\nlib/./a\0submodule.a.b.url\n../a\0submodule.c.path\nc\0submodule.c.branch\n.\0submodule.d.url\nx\0';
  expect(parseSubmodules(listed)).toEqual([
    { path: 'lib/a', url: '../a', branch: null },
    { path: 'c', url: '', branch: '.' },
  ]);
});
