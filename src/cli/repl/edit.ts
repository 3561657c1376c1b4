// `:e`: opens what a value comes from in the user's editor.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Attrs } from '../../eval/attrs.ts';
import { ContextBuilder } from '../../eval/context.ts';
import { Lambda } from '../../eval/lambda.ts';
import { printPosition } from '../../eval/print-position.ts';
import { ContextString, PathValue, type Value } from '../../eval/value.ts';
import { fromUtf8, fsPath, toBuffer, utf8 } from '../../util/bytes.ts';
import { EvalError } from '../../util/errors.ts';
import { sourceOf } from '../../util/positions.ts';
import { intern } from '../../util/symbols.ts';
import type { Session } from '../session.ts';

interface Place {
  /** Byte string. */
  readonly path: string;
  /** 0: none in particular. */
  readonly line: number;
  /** The text, where it is no file of this machine. */
  readonly text?: string;
}

/** @returns whether a file of this machine may have changed. @throws EvalError */
export function edit(session: Session, value: Value, shown: string): boolean {
  const place = placeOf(session, value, shown);
  const editor = (process.env['EDITOR'] ?? 'cat').split(/\s+/).filter((word) => word !== '');
  const real = session.store.realPath(place.path);
  const isFile = place.text === undefined && existsSync(fsPath(real));
  const dir = isFile ? undefined : mkdtempSync(join(tmpdir(), 'tsnix-edit-'));
  try {
    const file = isFile ? fromUtf8(real) : join(dir!, basename(fromUtf8(place.path)));
    if (!isFile) writeFileSync(file, toBuffer(place.text ?? session.io.readFile(place.path)), { mode: 0o444 });
    const takesLine = /(?:emacs|nano|vim|kak|vi)$/.test(basename(editor[0] ?? ''));
    const args = [...editor.slice(1), ...(place.line > 0 && takesLine ? [`+${place.line}`] : []), file];
    const run = spawnSync(editor[0] ?? 'cat', args, { stdio: 'inherit' });
    if (run.error !== undefined) throw new EvalError(`cannot run '${utf8(editor[0]!)}': ${utf8(run.error.message)}`);
    return isFile;
  } finally {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  }
}

function placeOf(session: Session, value: Value, shown: string): Place {
  const { evaluator: ev } = session;
  if (value instanceof PathValue || typeof value === 'string' || value instanceof ContextString) {
    const path = ev.coerceToPath(value, 0, new ContextBuilder(), 'while evaluating the filename to edit');
    return { path: ev.io.fileType(path) === 'directory' ? `${path}/default.nix` : path, line: 0 };
  }
  if (value instanceof Lambda) {
    const { pos } = value.record;
    const position = ev.positions.resolve(pos);
    const kind = position?.origin.kind;
    if (position !== undefined && kind?.kind === 'file') return { path: kind.path, line: position.line };
    if (position !== undefined && kind?.kind === 'internal') {
      return { path: `/${kind.name}`, line: position.line, text: sourceOf(position.origin) };
    }
    throw new EvalError(`'${printPosition(ev.positions, pos)}' cannot be shown in an editor`);
  }
  return positionOfPackage(session, value, utf8(shown));
}

/** `meta.position`: FILE:LINE. */
function positionOfPackage(session: Session, value: Value, shown: string): Place {
  const { evaluator: ev } = session;
  const meta = value instanceof Attrs ? value.get(intern('meta')) : undefined;
  const set = meta === undefined ? undefined : ev.force(meta);
  const slot = set instanceof Attrs ? set.get(intern('position')) : undefined;
  if (slot === undefined) {
    throw new EvalError(`package '${shown}' has no source location information`);
  }
  const position = ev.coerceToString(slot, 0, new ContextBuilder(), '', { copy: false });
  const [, path, line] = /^(.+):(\d+)$/.exec(position) ?? [];
  if (path === undefined) throw new EvalError(`cannot parse 'meta.position' attribute '${position}'`);
  return { path, line: Number(line) };
}
