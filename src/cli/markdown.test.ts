import { describe, expect, it } from 'vitest';
import { style } from './markdown.ts';

const plain = (text: string): string =>
  style(text)
    .replaceAll('\x1b[0m', '>')
    .replaceAll('\x1b[1m', '<b ')
    .replaceAll('\x1b[4m', '<u ')
    .replaceAll('\x1b[36m', '<c ');

describe('style()', () => {
  it('styles headings, code, emphasis, and leaves the rest', () => {
    expect(plain('## `builtins.map` *f* *list*')).toBe('<b builtins.map f list>');
    expect(plain('Gives *x* and **all** of `a * b` and 2 * 3 * 4.')).toBe(
      'Gives <u x> and <b all> of <c a * b> and 2 * 3 * 4.',
    );
    expect(plain('one\\\n  two')).toBe('one\n  two');
    expect(plain('```nix\na * b *c*\n```\n    *code*')).toBe('<c a * b *c*>\n    *code*');
  });
});
