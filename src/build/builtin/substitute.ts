// builtin:tsnix-substitute (substituteAll, substitute): a text file with places filled in, as stdenv's shell functions
// of the same names do it.
import { readFileSync } from 'node:fs';
import { fromBuffer, fsPath } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { checkInside, flag, InputFiles, onlyOutput, wanted, writeOutputFile } from './job-files.ts';

/** What `@name@` stands for: variables that begin with a small letter, as a shell sees them. */
function variables(job: BuiltinJob): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of job.env) if (/^[a-z][a-zA-Z0-9_]*$/.test(name)) found.set(name, value);
  for (const [name, path] of job.outputPaths) found.set(name, path);
  return found;
}

function replacePattern(text: string, pattern: string, replacement: string, how: string, job: BuiltinJob): string {
  if (pattern === '') throw new BuildError('substitute: the pattern is empty');
  if (!text.includes(pattern)) {
    if (how === '--replace-fail') throw new BuildError(`substitute: pattern ${pattern} doesn't match anything in file`);
    if (how !== '--replace-quiet') job.log(`substitute: pattern '${pattern}' doesn't match anything in file`);
  }
  return text.replaceAll(pattern, () => replacement);
}

function applyList(text: string, list: readonly string[], job: BuiltinJob): string {
  for (let i = 0; i < list.length;) {
    const option = list[i]!;
    const [first, second] = [list[i + 1], list[i + 2]];
    if (/^--replace(-fail|-warn|-quiet)?$/.test(option) && first !== undefined && second !== undefined) {
      text = replacePattern(text, first, second, option, job);
      i += 3;
    } else if (option === '--subst-var-by' && first !== undefined && second !== undefined) {
      text = text.replaceAll(`@${first}@`, () => second);
      i += 3;
    } else if (option === '--subst-var' && first !== undefined) {
      const value = job.outputPaths.get(first) ?? job.env.get(first);
      if (value === undefined) throw new BuildError(`substitute: variable '${first}' is unset`);
      text = text.replaceAll(`@${first}@`, () => value);
      i += 2;
    } else {
      throw new BuildError(`substitute: invalid command line argument: ${option}`);
    }
  }
  return text;
}

/**
 * `src`; `ALL` to fill in `@name@` for every variable, `substitutions`: JSON list of substitute's options;
 * `dir`: the file becomes DIR/NAME inside the output; `isExecutable`.
 */
export async function substitute(job: BuiltinJob): Promise<void> {
  const out = onlyOutput(job);
  const src = wanted(job, 'src');
  const real = new InputFiles(job, [src]).realPath(src);
  if (real === undefined) throw new BuildError(`substitute: file '${src}' does not exist`);
  let text = fromBuffer(readFileSync(fsPath(real)));
  if (text.includes('\0')) throw new BuildError(`substitute: '${src}' is not a text file`);
  const list = job.env.get('substitutions');
  if (list !== undefined) text = applyList(text, JSON.parse(list) as string[], job);
  if (flag(job, 'ALL')) {
    // One after the other in order of names, as the shell function does it: a value may name a later variable.
    for (const [name, value] of [...variables(job)].sort(([a], [b]) => (a < b ? -1 : 1))) {
      text = text.replaceAll(`@${name}@`, () => value);
    }
  }
  const dir = job.env.get('dir') ?? '';
  const path = dir === '' ? out : `${out}/${checkInside(`${dir}/${wanted(job, 'name')}`)}`;
  await writeOutputFile(path, text, flag(job, 'isExecutable'));
}
