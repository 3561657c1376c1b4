// builtin:tsnix-write-text (writeText, writeScript, writeTextFile …): one file with the text of an attribute.
import type { BuiltinJob } from '../builtin-builder.ts';
import { checkInside, flag, onlyOutput, wanted, writeOutputFile } from './job-files.ts';

/** `text`; `destination`: "" for the output itself, else "/path/inside"; `executable`. */
export async function writeText(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const destination = job.env.get('destination') ?? '';
  const path = destination === '' ? out : `${out}/${checkInside(destination.replace(/^\//, ''))}`;
  await writeOutputFile(path, wanted(job, 'text'), flag(job, 'executable'));
}
