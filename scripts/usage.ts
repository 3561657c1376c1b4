// Flags of scripts: what a script says of itself at its beginning is its help.
import { readFileSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The comment at the beginning of a script. */
function helpOf(file: string): string {
  const lines = readFileSync(file, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n');
}

/** Says what is wrong with the arguments, and ends the process. */
export function usageError(message: string): never {
  console.error(`error: ${message}\nSee --help.`);
  process.exit(2);
}

/** As util.parseArgs, for the script `file`; `--help` prints its help and ends the process, what is wrong is told. */
export function parseOptions<T extends ParseArgsConfig>(file: string, config: T): ReturnType<typeof parseArgs<T>> {
  if (process.argv.slice(2).includes('--help')) {
    console.log(helpOf(file));
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return usageError((error as Error).message);
  }
}

/** The value of a flag that takes a number. */
export function numberOf(flag: string, value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !(number >= 0)) usageError(`'--${flag}' wants a number, not '${value}'`);
  return number;
}
