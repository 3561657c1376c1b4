// Thousands of programs by real Nix in few processes: each is a file, and `nix repl`, unlike nix-instantiate, goes on
// after an error. What a program comes to is traced: builtins.trace prints as nix-instantiate --eval does.
import { as236 } from './oracle-eval.ts';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allBuiltins } from '../../src/builtins/index.ts';
import { ContextBuilder } from '../../src/eval/context.ts';
import { Evaluator } from '../../src/eval/evaluator.ts';
import { NodeEvalIo } from '../../src/eval/node-io.ts';
import { printAmbiguous } from '../../src/eval/print-ambiguous.ts';
import { valueToXml } from '../../src/eval/print-xml.ts';
import { quoteString } from '../../src/eval/print-string.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { NixError } from '../../src/util/errors.ts';

/** How far a program came: what prints without and with --strict and as XML, and the message that ended it. */
export interface Outcome {
  readonly lazy?: string;
  readonly strict?: string;
  readonly xml?: string;
  /** First line of the message, without "error: ". */
  readonly error?: string;
}

/** A process that needs longer for its programs is killed, and the one that it was at does not count. */
const TIMEOUT_MS = 30_000;
const PER_PROCESS = 1000;

const REPEATED = utf8('«repeated»');

export class ProgramFolder {
  readonly dir = mkdtempSync(join(tmpdir(), 'tsnix-programs-'));
  readonly #programs = join(this.dir, 'programs');

  constructor() {
    mkdirSync(join(this.#programs, 'dir/sub'), { recursive: true });
    writeFileSync(join(this.#programs, 'a.txt'), 'text of a\n');
    writeFileSync(join(this.#programs, 'dir/b'), 'b');
  }

  close(): void {
    spawnSync('chmod', ['-R', 'u+w', this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  /**
   * @param here XML is not asked for where a value holds itself: Nix writes that until it is killed
   * @returns null for programs that took too long or more memory than there is
   */
  withNix(programs: readonly string[], here: readonly Outcome[]): (Outcome | null)[] {
    programs.forEach((program, i) => {
      // Whatever is wrong must be so before the end of the file, or the repl reads on.
      writeFileSync(join(this.#programs, `${i}.nix`), `(${program}\n)`, 'latin1');
    });
    const out: (Outcome | null)[] = [];
    while (out.length < programs.length) {
      const first = out.length;
      const run = spawnSync('nix', ['--extra-experimental-features', 'nix-command', 'repl'], {
        input: programs
          .slice(first, first + PER_PROCESS)
          .map((_, i) => this.#question(first + i, here[first + i]!.xml !== undefined))
          .join(''),
        encoding: 'latin1',
        maxBuffer: 1 << 29,
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        env: {
          PATH: process.env['PATH'],
          HOME: this.dir,
          XDG_DATA_HOME: this.dir,
          NIX_REMOTE: `local?root=${this.dir}/root`,
        },
      });
      const answers = run.stderr.split(/^trace: #program \d+\n/m).slice(1);
      if (answers.length === 0) throw new Error(`nix repl did not get anywhere: ${run.stderr} ${String(run.error)}`);
      for (const answer of answers) out.push(readAnswer(answer));
      if (run.signal !== null || run.error !== undefined) out[out.length - 1] = null;
      else if (answers.length < Math.min(programs.length - first, PER_PROCESS) && run.status === 0) {
        throw new Error(`nix repl left out answers: ${run.stderr.slice(-2000)}`);
      }
    }
    return out;
  }

  #question(i: number, xml: boolean): string {
    const steps = [`trace "#program ${i}"`, 'seq (builtins.head v)', 'trace "#lazy"', 'trace v', 'deepSeq v'];
    // In a list: text that is traced by itself loses tabs and carriage returns.
    steps.push('trace "#strict"', 'trace v');
    if (xml) steps.push('deepSeq x', 'trace "#xml"', 'trace x');
    const all = steps.reduceRight((rest, step) => `builtins.${step} (${rest})`, 'null');
    return `let v = [ (import ${this.#programs}/${i}.nix) ]; x = [ (builtins.toXML (builtins.head v)) ]; in ${all}\n`;
  }

  /** In this process, with one evaluator. @throws whatever is not a NixError */
  here(programs: readonly string[]): Outcome[] {
    const io = new NodeEvalIo({ system: 'x86_64-linux', env: {}, log: () => undefined, readOnly: true });
    const ev = new Evaluator({ io, builtins: allBuiltins, settings: { readOnly: true } });
    return programs.map((program) => {
      const out: { -readonly [K in keyof Outcome]: Outcome[K] } = {};
      try {
        const value = ev.evalString(`(${program}\n)`, this.#programs, { kind: 'string' });
        out.lazy = printAmbiguous(ev, value);
        ev.forceDeep(value);
        out.strict = printAmbiguous(ev, value);
        if (!out.strict.includes(REPEATED))
          out.xml = quoteString(valueToXml(ev, value, { context: new ContextBuilder() }));
      } catch (error) {
        if (!(error instanceof NixError)) throw new Error(`on ${program}`, { cause: error });
        out.error = error.message.split('\n')[0]!;
      }
      return out;
    });
  }
}

function readAnswer(text: string): Outcome {
  const out: { -readonly [K in keyof Outcome]: Outcome[K] } = {};
  const pieces = text.split(/^trace: #(lazy|strict|xml)\n/m);
  const ending = /^error: ([^]*)/m.exec(pieces.at(-1)!);
  for (let i = 1; i < pieces.length; i += 2) {
    const which = pieces[i] as 'lazy' | 'strict' | 'xml';
    let printed = pieces[i + 1]!;
    if (i + 2 > pieces.length - 1 && ending !== null) printed = printed.slice(0, printed.lastIndexOf('\nerror: ') + 1);
    printed = printed.replace(/^trace: /, '').replace(/\n$/, '');
    if (printed === '') continue;
    out[which] = as236(printed.replace(/^\[ ([^]*) \]$/, '$1'));
  }
  if (ending !== null) out.error = ending[1]!.split('\n')[0]!.trim();
  return out;
}
