// Help of `tsnix image` and its commands, from their own tables of flags.
import { utf8 } from '../../../util/bytes.ts';
import type { Flag } from '../../flags.ts';
import { print, say } from '../../output.ts';
import type { ImageCommand } from './index.ts';

const COLUMN = 34;
const WIDTH = 100;

function row(left: string, right: string): string {
  const start = left.length < COLUMN - 1 ? left.padEnd(COLUMN) : `${left}\n${' '.repeat(COLUMN)}`;
  let out = start;
  let column = COLUMN;
  for (const word of right.split(' ')) {
    if (column > COLUMN && column + 1 + word.length > WIDTH) {
      out += `\n${' '.repeat(COLUMN)}`;
      column = COLUMN;
    }
    out += column === COLUMN ? word : ` ${word}`;
    column += word.length + (column === COLUMN ? 0 : 1);
  }
  return out;
}

function flagRow({ name, short, args, describe, negatable }: Flag): string {
  const names = `  ${short === undefined ? '    ' : `-${short}, `}--${negatable === true ? '[no-]' : ''}${name}`;
  return row([names, ...args].join(' '), describe);
}

/** @param asked whether somebody wanted to know; otherwise it is an answer to a mistake */
export async function imageHelp(
  commands: Readonly<Record<string, () => Promise<ImageCommand>>>,
  name: string | undefined,
  asked: boolean,
): Promise<number> {
  const load = name === undefined ? undefined : commands[name];
  const lines: string[] = [];
  if (load !== undefined) {
    const { usage, describe, flags } = await load();
    lines.push(`tsnix image ${usage}`, '', describe, '', 'Flags:', ...flags.map(flagRow));
  } else {
    lines.push('tsnix image COMMAND', '', 'Container images: build, move, look into and run them', '', 'Commands:');
    for (const command of Object.values(commands)) {
      const { usage, describe } = await command();
      lines.push(row(`  ${usage.split(' ')[0]!}`, describe.split('\n')[0]!));
    }
    lines.push(
      '',
      'Images are named as by skopeo: docker-archive:FILE[:NAME:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG],',
      'docker://[HOST/]NAME[:TAG|@DIGEST]; a bare path is the archive or layout that lies there.',
      "'tsnix image COMMAND --help' tells more.",
    );
  }
  const text = utf8(lines.join('\n'));
  if (asked) print(`${text}\n`);
  else say(text);
  return asked ? 0 : 1;
}
