// Nix's printer of values: error messages, trace, `nix eval`, the repl. Options say what is forced and where it stops.
import { utf8 } from '../util/bytes.ts';
import { EvalError, InterruptedError, NixError, StackOverflowError } from '../util/errors.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { Attrs } from './attrs.ts';
import { ContextBuilder } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import { formatFloatG } from './format-float.ts';
import { hostError } from './host-error.ts';
import { Lambda } from './lambda.ts';
import { peek, Unevaluated } from './peek.ts';
import { printPosition } from './print-position.ts';
import { escapeString, printAttrName } from './print-string.ts';
import { ContextString, ExternalValue, NixFloat, PathValue, Primop, PrimopApp } from './value.ts';
import type { List, Slot, Value } from './value.ts';

export interface PrintOptions {
  /** Colours by escape sequences. */
  readonly ansiColors?: boolean;
  /** Evaluate what is printed. */
  readonly force?: boolean;
  /** With `force`: derivations as «derivation /nix/store/….drv». */
  readonly derivationPaths?: boolean;
  /** Values seen before as «repeated» (default true). */
  readonly trackRepeated?: boolean;
  readonly maxDepth?: number;
  /** Over the whole output, not per set. */
  readonly maxAttrs?: number;
  /** Over the whole output, not per list. */
  readonly maxListItems?: number;
  /** In bytes. */
  readonly maxStringLength?: number;
  /** Columns per level; 0 prints on one line. */
  readonly prettyIndent?: number;
  /** What an error in a printed value does: «error: …» in its place (default), or throw, or only at the top. */
  readonly errors?: 'print' | 'throw' | 'throw-top-level';
  /** Contexts of printed strings are added here. */
  readonly context?: ContextBuilder;
}

/** For values in messages. */
export const errorPrintOptions: PrintOptions = { maxDepth: 10, maxAttrs: 10, maxListItems: 10, maxStringLength: 1024 };

/** For builtins.trace. */
export const tracePrintOptions: PrintOptions = {};

const NORMAL = '\x1b[0m';
const FAINT = '\x1b[2m';
const RED = '\x1b[31;1m';
const GREEN = '\x1b[32;1m';
const BLUE = '\x1b[34;1m';
const MAGENTA = '\x1b[35;1m';
const CYAN = '\x1b[36;1m';

const OPEN = utf8('«');
const CLOSE = utf8('»');
const TYPE = intern('type');
const UNDERSCORE_TYPE = intern('_type');
const DRV_PATH = intern('drvPath');

/** @throws StackOverflowError beyond max-call-depth, and what `options.errors` lets through */
export function printValue(ev: Evaluator, slot: Slot, options: PrintOptions = {}): string {
  const printer = new Printer(ev, options);
  printer.print(slot, 0);
  return printer.out;
}

/** Whether a set is a derivation: `type` (forced) is "derivation". */
export function isDerivation(ev: Evaluator, attrs: Attrs): boolean {
  const slot = attrs.get(TYPE);
  if (slot === undefined) return false;
  const type = ev.force(slot);
  return type === 'derivation' || (type instanceof ContextString && type.text === 'derivation');
}

class Printer {
  out = '';
  private readonly ev: Evaluator;
  private readonly force: boolean;
  private readonly derivationPaths: boolean;
  private readonly colors: boolean;
  private readonly maxDepth: number;
  private readonly maxAttrs: number;
  private readonly maxListItems: number;
  private readonly maxStringLength: number;
  private readonly prettyIndent: number;
  private readonly errors: 'print' | 'throw' | 'throw-top-level';
  private readonly context: ContextBuilder | null;
  /** Sets by identity, lists by their slot. */
  private readonly seen: Set<unknown> | null;
  private indent = 0;
  private attrsPrinted = 0;
  private itemsPrinted = 0;

  constructor(ev: Evaluator, options: PrintOptions) {
    this.ev = ev;
    this.force = options.force ?? false;
    this.derivationPaths = options.derivationPaths ?? false;
    this.colors = options.ansiColors ?? false;
    this.maxDepth = options.maxDepth ?? Infinity;
    this.maxAttrs = options.maxAttrs ?? Infinity;
    this.maxListItems = options.maxListItems ?? Infinity;
    this.maxStringLength = options.maxStringLength ?? Infinity;
    this.prettyIndent = options.prettyIndent ?? 0;
    this.errors = options.errors ?? 'print';
    this.context = options.context ?? null;
    this.seen = (options.trackRepeated ?? true) ? new Set() : null;
  }

  print(slot: Slot, depth: number): void {
    const { ev } = this;
    if (depth > ev.settings.maxCallDepth) throw new StackOverflowError('stack overflow; max-call-depth exceeded');
    try {
      if (this.force) ev.force(slot);
      this.printPeeked(slot, peek(slot), depth);
    } catch (caught) {
      const error = hostError(caught);
      if (!(error instanceof NixError) || error instanceof StackOverflowError || error instanceof InterruptedError) {
        throw error;
      }
      if (this.errors === 'throw' || (this.errors === 'throw-top-level' && depth === 0)) throw error;

      this.colored(RED, `${OPEN}error: ${error.message.replace(/\x1b\[[0-9;]*m/g, '')}${CLOSE}`);
    }
  }

  private printPeeked(slot: Slot, value: Value | Unevaluated, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.printString(value);
        return;
      case 'number':
      case 'bigint':
        this.colored(CYAN, value.toString());
        return;
      case 'boolean':
        this.colored(CYAN, value ? 'true' : 'false');
        return;
      default:
    }
    if (value === null) this.colored(CYAN, 'null');
    else if (value instanceof Attrs) this.printAttrs(value, depth);
    else if (Array.isArray(value)) this.printList(slot, value as List, depth);
    else if (value instanceof ContextString) {
      this.printString(value.text);
      this.context?.add(value.context);
    } else if (value instanceof NixFloat) this.colored(CYAN, formatFloatG(value.value));
    else if (value instanceof PathValue) this.colored(GREEN, value.path);
    else if (value instanceof Unevaluated) {
      if (value.state === 'blackhole') this.colored(RED, `${OPEN}potential infinite recursion${CLOSE}`);
      else this.colored(MAGENTA, `${OPEN}thunk${CLOSE}`);
    } else if (value instanceof ExternalValue) this.out += `${OPEN}${value.typeName}${CLOSE}`;
    else this.printFunction(value as Lambda | Primop | PrimopApp);
  }

  private colored(color: string, text: string): void {
    this.out += this.colors ? color + text + NORMAL : text;
  }

  private printString(text: string): void {
    if (this.colors) this.out += MAGENTA;
    if (text.length > this.maxStringLength) {
      this.out += `"${escapeString(text, this.maxStringLength)}" `;
      this.printElided(text.length - this.maxStringLength, 'byte');
      return;
    }
    this.out += `"${escapeString(text, text.length)}"`;
    if (this.colors) this.out += NORMAL;
  }

  private printElided(count: number, what: string): void {
    this.colored(FAINT, `${OPEN}${count} ${what}${count === 1 ? '' : 's'} elided${CLOSE}`);
  }

  private printFunction(fn: Lambda | Primop | PrimopApp): void {
    let text: string;
    if (fn instanceof Lambda) {
      const { name, pos } = fn.record;
      text = `lambda${name === null ? '' : ` ${printAttrName(symbolName(name))}`} @ ${printPosition(this.ev.positions, pos)}`;
    } else if (fn instanceof Primop) text = `primop ${fn.name}`;
    else text = `partially applied primop ${fn.primop.name}`;
    this.colored(BLUE, OPEN + text + CLOSE);
  }

  private space(pretty: boolean): void {
    this.out += pretty ? `\n${' '.repeat(this.indent)}` : ' ';
  }

  /** Several items, or one that is (or may become) a structure, go on lines of their own. */
  private isPretty(slots: readonly Slot[]): boolean {
    if (this.prettyIndent === 0 || slots.length === 0) return false;
    if (slots.length > 1) return true;
    const value = this.ev.force(slots[0]!);
    return Array.isArray(value) || value instanceof Attrs;
  }

  private printAttrs(attrs: Attrs, depth: number): void {
    if (this.seen !== null) {
      if (this.seen.has(attrs)) {
        this.colored(MAGENTA, `${OPEN}repeated${CLOSE}`);
        return;
      }
      this.seen.add(attrs);
    }
    if (this.force && this.derivationPaths && isDerivation(this.ev, attrs)) {
      this.printDerivation(attrs);
      return;
    }
    if (depth >= this.maxDepth) {
      this.out += '{ ... }';
      return;
    }
    this.indent += this.prettyIndent;
    this.out += '{';
    const order = this.maxAttrs === Infinity ? attrs.keys.nameOrder() : importantFirst(attrs);
    const pretty = this.isPretty(attrs.values);
    for (let i = 0; i < order.length; i++) {
      this.space(pretty);
      if (this.attrsPrinted >= this.maxAttrs) {
        this.printElided(order.length - i, 'attribute');
        break;
      }
      const index = order[i]!;
      this.out += `${printAttrName(symbolName(attrs.keys.ids[index] as Sym))} = `;
      this.print(attrs.values[index]!, depth + 1);
      this.out += ';';
      this.attrsPrinted++;
    }
    this.indent -= this.prettyIndent;
    this.space(pretty);
    this.out += '}';
  }

  private printDerivation(attrs: Attrs): void {
    const slot = attrs.get(DRV_PATH);
    let path = '';
    if (slot !== undefined) {
      const why = 'while evaluating the drvPath of a derivation';
      const text = this.ev.coerceToString(slot, attrs.posOf(DRV_PATH), new ContextBuilder(), why, { copy: false });
      if (!text.startsWith(`${this.ev.io.storeDir}/`)) {
        throw new EvalError(`path '${text}' is not in the Nix store`).addFrame(why, attrs.posOf(DRV_PATH));
      }
      path = ` ${text}`;
    }
    this.colored(GREEN, `${OPEN}derivation${path}${CLOSE}`);
  }

  private printList(slot: Slot, items: List, depth: number): void {
    if (this.seen !== null && items.length > 0) {
      if (this.seen.has(slot)) {
        this.colored(MAGENTA, `${OPEN}repeated${CLOSE}`);
        return;
      }
      this.seen.add(slot);
    }
    if (depth >= this.maxDepth) {
      this.out += '[ ... ]';
      return;
    }
    this.indent += this.prettyIndent;
    this.out += '[';
    const pretty = this.isPretty(items);
    for (let i = 0; i < items.length; i++) {
      this.space(pretty);
      if (this.itemsPrinted >= this.maxListItems) {
        this.printElided(items.length - i, 'item');
        break;
      }
      this.print(items[i]!, depth + 1);
      this.itemsPrinted++;
    }
    this.indent -= this.prettyIndent;
    this.space(pretty);
    this.out += ']';
  }
}

/** Indexes by name, but `type` and `_type` lead. */
function importantFirst(attrs: Attrs): ArrayLike<number> {
  const order = attrs.keys.nameOrder();
  const important: number[] = [];
  const rest: number[] = [];
  for (const i of order) {
    const sym = attrs.keys.ids[i] as Sym;
    (sym === TYPE || sym === UNDERSCORE_TYPE ? important : rest).push(i);
  }
  return important.length === 0 ? order : important.concat(rest);
}
