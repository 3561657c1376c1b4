// What `nix-instantiate --eval` prints. "Ambiguous" is C++ Nix's name for it: `<CODE>` could be a string's text.
import { utf8 } from '../util/bytes.ts';
import { StackOverflowError } from '../util/errors.ts';
import { symbolName, type Sym } from '../util/symbols.ts';
import { TextBuilder } from '../util/text-builder.ts';
import { Attrs } from './attrs.ts';
import type { ContextBuilder } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import { formatFloatG } from './format-float.ts';
import { hostError } from './host-error.ts';
import { Lambda } from './lambda.ts';
import { peek, Unevaluated } from './peek.ts';
import { printAttrName, quoteString } from './print-string.ts';
import { ContextString, ExternalValue, NixFloat, PathValue, Primop, type List, type Slot } from './value.ts';

const REPEATED = utf8('«repeated»');
const RECURSION = utf8('«potential infinite recursion»');

/**
 * One line, without a newline. Forces nothing: what has not been evaluated is `<CODE>`. Contexts of strings are added
 * to `context`.
 * @param repeats print what was printed before again, in place of «repeated»
 * @throws StackOverflowError beyond max-call-depth
 */
export function printAmbiguous(
  ev: Evaluator,
  slot: Slot,
  context: ContextBuilder | null = null,
  repeats = false,
): string {
  const printer = new AmbiguousPrinter(ev.settings.maxCallDepth, context, repeats);
  try {
    printer.print(slot, 0);
  } catch (error) {
    throw hostError(error);
  }
  return printer.out.get();
}

class AmbiguousPrinter {
  readonly out = new TextBuilder();
  private readonly seen: Set<unknown> | undefined;
  private readonly maxDepth: number;
  private readonly context: ContextBuilder | null;

  constructor(maxDepth: number, context: ContextBuilder | null, repeats: boolean) {
    this.seen = repeats ? undefined : new Set();
    this.maxDepth = maxDepth;
    this.context = context;
  }

  print(slot: Slot, depth: number): void {
    if (depth > this.maxDepth) throw new StackOverflowError('stack overflow; max-call-depth exceeded');
    const value = peek(slot);
    switch (typeof value) {
      case 'string':
        this.out.add(quoteString(value));
        return;
      case 'number':
      case 'bigint':
      case 'boolean':
        this.out.add(value.toString());
        return;
      default:
    }
    if (value === null) this.out.add('null');
    else if (value instanceof Attrs) this.printAttrs(value, depth);
    else if (Array.isArray(value)) this.printList(slot, value as List, depth);
    else if (value instanceof ContextString) {
      this.out.add(quoteString(value.text));
      this.context?.add(value.context);
    } else if (value instanceof Unevaluated) this.out.add(value.state === 'blackhole' ? RECURSION : '<CODE>');
    else if (value instanceof NixFloat) this.out.add(formatFloatG(value.value));
    else if (value instanceof PathValue) this.out.add(value.path);
    else if (value instanceof Lambda) this.out.add('<LAMBDA>');
    else if (value instanceof Primop) this.out.add('<PRIMOP>');
    else if (value instanceof ExternalValue) this.out.add(utf8(`«${value.typeName}»`));
    else this.out.add('<PRIMOP-APP>');
  }

  private printAttrs(attrs: Attrs, depth: number): void {
    if (attrs.size > 0 && this.seen !== undefined) {
      if (this.seen.has(attrs)) {
        this.out.add(REPEATED);
        return;
      }
      this.seen.add(attrs);
    }
    this.out.add('{ ');
    for (const i of attrs.keys.nameOrder()) {
      this.out.add(`${printAttrName(symbolName(attrs.keys.ids[i] as Sym))} = `);
      this.print(attrs.values[i]!, depth + 1);
      this.out.add('; ');
    }
    this.out.add('}');
  }

  private printList(slot: Slot, items: List, depth: number): void {
    if (items.length > 0 && this.seen !== undefined) {
      if (this.seen.has(slot)) {
        this.out.add(REPEATED);
        return;
      }
      this.seen.add(slot);
    }
    this.out.add('[ ');
    for (let i = 0; i < items.length; i++) {
      this.print(items[i]!, depth + 1);
      this.out.add(' ');
    }
    this.out.add(']');
  }
}
