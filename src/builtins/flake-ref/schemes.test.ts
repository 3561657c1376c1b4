// Names of branches and tags: what git itself takes for one.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeWith } from '../../../test/support/requirements.ts';
import { utf8 } from '../../util/bytes.ts';
import { checkInput } from './schemes.ts';

const NAMES = [
  ...['a/b', 'heads/fu\u00df', 'x#', '$1', 'a.b', 'a./b', '_x', 'x.locke', 'a@b', 'a-', "it's", '%41', 'a}', 'a]'],
  ...['a//b', '/a', 'a/', '.a', 'a/.b', 'a..b', 'a b', 'a~b', 'a^', 'a:b', 'a?', 'a*', 'a[', 'a\\b', '-a', 'a.lock'],
  ...['a.lock/b', 'a@{b', '', 'a.', 'a\x7fb', 'a\nb'],
];

describeWith(['git'], 'isRefName', () => {
  it.each(NAMES)('%j', (name) => {
    const isName = (): boolean => {
      try {
        checkInput(
          new Map([
            ['type', 'git'],
            ['url', 'file:///x'],
            ['ref', utf8(name)],
          ]),
        );
        return true;
      } catch {
        return false;
      }
    };
    expect(isName()).toBe(spawnSync('git', ['check-ref-format', '--branch', name]).status === 0);
  });
});
