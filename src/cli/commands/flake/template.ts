// `tsnix flake init` and `tsnix flake new`: a new flake from a template. What is there already is left alone.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Attrs } from '../../../eval/attrs.ts';
import { ContextBuilder } from '../../../eval/context.ts';
import { fromUtf8, fsPath, toBuffer, utf8 } from '../../../util/bytes.ts';
import { EvalError, UsageError } from '../../../util/errors.ts';
import { intern } from '../../../util/symbols.ts';
import type { Config } from '../../config.ts';
import { loadFlakeArgument } from '../../flake-installable.ts';
import { flag, parseFlags, type Flag, type ParsedFlags } from '../../flags.ts';
import { forTerminal } from '../../markdown.ts';
import { say } from '../../output.ts';
import type { Session } from '../../session.ts';
import { PLAIN_FLAGS, withSession } from './flags.ts';

export const TEMPLATE_FLAGS: readonly Flag[] = [
  flag('template', 'the template (default: templates)', { short: 't', args: ['FLAKE#NAME'] }),
  ...PLAIN_FLAGS,
];

export async function flakeInit(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, TEMPLATE_FLAGS, config);
  if (flags.positionals.length > 0) throw new UsageError(`unexpected argument '${utf8(flags.positionals[0]!)}'`);
  return fromTemplate(flags, config, '.');
}

export async function flakeNew(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, TEMPLATE_FLAGS, config);
  const [target, more] = flags.positionals;
  if (target === undefined) throw new UsageError('more arguments are required');
  if (more !== undefined) throw new UsageError(`unexpected argument '${utf8(more)}'`);
  return fromTemplate(flags, config, target);
}

const ATTRIBUTES = { defaults: ['templates.default', 'defaultTemplate'], prefixes: ['templates.'] };

async function fromTemplate(flags: ParsedFlags, config: Config, target: string): Promise<number> {
  return withSession(flags, config, (session) => {
    const { evaluator: ev } = session;
    const wanted = flags.get('template') ?? 'templates';
    const { value, attrPath } = loadFlakeArgument(ev, wanted, flags, config, ATTRIBUTES, { write: undefined });
    if (!(value instanceof Attrs)) throw new EvalError(`'${attrPath}' is not an attribute set`);
    const path = value.get(intern('path'));
    if (path === undefined) throw new EvalError(`attribute '${attrPath}.path' does not exist`);
    const folder = ev.coerceToPath(path, 0, new ContextBuilder(), '');
    const copy = new TemplateCopy(session);
    const to = resolve(target);
    copy.folder(folder, to);
    if (copy.changed.length > 0 && existsSync(join(to, '.git'))) {
      execFileSync('git', ['-C', to, 'add', '--intent-to-add', '--force', '--', ...copy.changed], { stdio: 'inherit' });
    }
    const welcome = value.get(intern('welcomeText'));
    if (welcome !== undefined) say(`\n\n${forTerminal(ev.expectStringNoContext(welcome, 0, ''))}`);
    if (copy.conflicts > 0) throw new EvalError(`encountered ${copy.conflicts} conflicts - see above`);
    return 0;
  });
}

class TemplateCopy {
  readonly changed: string[] = [];
  conflicts = 0;
  private readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  /** @param from below the store; byte string @param to text */
  folder(from: string, to: string): void {
    const { io } = this.session.evaluator;
    mkdirSync(to, { recursive: true });
    const names = [...io.readDir(from)].map(([name]) => name).sort();
    for (const name of names) this.entry(`${from}/${name}`, join(to, fromUtf8(name)));
  }

  private entry(from: string, to: string): void {
    const { io, store } = { io: this.session.evaluator.io, store: this.session.store };
    const real = fsPath(store.realPath(from));
    const there = lstatSync(to, { throwIfNoEntry: false });
    const type = io.fileType(from);
    switch (type) {
      case 'directory':
        this.folder(from, to);
        return;
      case 'regular': {
        const contents = toBuffer(io.readFile(from));
        if (there !== undefined) {
          this.keep(from, to, there.isFile() && readFileSync(to).equals(contents));
          return;
        }
        writeFileSync(to, contents);
        break;
      }
      case 'symlink': {
        const target = readlinkSync(real);
        if (there !== undefined) {
          this.keep(from, to, there.isSymbolicLink() && readlinkSync(to) === target);
          return;
        }
        symlinkSync(target, to);
        break;
      }
      default:
        throw new EvalError(
          `path '${from}' needs to be a symlink, file, or directory but instead is a ${String(type)}`,
        );
    }
    this.changed.push(to);
    say(`wrote: "${utf8(to)}"`);
  }

  private keep(from: string, to: string, isSame: boolean): void {
    if (isSame) {
      say(`skipping identical file: ${from}`);
      return;
    }
    say(`refusing to overwrite existing file "${utf8(to)}"\n please merge it manually with '${from}'`);
    this.conflicts++;
  }
}
