// `tsnix edit`: opens the file that a package is defined in, where its meta.position says.
import { spawnSync } from 'node:child_process';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import { ContextBuilder } from '../../eval/context.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { EvalError, NixError, ParseError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { preferPure } from '../flake-installable.ts';
import { parseFlags, type Flag } from '../flags.ts';
import { Session } from '../session.ts';
import { SOURCE_FLAGS } from './shell.ts';
import { sourcesOf } from './sources.ts';

export const FLAGS: readonly Flag[] = SOURCE_FLAGS;

export async function edit(argv: readonly string[], config: Config): Promise<number> {
  config.nixCommand = true; // its argument is an installable
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length > 1) throw new UsageError(`unexpected argument '${utf8(flags.positionals[1]!)}'`);
  preferPure(flags, config);
  const session = new Session({ config, flags, readOnly: false });
  try {
    const { path, line } = definitionOf(session);
    session.flush();
    return open(session.store.realPath(path), line);
  } finally {
    await session.close();
  }
}

/** @throws EvalError */
function definitionOf(session: Session): { path: string; line: number } {
  const { evaluator: ev } = session;
  const [source] = sourcesOf(session);
  const root = source!.load();
  const { slot } = findAlongAttrPath(ev, utf8(source!.attrPaths[0]!), root, session.calls());
  let position;
  try {
    position = findAlongAttrPath(ev, 'meta.position', slot, { args: Attrs.EMPTY }).slot;
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    const what = utf8(source!.label);
    throw new EvalError(`cannot find position information for '${what}'`, { cause: error });
  }
  const why = "while evaluating the 'meta.position' attribute of a derivation";
  const text = ev.coerceToPath(position, 0, new ContextBuilder(), why);
  const match = /^(.*):(\d+)$/s.exec(text);
  if (match === null) throw new ParseError(`cannot parse 'meta.position' attribute '${text}'`);
  return { path: match[1]!, line: Number(match[2]) };
}

/** @returns the editor's exit status @throws EvalError */
function open(path: string, line: number): number {
  const editor = process.env['EDITOR'];
  const [program, ...args] = (editor === undefined || editor === '' ? 'cat' : editor)
    .split(/[ \t\n\r]+/)
    .filter(Boolean);
  const takesLine = /emacs|nano|vim|kak/.test(editor ?? '') && line > 0;
  const { status, error } = spawnSync(program!, [...args, ...(takesLine ? [`+${line}`] : []), fromUtf8(path)], {
    stdio: 'inherit',
  });
  if (error !== undefined) throw new EvalError(`executing '${utf8(program!)}': ${utf8(error.message)}`);
  if (status !== 0) throw new EvalError(`program '${utf8(program!)}' failed with exit code ${String(status)}`);
  return 0;
}
