// The repl without its terminal: what a line does, by Nix 2.36's rules. Results go to standard output, everything else to
// standard error; an error ends its line, not the session.
import { spawnSync } from 'node:child_process';
import { forgetFetched } from '../../builtins/fetch-input.ts';
import { callFlake } from '../../builtins/flake/call-flake.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import { autoCall } from '../../eval/auto-call.ts';
import { NIX_VERSION } from '../../eval/base-environment.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { printAttrName } from '../../eval/print-string.ts';
import { isDerivation, printValue } from '../../eval/print.ts';
import { ContextString, type Slot, type Value } from '../../eval/value.ts';
import { parseDerivation } from '../../store/aterm.ts';
import { LocalStore } from '../../store/local-store.ts';
import { baseName } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { fromUtf8, utf8 } from '../../util/bytes.ts';
import { EvalError, InterruptedError, NixError, QuitError, StoreError } from '../../util/errors.ts';
import { renderError } from '../../util/render-error.ts';
import { DebugEvaluator } from '../../eval/debug-evaluator.ts';
import { symbolName, type Sym } from '../../util/symbols.ts';
import { buildLogOf } from '../../store/build-log-file.ts';
import type { Config } from '../config.ts';
import { drvPathOf } from '../derivations.ts';
import {
  flakeAttributes,
  isFlakeArgument,
  loadFlakeArgument,
  lockArgument,
  parseFlakeArgument,
} from '../flake-installable.ts';
import type { ParsedFlags } from '../flags.ts';
import { forTerminal } from '../markdown.ts';
import { print, say, wantsColor } from '../output.ts';
import { Session } from '../session.ts';
import { selfCommand } from '../self.ts';
import { complete, type Completion } from './complete.ts';
import { documentation } from './documentation.ts';
import { edit } from './edit.ts';
import { DebugView } from './debug-view.ts';
import { DEBUG_HELP, HELP } from './texts.ts';
import { IncompleteInputError, parseExpression, parseInput } from './input.ts';
import { ReplScope } from './scope.ts';

/** So many names are shown of what was added. */
const MAX_SHOWN = 20;

export interface ReplOptions {
  readonly config: Config;
  readonly flags: ParsedFlags;
  /** Values in colours. */
  readonly color: boolean;
  /** Why to stop what is being evaluated. */
  readonly stopped?: () => string | undefined;
  /** Of a debugger: the session that it has stopped, and what is in sight there. */
  readonly session?: Session;
  readonly variables?: ReadonlyMap<Sym, Slot>;
}

/** What became of a line: done; the beginning of something; the end of the session; what a debugger stopped goes on. */
export type LineResult = 'done' | 'more' | 'quit' | 'continue';

let greeted = false;

/** Something that was loaded, and is loaded again by `:r`. */
interface Loaded {
  readonly kind: 'file' | 'flake' | 'argument';
  readonly name: string;
  readonly load: () => Value;
}

export class Repl {
  private readonly options: ReplOptions;
  private readonly session: Session;
  private readonly ev: Evaluator;
  private readonly scope = new ReplScope();
  private readonly debug: DebugView | null;
  private readonly cwd = utf8(process.cwd());
  private loaded: Loaded[] = [];
  private lastLoaded: Attrs | undefined;
  private showTrace: boolean;

  constructor(options: ReplOptions) {
    this.options = options;
    const { config, flags, session, variables } = options;
    this.session = session ?? new Session({ config, flags, readOnly: false, interactive: true });
    this.ev = this.session.evaluator;
    this.showTrace = this.ev.settings.showTrace;
    this.debug = this.ev instanceof DebugEvaluator ? new DebugView(this.ev, options.color) : null;
    if (variables !== undefined) {
      this.scope.replace(variables);
      this.greet();
    }
  }

  /** Greets, and loads what the command line names. */
  start(): void {
    this.greet();
    const { flags, config } = this.options;
    if (flags.has('file') || flags.has('expr')) {
      const attrs = [...flags.list('attr'), ...flags.positionals];
      for (const attr of attrs.length > 0 ? attrs : ['.']) this.loaded.push(this.argument(attr === '.' ? '' : attr));
    } else {
      for (const file of flags.positionals) {
        if (config.nixCommand) parseFlakeArgument(file); // says what is no flake
        this.loaded.push(
          config.nixCommand || isFlakeArgument(file, config) ? this.flake(file, 'argument') : this.file(file),
        );
      }
    }
    this.loadAgain();
  }

  private greet(): void {
    if (!greeted) say(`Nix ${NIX_VERSION}${this.debug === null ? '' : ' debugger'}\nType :? for help.`);
    greeted = true;
  }

  async close(): Promise<void> {
    await this.session.close();
  }

  complete(line: string): Completion {
    return complete(this.ev, this.scope, line, this.cwd);
  }

  /** @param input text as it was typed: one line, or several since the last that was finished */
  line(input: string): LineResult {
    const text = input.trim();
    if (text === '') return 'done';
    const { stopped } = this.options;
    const { depth } = this.ev;
    if (this.options.session === undefined) this.ev.setLimits(stopped === undefined ? null : { stopped });
    try {
      const end = this.run(text);
      if (end !== undefined) return end;
    } catch (error) {
      if (error instanceof IncompleteInputError) return 'more';
      if (error instanceof QuitError) return 'quit';
      this.report(error);
    } finally {
      this.ev.depth = this.options.session === undefined ? 0 : depth;
    }
    print('\n');
    return 'done';
  }

  private report(error: unknown): void {
    const { positions } = this.ev;
    if (error instanceof InterruptedError) say(`error: ${error.message}`);
    else if (error instanceof NixError) {
      say(renderError(error, positions, { showTrace: this.showTrace, color: wantsColor() }));
    } else if (error instanceof Error && 'code' in error) say(`error: ${utf8(error.message)}`);
    else throw error;
  }

  /** @returns why to end; undefined: not yet */
  private run(text: string): 'quit' | 'continue' | undefined {
    if (!text.startsWith(':')) {
      this.evaluateLine(text);
      return undefined;
    }
    const [, command = '', rest = ''] = /^(\S+)\s*([^]*)$/.exec(text)!;
    if (this.debug !== null) {
      const result = this.debugCommand(this.debug, command, rest.trim());
      if (result !== 'other') return result === 'continue' ? result : undefined;
    }
    return this.command(command, rest.trim()) ? 'quit' : undefined;
  }

  private evaluateLine(text: string): void {
    const { kind, expr } = parseInput(this.ev, utf8(text), this.cwd);
    const value = this.ev.evalExpr(expr, this.scope.attrs());
    if (kind === 'bindings') this.scope.add(value as Attrs);
    else print(`${this.show(value, 1)}\n`);
  }

  private show(value: Value, maxDepth?: number): string {
    return printValue(this.ev, value, {
      ansiColors: this.options.color,
      force: true,
      derivationPaths: true,
      ...(maxDepth === undefined ? {} : { maxDepth }),
      prettyIndent: 2,
      errors: 'throw-top-level',
    });
  }

  private evaluate(text: string): Value {
    return this.ev.evalExpr(parseExpression(this.ev, utf8(text), this.cwd), this.scope.attrs());
  }

  /** @returns `other`: no command of debuggers */
  private debugCommand(view: DebugView, command: string, arg: string): 'done' | 'continue' | 'other' {
    switch (command) {
      case ':bt':
      case ':backtrace':
        print(view.all());
        return 'done';
      case ':env':
        print(view.names());
        return 'done';
      case ':st': {
        const selected = view.select(arg);
        if (selected === null) return 'done';
        print(selected.text);
        this.scope.replace(selected.variables);
        return 'done';
      }
      case ':s':
      case ':step':
      case ':c':
      case ':continue':
        view.step(command.startsWith(':s'));
        return 'continue';
      default:
        return 'other';
    }
  }

  /** @returns whether to end */
  private command(command: string, arg: string): boolean {
    switch (command) {
      case ':?':
      case ':help':
        print(this.debug === null ? HELP : HELP + DEBUG_HELP);
        break;
      case ':a':
      case ':add':
        this.addSet(this.evaluate(arg));
        break;
      case ':l':
      case ':load':
        this.forgetFiles();
        this.load(this.file(arg));
        break;
      case ':lf':
      case ':load-flake':
        this.loadFlake(arg);
        break;
      case ':ll':
      case ':last-loaded':
        this.showLastLoaded();
        break;
      case ':r':
      case ':reload':
        this.reload();
        break;
      case ':e':
      case ':edit':
        if (edit(this.session, this.evaluate(arg), arg)) this.reload();
        break;
      case ':t':
        print(`${this.ev.showType(this.evaluate(arg))}\n`);
        break;
      case ':p':
      case ':print': {
        const value = this.evaluate(arg);
        const text = typeof value === 'string' ? value : value instanceof ContextString ? value.text : this.show(value);
        print(`${text}\n`);
        break;
      }
      case ':doc': {
        const expr = parseExpression(this.ev, utf8(arg), this.cwd);
        print(`${forTerminal(documentation(this.ev, expr, this.scope.attrs()))}\n`);
        break;
      }
      case ':b':
      case ':bl':
        this.build(this.derivationOf(this.evaluate(arg)), command === ':bl');
        break;
      case ':log':
        this.showLog(this.derivationOf(this.evaluate(arg)));
        break;
      case ':sh':
        this.spawn('nix-shell', [this.derivationOf(this.evaluate(arg))]);
        break;
      case ':u':
        this.shellWith(this.evaluate(arg));
        break;
      case ':i':
        this.spawn('nix-env', ['--install', this.derivationOf(this.evaluate(arg))]);
        break;
      case ':te':
      case ':trace-enable':
        this.traceEnable(command, arg);
        break;
      case ':q':
      case ':quit':
        return true;
      default:
        throw new EvalError(`unknown command '${utf8(command)}'`);
    }
    return false;
  }

  // What is in scope.

  private file(name: string): Loaded {
    const load = (): Value => {
      const value = this.ev.evalFile(this.session.resolveFileArgument(name));
      return autoCall(this.ev, value, { args: this.session.autoArgs() });
    };
    return { kind: 'file', name, load };
  }

  /** A flake with all that it has; FLAKEREF#ATTR is that attribute. */
  private flake(name: string, kind: Loaded['kind'] = 'flake'): Loaded {
    const { flags, config } = this.options;
    const load = (): Value => {
      if (name.includes('#'))
        return loadFlakeArgument(this.ev, name, flags, config, flakeAttributes(config.system)).value;
      return callFlake(this.ev, lockArgument(this.ev, name, flags, config).locked);
    };
    return { kind, name, load };
  }

  /** An attribute of what --file or --expr gives. Only files are called with --arg, as in Nix. */
  private argument(attr: string): Loaded {
    const { flags } = this.options;
    const load = (): Value => {
      const file = flags.get('file');
      const args = { args: this.session.autoArgs() };
      const root =
        file === undefined
          ? this.session.evalExpression(flags.get('expr')!)
          : autoCall(this.ev, this.session.evalFileArgument(file), args);
      if (attr === '') return root;
      return this.ev.force(findAlongAttrPath(this.ev, utf8(attr), root, args).slot);
    };
    return { kind: 'argument', name: attr, load };
  }

  private loadFlake(name: string): void {
    if (name === '') {
      throw new EvalError(
        "cannot use ':load-flake' without a path specified. (Use '.' for the current working directory.)",
      );
    }
    this.load(this.flake(name));
  }

  private load(what: Loaded): void {
    this.addSet(what.load());
    // Only what could be loaded is loaded again.
    this.loaded = this.loaded.filter((other) => other.kind !== what.kind || other.name !== what.name);
    this.loaded.push(what);
  }

  /** Files and trees are looked at again. */
  private forgetFiles(): void {
    this.ev.resetFileCache();
    forgetFetched(this.ev);
  }

  private reload(): void {
    this.forgetFiles();
    this.scope.clear();
    this.loadAgain();
  }

  private loadAgain(): void {
    for (const kind of ['file', 'argument', 'flake'] as const) {
      for (const what of this.loaded.filter((one) => one.kind === kind)) {
        const name = utf8(what.name);
        if (kind === 'file') say(`Loading "${name}"...`);
        else say(`Loading ${kind === 'flake' ? 'flake' : 'installable'} '${name}'...`);
        try {
          this.addSet(what.load());
        } catch (error) {
          this.report(error);
        }
      }
    }
  }

  private addSet(slot: Slot): void {
    const why = 'while evaluating an attribute set to be merged in the global scope';
    const set = this.ev.expectAttrs(slot, this.ev.determinePos(slot), why);
    this.scope.add(set);
    this.lastLoaded = set;
    say(`Added ${set.size} variables.`);
    const names = Array.from(set.keys.nameOrder(), (i) => printAttrName(symbolName(set.keys.ids[i] as Sym)));
    say(names.slice(0, MAX_SHOWN).join(', '));
    if (names.length > MAX_SHOWN) say(`... and ${names.length - MAX_SHOWN} more; view with :ll`);
  }

  private showLastLoaded(): void {
    if (this.lastLoaded === undefined) throw new EvalError('nothing has been loaded yet');
    for (const id of this.lastLoaded.keys.ids) print(`${symbolName(id as Sym)}\n`);
  }

  private traceEnable(command: string, arg: string): void {
    if (!['', 'true', 'false'].includes(arg)) {
      throw new EvalError(`unexpected argument '${utf8(arg)}' to ${command}`);
    }
    this.showTrace = arg === '' ? !this.showTrace : arg === 'true';
    this.ev.setCallFrames(this.showTrace);
    print(this.showTrace ? 'showing error traces\n' : 'not showing error traces\n');
  }

  // Derivations.

  private derivationOf(value: Value): StorePath {
    if (!(value instanceof Attrs) || !isDerivation(this.ev, value)) {
      throw new EvalError("expression does not evaluate to a derivation, so I can't build it");
    }
    const drvPath = this.session.asStorePath(drvPathOf(this.ev, value));
    this.session.flush();
    return drvPath;
  }

  /** Another command of this program, on the same terminal. @returns its standard output, if asked for */
  private spawn(name: string, args: readonly string[], output: 'inherit' | 'pipe' = 'inherit'): string {
    const [program, ...start] = selfCommand(name);
    const all = [
      ...start,
      ...args,
      '--store',
      fromUtf8(this.session.store.uri),
      ...this.options.config.flagArguments(),
    ];
    const run = spawnSync(program!, all, { stdio: ['inherit', output, 'inherit'], encoding: 'latin1' });
    if (run.error !== undefined) throw new EvalError(`cannot run '${name}': ${utf8(run.error.message)}`);
    if (output === 'pipe' && run.status !== 0) throw new EvalError(`'${name}' ended with status ${String(run.status)}`);
    return output === 'pipe' ? run.stdout : '';
  }

  private build(drvPath: StorePath, link: boolean): void {
    const paths = this.spawn('nix-store', ['--realise', drvPath], 'pipe').trim().split('\n');
    const { storeDir } = this.session.store;
    const { outputs } = parseDerivation(this.session.io.readDerivation(drvPath), baseName(drvPath), storeDir);
    const names = [...outputs.keys()];
    print('\nThis derivation produced the following outputs:\n');
    names.sort().forEach((name, i) => {
      const path = paths[i]!;
      if (link && this.session.store instanceof LocalStore) {
        this.session.store.addIndirectRoot(`${this.cwd}/repl-result-${name}`, this.session.asStorePath(path));
        print(`  ./repl-result-${name} -> ${path}\n`);
      } else print(`  ${name} -> ${path}\n`);
    });
  }

  private showLog(drvPath: StorePath): void {
    const { store } = this.session;
    const text = buildLogOf(store, drvPath);
    if (text === undefined) throw new StoreError(`build log of '${drvPath}' is not available`);
    print(text);
  }

  /** `:u`: a shell with the package in it, by <nixpkgs>. */
  private shellWith(value: Value): void {
    const fn = 'drv: (import <nixpkgs> {}).runCommand "shell" { buildInputs = [ drv ]; } ""';
    const result = this.ev.call(this.session.evalExpression(fn), [value], 0);
    this.spawn('nix-shell', [this.derivationOf(result)]);
  }
}
