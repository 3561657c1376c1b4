// Counts of activities as the bar shows them: `1/2/3 built, 2/4 copied (1.0/3.5 MiB), 0.7 MiB DL`.
import { BLUE, GREEN, NORMAL, RED } from '../../util/excerpt.ts';
import { sizeUnit, sizeInUnit, renderSize } from '../../util/render-size.ts';

export interface Counts {
  done: number;
  expected: number;
  running: number;
  failed: number;
}

// Colours are sequences, which whoever shows the text may take away.
const blue = (text: string): string => `${BLUE}${text}${NORMAL}`;
const green = (text: string): string => `${GREEN}${text}${NORMAL}`;
const red = (text: string): string => `${RED}${text}${NORMAL}`;

/** Numbers that are shown: running and done, of how many; those that tell nothing are left out. */
function shape({ done, expected, running }: Counts): readonly ['running' | 'done' | 'rest', number][] {
  if (running > 0) {
    const both = [['running', running] as const, ['done', done] as const];
    return (expected === 0 ? both : [...both, ['rest', expected]]) as ['running' | 'done' | 'rest', number][];
  }
  if (expected !== done) {
    return expected === 0
      ? [['done', done]]
      : [
          ['done', done],
          ['rest', expected],
        ];
  }
  return [[done > 0 ? 'done' : 'rest', done]];
}

const paints = { running: blue, done: green, rest: (text: string): string => text };

function isNothing({ done, expected, running, failed }: Counts): boolean {
  return done + expected + running + failed === 0;
}

/** '' where there is nothing to tell. */
export function renderCounts(counts: Counts, word: string): string {
  if (isNothing(counts)) return '';
  const numbers = shape(counts).map(([kind, n]) => paints[kind](String(n)));
  const failed = counts.failed > 0 ? ` (${red(`${counts.failed} failed`)})` : '';
  return `${numbers.join('/')}${word}${failed}`;
}

/** The same of bytes; one unit where all have it. */
export function renderSizes(counts: Counts, word: string): string {
  if (isNothing(counts)) return '';
  const parts = shape(counts);
  const units = new Set(parts.map(([, bytes]) => sizeUnit(bytes)));
  const [unit] = units;
  const common = units.size === 1;
  const shown = parts.map(([kind, bytes]) => paints[kind](common ? sizeInUnit(bytes, unit!) : renderSize(bytes)));
  const failed = counts.failed > 0 ? ` (${red(`${renderSize(counts.failed)} failed`)})` : '';
  return `${shown.join('/')}${common ? ` ${unit!}iB` : ''}${word}${failed}`;
}
