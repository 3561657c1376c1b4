// `nix-shell`: a shell with the environment of one derivation, or with packages (-p); also as the interpreter of scripts
// (`#! /usr/bin/env nix-shell`, then `#! nix-shell -i bash -p …` lines).
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AttrsBuilder } from '../../eval/attrs.ts';
import type { AutoCallOptions } from '../../eval/auto-call.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Lambda } from '../../eval/lambda.ts';
import type { Slot, Value } from '../../eval/value.ts';
import { followLinksToStorePath } from '../../store/follow-links.ts';
import { isDerivationPath } from '../../store/store-path.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { EvalError, SearchPathError, StoreError, UsageError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import type { Config } from '../config.ts';
import { DerivationFinder, drvPathOf } from '../derivations.ts';
import { BUILD_FLAGS, COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { isTerminal } from '../output.ts';
import { Session } from '../session.ts';
import { develop } from '../shell/develop.ts';
import { shellQuote, shellWords } from '../shell/words.ts';

export const FLAGS: readonly Flag[] = [
  flag('packages', 'the arguments are packages of the package set', { short: 'p' }),
  flag('expr', 'the arguments are expressions', { short: 'E' }),
  flag('run', 'run COMMAND and end, without a prompt', { args: ['COMMAND'] }),
  flag('command', 'run COMMAND as if it were typed, and end', { args: ['COMMAND'] }),
  flag('pure', 'keep few variables of the environment', {}),
  flag('keep', 'keep this variable too with --pure', { args: ['NAME'] }),
  flag('exclude', 'do not realise input derivations that match REGEX', { args: ['REGEX'] }),
  flag('interpreter', 'in scripts: the program that runs the script', { short: 'i', args: ['PROGRAM'] }),
  ...EVAL_FLAGS,
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];

/** A script that names nix-shell as its interpreter. */
interface Script {
  readonly path: string;
  /** Of its `#! nix-shell` lines. */
  readonly words: readonly string[];
  readonly args: readonly string[];
}

export async function nixShell(argv: readonly string[], config: Config): Promise<number> {
  const script = scriptOf(argv);
  let pure = false;
  let command = '';
  let interactive = isTerminal(0) && isTerminal(2);
  const flags = parseFlags(script?.words ?? argv, FLAGS, config, (name, [text = '']) => {
    if (name === 'pure') pure = true;
    else if (name === 'impure') pure = false;
    else if (name === 'run' || name === 'command') {
      if (name === 'run') interactive = false;
      command = `${text}\nexit`;
    } else if (name === 'interpreter' && script !== undefined) {
      interactive = false;
      command = interpreterCommand(text, script);
    }
  });
  if (flags.has('interpreter') && script === undefined) throw new UsageError("unrecognised flag '-i'");
  if (flags.has('packages') && flags.has('expr')) throw new UsageError("'-p' and '-E' are mutually exclusive");
  process.env['IN_NIX_SHELL'] = pure ? 'pure' : 'impure';
  const relative = script !== undefined && config.bool('nix-shell-shebang-arguments-relative-to-script');
  const baseDir = relative ? resolve(dirname(script.path)) : process.cwd();
  const logs = !flags.has('quiet');
  const session = new Session({ config, flags, readOnly: false, writes: true, logs, baseDir });
  try {
    const found = derivationsOf(session, baseDir);
    if (found.length !== 1) throw new UsageError('nix-shell requires a single derivation');
    return await develop(session, found[0]!, {
      pure,
      keep: flags.list('keep'),
      exclude: flags.list('exclude'),
      command,
      interactive,
      name: 'nix-shell',
    });
  } finally {
    await session.close();
  }
}

/** The first argument is the script where it is a file whose first line begins with `#!`. */
function scriptOf(argv: readonly string[]): Script | undefined {
  const [path, ...args] = argv;
  if (path === undefined || path.startsWith('-')) return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined; // a directory, an expression …
  }
  if (!text.startsWith('#!')) return undefined;
  const words = text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const match = /^#!\s*nix-shell\s+(.*)$/.exec(line.trimEnd());
      return match === null ? [] : shellWords(match[1]!);
    });
  return { path, words, args };
}

function interpreterCommand(interpreter: string, { path, args }: Script): string {
  const joined = args.map((arg) => `${shellQuote(arg)} `).join('');
  // Perl and ruby look at the first line of a script themselves, and would start nix-shell again.
  const rename = interpreter.includes('perl') ? '-a PERL' : '';
  if (interpreter.includes('ruby')) {
    return `exec ${rename} ${interpreter} -e 'load(ARGV.shift)' -- ${shellQuote(path)} ${joined}`;
  }
  return `exec ${rename} ${interpreter} ${shellQuote(path)} ${joined}`;
}

/** `.drv` paths of what the arguments mean. */
function derivationsOf(session: Session, base: string): string[] {
  const { evaluator: ev, flags } = session;
  const drvPaths: string[] = [];
  const roots: Slot[] = [];
  if (flags.has('packages')) roots.push(withPackages(session, base));
  else if (flags.has('expr')) {
    for (const text of flags.positionals) roots.push(ev.evalString(utf8(text), utf8(base), { kind: 'string' }));
  } else {
    for (const argument of flags.positionals.length > 0 ? flags.positionals : [defaultFile(session.config)]) {
      // An output may be named, but it is the environment of them all.
      const drvPath = derivationNamed(session, argument.replace(/![^!/]*$/, ''), base);
      if (drvPath !== undefined) drvPaths.push(drvPath);
      else if (argument === '-') roots.push(session.evalStdin());
      else roots.push(ev.evalRootFile(shellFile(session, argument, base)));
    }
  }
  for (const root of roots) {
    for (const attrPath of flags.has('attr') ? flags.list('attr') : ['']) {
      const { slot } = findAlongAttrPath(ev, utf8(attrPath), root, callsFor(session, ev.force(root)));
      const finder = new DerivationFinder(ev, callsFor(session, ev.force(slot)));
      finder.collect(slot, '');
      for (const { attrs } of finder.found) drvPaths.push(drvPathOf(ev, attrs));
    }
  }
  return drvPaths;
}

/** The derivation that a path is, or is a link to. */
function derivationNamed(session: Session, argument: string, base: string): string | undefined {
  try {
    const path = followLinksToStorePath(session.store, utf8(resolve(base, argument)), utf8(base));
    return isDerivationPath(path) ? path : undefined;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** Looked for in the current folder; what it means is relative to the script, as in Nix. */
function defaultFile(config: Config): string {
  if (existsSync('shell.nix')) return config.bool('nix-shell-always-looks-for-shell-nix') ? '.' : 'shell.nix';
  if (existsSync('default.nix')) return '.';
  throw new EvalError("no argument specified and no 'shell.nix' or 'default.nix' file found in the working directory");
}

/** In a folder, shell.nix goes before default.nix. */
function shellFile(session: Session, argument: string, base: string): string {
  const looked = /^<.+>$/.test(argument);
  const path = looked ? fromUtf8(session.findFile(utf8(argument.slice(1, -1)))) : resolve(base, argument);
  if (!existsSync(path) || !statSync(path).isDirectory()) return utf8(path);
  const setting = 'nix-shell-always-looks-for-shell-nix';
  const always = session.config.bool(setting);
  const skipped = join(path, 'shell.nix');
  if (!always && existsSync(skipped)) {
    session.say(
      `warning: Skipping '${utf8(skipped)}', because the setting '${setting}' is disabled. This is a deprecated behavior. Consider enabling '${setting}'.`,
    );
  }
  const files = always ? ['shell.nix', 'default.nix'] : ['default.nix'];
  const file = files.map((name) => join(path, name)).find((name) => existsSync(name));
  if (file !== undefined) return utf8(file);
  throw new EvalError(`neither 'shell.nix' nor 'default.nix' found in '${utf8(path)}'`);
}

/** A derivation whose inputs are the packages; of <nixpkgs> where there is one, else of the session's package set. */
function withPackages(session: Session, base: string): Slot {
  const { evaluator: ev, flags } = session;
  const packages = flags.positionals.map((text) => `(${utf8(text)}) `).join('');
  const shell = `(pkgs.runCommandCC or pkgs.runCommand) "shell" { buildInputs = [ ${packages}]; } ""`;
  const origin = { kind: 'string' } as const;
  try {
    if (!flags.has('pkgs')) {
      session.findFile('nixpkgs');
      return ev.evalString(`{...}@args: with import <nixpkgs> args; ${shell}`, utf8(base), origin);
    }
  } catch (error) {
    if (!(error instanceof SearchPathError)) throw error;
  }
  return ev.call(ev.evalString(`pkgs: with pkgs; ${shell}`, utf8(base), origin), [session.packageSet()], 0);
}

/** With `inNixShell = true` for functions that ask for it. */
function callsFor(session: Session, value: Value): AutoCallOptions {
  const calls = session.calls();
  const sInNixShell = intern('inNixShell');
  const asks = value instanceof Lambda && value.record.formals?.names.includes(sInNixShell) === true;
  if (!asks || calls.args.has(sInNixShell)) return calls;
  const args = new AttrsBuilder();
  args.set(sInNixShell, true);
  return { ...calls, args: args.build().update(calls.args) };
}
