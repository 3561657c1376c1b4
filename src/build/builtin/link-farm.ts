// builtin:tsnix-link-farm (linkFarm): a directory of symlinks.
import { mkdir, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fsPath } from '../../util/bytes.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { checkInside, onlyOutput, wanted } from './job-files.ts';

/** `entries`: JSON object, path inside the output -> target. */
export async function linkFarm(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  await mkdir(fsPath(out));
  const entries = Object.entries(JSON.parse(wanted(job, 'entries')) as Record<string, string>);
  const directories = new Set<string>();
  for (const [name] of entries) directories.add(dirname(checkInside(name)));
  // Directories first: nothing is made through a link.
  for (const directory of directories) await mkdir(fsPath(`${out}/${directory}`), { recursive: true });
  for (const [name, target] of entries) await symlink(fsPath(target), fsPath(`${out}/${name}`));
}
