// Words of shell command lines: taking them apart as `#! nix-shell` lines want it, and quoting them.
import { UsageError } from '../../util/errors.ts';

/** Quoted for a shell, always. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Words of a line as a shell cuts them, with both kinds of quotes and backslashes, but nothing expanded. As in Nix, and
 * unlike in a shell, a backslash in double quotes stands for the character behind it, whichever that is.
 */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (quote === "'") {
      if (char === "'") quote = '';
      else word = (word ?? '') + char;
    } else if (char === '\\' && i + 1 < line.length) {
      word = (word ?? '') + line[++i]!;
    } else if (quote === '"') {
      if (char === '"') quote = '';
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== '') throw new UsageError('unterminated quote in shebang line');
  if (word !== undefined) words.push(word);
  return words;
}
