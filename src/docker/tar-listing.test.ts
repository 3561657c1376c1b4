import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWith } from '../../test/support/requirements.ts';
import { utf8 } from '../util/bytes.ts';
import { memberWithout, packTar } from './tar-packer.ts';
import { listLikeOriginal } from './tar-listing.ts';
import { ROOT_OWNER } from './tree.ts';

const SCRIPT = `
  for f in $(tar -tf - | xargs realpath -ms --relative-to=.); do
    if [[ "$f" != "." ]]; then echo "/$f"; fi
  done`;

function archive(names: readonly string[]): Buffer {
  return Buffer.concat([
    ...packTar(
      names.map((name) =>
        memberWithout({ name, type: 'file', mode: 0o444, ...ROOT_OWNER, size: 0, mtime: 1, linkName: '' }),
      ),
    ),
  ]);
}

describeWith(['tar', 'xargs', 'realpath', 'bash'], 'listLikeOriginal() against the original', () => {
  const theirs = (names: readonly string[]): string[] =>
    execFileSync('bash', ['-c', `set -f; ${SCRIPT}`], {
      input: archive(names),
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/tmp',
    })
      .toString('latin1')
      .split('\n')
      .slice(0, -1);

  it.each([
    [['./', './nix/', 'nix/store/', './etc//x', './a/../b', 'c/.', './d/']],
    [['with space', 'two  blanks/x', 'tab\tx', 'line\nx', 'a\\b', 'x\\x2dy', utf8('naïve'), 'b\xff', '\x01\x7f']],
    [['*', '[', 'a?b', '$HOME', '`x`', '#', '~', '!', '(x)', '&', ';', '<', '|', '{a,b}', '=x']],
    [["'quoted'", '"double quoted"', "a'b c'd", '""', 'x""y']],
    [['before', "it's", 'after']],
    [['before', 'say "x', 'after']],
    [[]],
  ])('%j', (names) => {
    expect([...listLikeOriginal(names)]).toEqual(theirs(names));
  });

  it('agrees on what an open quote spares after a full command line', () => {
    const names = Array.from({ length: 3000 }, (_, i) => `nix/store/${'x'.repeat(i % 90)}/${i}`);
    names.splice(2500, 0, "it's");
    expect([...listLikeOriginal(names)]).toEqual(theirs(names));
  });
});

describe('listLikeOriginal()', () => {
  it('lists nothing outside', () => {
    expect([...listLikeOriginal(['/etc/passwd', '../x', 'a/../../b', 'ok'])]).toEqual(['/ok']);
  });
});
