// The process that runs cases, many of them: a case that ends it, or that it does not come back from, is known to
// whoever started it by what was written to descriptor 3: the number of each case before it runs.
//   node child.ts cases SEED FIRST COUNT FORMATS FOLDER…    F\t<number>\t<message> on descriptor 3 for a finding
//   node child.ts one FORMAT SEED NUMBER                    input from stdin; status 3 and the message for a finding
import { readFileSync, writeSync } from 'node:fs';
import { readCorpus } from './corpus.ts';
import { randomInput, type Format } from './inputs.ts';
import { Random } from './random.ts';
import { runTarget } from './targets.ts';

const [mode, ...args] = process.argv.slice(2);

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  // Lines of a stack say where; the deepest few are enough, and stay the same while a case shrinks.
  const place = (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '));
  return `${error.name}: ${error.message.slice(0, 200)} ${place.slice(0, 3).join(' ')}`.replaceAll(/\s+/g, ' ');
}

function finding(format: Format, text: string, random: Random): string | null {
  try {
    runTarget(format, text, random);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Runs the same whatever the input was made from: the choices of a target are of a generator of their own. */
const choices = (seed: number, index: number): Random => new Random(seed + 1, index);

if (mode === 'one') {
  const [format, seed, index] = args as [Format, string, string];
  const message = finding(format, readFileSync(0, 'latin1'), choices(Number(seed), Number(index)));
  if (message !== null) {
    process.stdout.write(message);
    process.exitCode = 3;
  }
} else {
  const [seed, first, count] = args.slice(0, 3).map(Number) as [number, number, number];
  const formats = args[3]!.split(',') as Format[];
  const corpus = readCorpus(args.slice(4));
  for (let i = first; i < first + count; i++) {
    writeSync(3, `${i}\n`);
    const random = new Random(seed, i);
    const format = random.pick(formats);
    const message = finding(format, randomInput(random, format, corpus), choices(seed, i));
    if (message !== null) writeSync(3, `F\t${i}\t${message}\n`);
  }
  writeSync(3, 'done\n');
}
