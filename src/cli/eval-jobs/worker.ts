// A worker of `tsnix eval-jobs`: evaluates the root, then one attribute after another, as it is told. It may die at any
// attribute: whoever started it tries again what was not said to be flushed.
import { readSync, writeSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { callFlake } from '../../builtins/flake/call-flake.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { Attrs } from '../../eval/attrs.ts';
import { autoCall } from '../../eval/auto-call.ts';
import { hostError } from '../../eval/host-error.ts';
import { Thunk } from '../../eval/thunk.ts';
import type { Slot, Value } from '../../eval/value.ts';
import type { StorePath } from '../../store/store.ts';
import { fromBuffer, fromUtf8, toBuffer, utf8 } from '../../util/bytes.ts';
import { EvalError, NixError } from '../../util/errors.ts';
import { PosTable } from '../../util/positions.ts';
import { renderError } from '../../util/render-error.ts';
import { intern } from '../../util/symbols.ts';
import { LineSplitter } from '../../util/line-splitter.ts';
import { sourcesOf } from '../commands/sources.ts';
import type { Config } from '../config.ts';
import { isDerivation } from '../derivations.ts';
import { flakeAttributes, loadFlakeArgument, lockArgument, parseFlakeArgument } from '../flake-installable.ts';
import { say, wantsColor, withoutControls } from '../output.ts';
import { compactJson } from '../print-json.ts';
import { asBuildStore } from '../realise-targets.ts';
import { Session } from '../session.ts';
import { makeSubstituter, type LazySubstituter } from '../substituters.ts';
import { parseJobsFlags, type JobsOptions } from './flags.ts';
import { COMMANDS_FD, failureRow, REPLIES_FD, splitMessage, startRow, type AttrPath } from './protocol.ts';
import { describeDerivation } from './row.ts';

const sRecurse = intern('recurseForDerivations');

/** What was evaluated is written this often, and whenever there is nothing else to do. */
const FLUSH_MS = 500;

export async function evalJobsWorker(argv: readonly string[], config: Config): Promise<number> {
  const options = parseJobsFlags(argv, config);
  const { flags, instantiate } = options;
  let session: Session;
  try {
    session = new Session({ config, flags, readOnly: !instantiate, writes: instantiate });
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    replyFatal(error, new PosTable(), config);
    return 0;
  }
  const worker = new Worker(session, options);
  try {
    await worker.run();
    return 0;
  } finally {
    await worker.close();
  }
}

/** The same, evaluated apart: what nobody else asks for need not stay in memory with the set that it is in. */
function forgettable(slot: Slot): Slot {
  return slot instanceof Thunk && slot.off >= 0 ? new Thunk(slot.off, slot.a) : slot;
}

function replyFatal(error: NixError, positions: PosTable, config: Config): void {
  const message = renderError(error, positions, { showTrace: config.bool('show-trace'), color: wantsColor() });
  reply(`fatal ${compactJson({ message, status: error.exitStatus })}`);
}

class Worker {
  private readonly session: Session;
  private readonly options: JobsOptions;
  private readonly substituter: LazySubstituter | undefined;
  private readonly apply: Slot | undefined;
  private root: Value = null;
  /** Derivations of rows that are not flushed yet. */
  private waiting: StorePath[] = [];
  private waitingSince = 0;
  private readonly chunk = Buffer.alloc(65536);
  private readonly lines = new LineSplitter();
  private readonly queue: string[] = [];

  constructor(session: Session, options: JobsOptions) {
    this.session = session;
    this.options = options;
    const { flags } = options;
    const apply = flags.get('apply');
    if (apply !== undefined) this.apply = session.evaluator.lazy(() => session.evalExpression(apply));
    if (flags.has('check-cache-status')) {
      const warn = (message: string): void => say(`warning: ${message}`);
      const error = (message: string): void => say(`error: ${message}`);
      this.substituter = makeSubstituter({
        config: session.config,
        store: asBuildStore(session.store),
        observer: { copying: () => undefined, warn, error },
      });
    }
  }

  async run(): Promise<void> {
    try {
      this.root = this.loadRoot();
    } catch (error) {
      replyFatal(this.asNixError(error), this.session.evaluator.positions, this.session.config);
      return;
    }
    reply('ready');
    for (let line = this.readCommand(); line !== undefined; line = this.readCommand()) {
      const { word, json } = splitMessage(line);
      if (word === 'do') {
        await this.evaluate(JSON.parse(json) as string[]);
        if (process.memoryUsage.rss() > this.options.maxMemoryMiB * 1024 * 1024) {
          this.flush();
          reply('restart');
          return;
        }
        if (performance.now() - this.waitingSince > FLUSH_MS) this.flush();
      } else this.flush();
    }
  }

  async close(): Promise<void> {
    await this.substituter?.close();
    await this.session.close();
  }

  private loadRoot(): Value {
    const { session } = this;
    const { evaluator: ev, flags, config } = session;
    const calls = session.calls();
    let root: Value;
    const flake = flags.get('flake');
    if (flake === undefined) root = autoCall(ev, sourcesOf(session)[0]!.load(), calls);
    else if (parseFlakeArgument(flake).fragment !== '') {
      root = loadFlakeArgument(ev, flake, flags, config, flakeAttributes(config.system)).value;
    } else root = callFlake(ev, lockArgument(ev, flake, flags, config).locked);
    const attrPath = flags.get('attr');
    if (attrPath !== undefined) root = ev.force(findAlongAttrPath(ev, utf8(attrPath), root, calls).slot);
    const select = flags.get('select');
    if (select === undefined) return root;
    const why = "'--select' must evaluate to an attrset (the traversal root)";
    return ev.expectAttrs(ev.call(session.evalExpression(select), [root], 0), 0, why);
  }

  /** Evaluates one attribute and says what it is. */
  private async evaluate(path: AttrPath): Promise<void> {
    const { session } = this;
    const { evaluator: ev, flags } = session;
    ev.depth = 0;
    try {
      const value = this.find(path);
      if (!(value instanceof Attrs)) return reply('attrs []');
      if (!isDerivation(ev, value)) return reply(`attrs ${compactJson(this.namesBelow(value, path))}`);
      const row = startRow(path);
      const drvPath = await describeDerivation(row, value, {
        session,
        apply: this.apply,
        instantiate: this.options.instantiate,
        meta: flags.has('meta'),
        showInputs: flags.has('show-input-drvs'),
        checkCache: flags.has('check-cache-status'),
        substituter: this.substituter,
      });
      this.wait(drvPath);
      reply(`row ${compactJson(row)}`);
    } catch (error) {
      this.wait(undefined);
      reply(`failure ${compactJson(failureRow(path, this.tell(error)))}`);
    }
  }

  private find(path: AttrPath): Value {
    const { evaluator: ev } = this.session;
    const calls = { args: this.session.autoArgs() };
    let value = this.root;
    for (const [i, name] of path.entries()) {
      const slot = value instanceof Attrs ? value.get(intern(name)) : undefined;
      // Evaluating it once more gave something else: currentTime, or files that changed meanwhile.
      if (slot === undefined) throw new EvalError(`attribute '${name}' is not there any more`);
      value = autoCall(ev, i === path.length - 1 ? forgettable(slot) : slot, calls);
    }
    return value;
  }

  private namesBelow(set: Attrs, path: AttrPath): string[] {
    const { evaluator: ev } = this.session;
    if (!this.options.flags.has('force-recurse')) {
      const recurse = set.get(sRecurse);
      const wanted =
        recurse === undefined
          ? path.length === 0
          : ev.expectBool(recurse, set.posOf(sRecurse), 'while evaluating recurseForDerivations');
      if (!wanted) return [];
    }
    const names: string[] = [];
    set.forEachByName((name) => names.push(name));
    return names;
  }

  private wait(drvPath: StorePath | undefined): void {
    if (this.waiting.length === 0) this.waitingSince = performance.now();
    if (drvPath !== undefined) this.waiting.push(drvPath);
  }

  private flush(): void {
    this.session.flush();
    const dir = this.options.flags.get('gc-roots-dir');
    if (dir !== undefined && this.options.instantiate) {
      for (const drvPath of this.waiting) {
        this.session.store.addIndirectRoot(utf8(join(resolve(dir), basename(fromUtf8(drvPath)))), drvPath);
      }
    }
    this.waiting = [];
    this.waitingSince = Infinity;
    reply('flushed');
  }

  /** Says what went wrong; the same without colours. */
  private tell(error: unknown): string {
    const shown = this.asNixError(error);
    const { positions } = this.session.evaluator;
    const showTrace = this.session.config.bool('show-trace');
    say(renderError(shown, positions, { showTrace, color: wantsColor() }));
    // JSON is UTF-8, whatever a message quotes.
    return utf8(fromUtf8(withoutControls(renderError(shown, positions, { showTrace, color: false }), false)));
  }

  private asNixError(error: unknown): NixError {
    const found = hostError(error);
    if (found instanceof NixError) return found;
    throw found;
  }

  /** undefined at the end. */
  private readCommand(): string | undefined {
    while (this.queue.length === 0) {
      const n = readSync(COMMANDS_FD, this.chunk);
      if (n === 0) return undefined;
      this.queue.push(...this.lines.push(fromBuffer(this.chunk.subarray(0, n))));
    }
    return this.queue.shift();
  }
}

function reply(line: string): void {
  const bytes = toBuffer(`${line}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(REPLIES_FD, bytes, at);
}
