import { expect, it } from 'vitest';
import { utf8 } from '../util/bytes.ts';
import { withoutControls } from './output.ts';

it('keeps control sequences from the terminal, colours only on request', () => {
  const cases: [string, string, string][] = [
    ['plain \ntext', 'plain \ntext', 'plain \ntext'],
    ['\x1b[31mred\x1b[0m', 'red', '\x1b[31mred\x1b[0m'],
    ['a\x1b[2Jb\x1b[1;1Hc', 'abc', 'abc'],
    ['\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\', 'xlink', 'xlink'],
    ['one\rtwo\x07', 'onetwo', 'onetwo'],
    ['cut \x1b[', 'cut ', 'cut '],
    ['\x1bcreset', 'creset', 'creset'],
    ['\x1bMup', 'up', 'up'],
    [utf8('\u009b31mred\u009b2Jb\u009d\u0085c'), 'redbc', 'redbc'],
    [utf8('a\u00a0é\u0100'), utf8('a\u00a0é\u0100'), utf8('a\u00a0é\u0100')],
    ['hidden\b\b\b\x0e\x0f\x05', 'hidden', 'hidden'],
  ];
  for (const [text, plain, colored] of cases) {
    expect(withoutControls(text, false)).toBe(plain);
    expect(withoutControls(text, true)).toBe(colored);
  }
});

it('expands tabs as the logger of Nix does: columns run on over line ends', () => {
  const cases: [string, string][] = [
    ['foo\tbar\tbaz', 'foo     bar     baz'],
    ['\tx', '        x'],
    ['12345678\tx', '12345678        x'],
    ['abc\n\tx', 'abc\n     x'],
    ['\x1b[31mab\x1b[0m\tx', 'ab      x'],
    [utf8('éé\tx'), utf8('éé      x')],
    [utf8('日本\tx'), utf8('日本    x')],
    ['\xff\tx', '\xff       x'],
  ];
  for (const [text, expanded] of cases) expect(withoutControls(text, false)).toBe(expanded);
  expect(withoutControls('\x1b[31mab\x1b[0m\tx', true)).toBe('\x1b[31mab\x1b[0m      x');
});
