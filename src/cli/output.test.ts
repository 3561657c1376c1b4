import { expect, it } from 'vitest';
import { withoutControls } from './output.ts';

it('keeps control sequences from the terminal, colours only on request', () => {
  const cases: [string, string, string][] = [
    ['plain \n\ttext', 'plain \n\ttext', 'plain \n\ttext'],
    ['\x1b[31mred\x1b[0m', 'red', '\x1b[31mred\x1b[0m'],
    ['a\x1b[2Jb\x1b[1;1Hc', 'abc', 'abc'],
    ['\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\', 'xlink', 'xlink'],
    ['one\rtwo\x07', 'onetwo', 'onetwo'],
    ['cut \x1b[', 'cut ', 'cut '],
    ['\x1bcreset', 'creset', 'creset'],
    ['\x1bMup', 'up', 'up'],
  ];
  for (const [text, plain, colored] of cases) {
    expect(withoutControls(text, false)).toBe(plain);
    expect(withoutControls(text, true)).toBe(colored);
  }
});
