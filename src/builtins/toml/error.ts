// Errors of TOML documents, laid out as toml11 (the library that Nix uses) lays them out.

export class TomlError extends Error {}

/**
 * An error at [at, at + length) of `text`: title, line, and `note` under it.
 */
export function tomlError(text: string, at: number, length: number, title: string, note: string): TomlError {
  const start = at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1;
  const newline = text.indexOf('\n', start);
  const line = text.slice(start, newline < 0 ? text.length : newline);
  let number = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < start; i = text.indexOf('\n', i + 1)) number++;
  const margin = ' '.repeat(number.toString().length + 1);
  const column = at - start;
  const carets = '^'.repeat(Math.max(1, Math.min(length, line.length - column)));
  return new TomlError(
    `[error] ${title}\n --> fromTOML\n${margin} |\n ${number} | ${line}\n${margin} | ${' '.repeat(column)}${carets}-- ${note}\n`,
  );
}
