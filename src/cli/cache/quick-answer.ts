// Answers without Node: a run that the evaluation cache answered leaves what it printed, and stamps of everything that it
// depended on, where bin/tsnix finds it by command line and folder, and has a program in perl compare and print it
// (src/cli/quick-answer.pl). Here is what a run notes on the way; quick-entry.ts writes.
import { copyOutput } from '../output.ts';
import type { StorePath } from '../../store/store.ts';
import type { Session } from '../session.ts';
import { noteLooks, type Looks } from './looks.ts';
import type { Inputs } from './recorder.ts';

export interface ProgramFile {
  readonly fd: number;
  readonly path: string;
}

/** What one run notes. */
export interface QuickAnswer {
  /** Where bin/tsnix looks. */
  readonly file: string;
  readonly startMs: number;
  /** A file of this very program, open since before the program did anything. */
  readonly program: ProgramFile;
  /** As it was at the start. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly looks: Looks;
  /** What was written, `1` or `2` before it. */
  readonly output: Buffer[];
  size: number;
  /** The evaluation, answered from the cache. */
  answered: { readonly session: Session; readonly inputs: Inputs } | undefined;
  /** Links that keep results from being collected. */
  readonly roots: { readonly link: string; readonly target: StorePath }[];
  /** Store paths that are named in the answer. */
  readonly storePaths: StorePath[];
  readonly refused: Set<string>;
}

export const MAX_OUTPUT = 1 << 18;

let current: QuickAnswer | undefined;

/** At the start of the program, from bin/tsnix. @param file where bin/tsnix looked for an answer */
export function startQuickAnswer(file: string, program: ProgramFile): void {
  current = {
    file,
    startMs: Date.now(),
    program,
    env: { ...process.env },
    looks: noteLooks(),
    output: [],
    size: 0,
    answered: undefined,
    roots: [],
    storePaths: [],
    refused: new Set(),
  };
  const answer = current;
  copyOutput((fd, bytes) => {
    answer.size += bytes.length;
    if (answer.size > MAX_OUTPUT) answer.output.length = 0;
    else answer.output.push(Buffer.from(String(fd)), Buffer.from(bytes));
  });
}

/** The evaluation was answered from the cache. */
export function noteAnswer(session: Session, inputs: Inputs): void {
  if (current === undefined) return;
  if (current.answered !== undefined) refuseQuickAnswer('two evaluations');
  current.answered = { session, inputs };
}

/** A link to a store path was made, or was there. */
export function noteRoot(link: string, target: StorePath): void {
  current?.roots.push({ link, target });
}

export function noteStorePath(path: StorePath): void {
  current?.storePaths.push(path);
}

/** The run did more than to answer. */
export function refuseQuickAnswer(reason: string): void {
  current?.refused.add(reason);
}

/** What was noted; nothing is from now on. */
export function takeQuickAnswer(): QuickAnswer | undefined {
  const answer = current;
  current = undefined;
  copyOutput(undefined);
  return answer;
}
