// The end of a run that may leave an answer without Node, or has found that there is none any more.
import { closeSync, fstatSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDir } from '../cache-dir.ts';
import { openOwnFile } from './own-files.ts';
import { MAX_OUTPUT, takeQuickAnswer } from './quick-answer.ts';

/** What is asked for with another environment each time is not written each time, which takes longer than the answer. */
const REWRITE_MS = 10_000;

function isYoung(file: string): boolean {
  const fd = openOwnFile(file, false);
  if (fd === undefined) return false;
  const age = Date.now() - fstatSync(fd).mtimeMs;
  closeSync(fd);
  return age >= 0 && age < REWRITE_MS;
}

/** At the end of a command. Never throws. */
export async function finishQuickAnswer(status: number): Promise<void> {
  const answer = takeQuickAnswer();
  if (answer === undefined) return;
  if (dirname(answer.file) !== join(cacheDir(), 'quick')) return;
  if (status === 0 && answer.answered !== undefined && answer.refused.size === 0 && answer.size <= MAX_OUTPUT) {
    if (isYoung(answer.file)) return;
    try {
      const { writeQuickEntry } = await import('./quick-entry.ts');
      if (writeQuickEntry(answer, answer.answered)) return;
    } catch {
      // a program that lacks this part has answered all the same
    }
  }
  try {
    // It was not right any more, or would have been given.
    unlinkSync(answer.file);
  } catch {
    // there was none
  }
}
