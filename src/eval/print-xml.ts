// Values as XML: builtins.toXML and `nix-instantiate --xml`.
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import { compareBytes } from '../util/bytes.ts';
import { TextBuilder } from '../util/text-builder.ts';
import { Attrs } from './attrs.ts';
import type { ContextBuilder } from './context.ts';
import type { Evaluator } from './evaluator.ts';
import { formatFloatG } from './format-float.ts';
import { hostError, MAX_PRINTED, outOfMemory } from './host-error.ts';
import { Lambda } from './lambda.ts';
import { peek, Unevaluated } from './peek.ts';
import { isDerivation } from './print.ts';
import { ContextString, NixFloat, PathValue, type List, type Slot, type Value } from './value.ts';

export interface XmlOptions {
  readonly context: ContextBuilder;
  /** Force everything (default); else what is unevaluated is `<unevaluated />`. */
  readonly strict?: boolean;
  /** Adds line, column and path of attributes and functions. */
  readonly location?: boolean;
  /** Told the document up to a failure, its elements closed: nix-instantiate has printed that much by then. */
  readonly onFailure?: (partial: string) => void;
}

type XmlAttributes = readonly (readonly [name: string, value: string])[];

const DRV_PATH = intern('drvPath');
const OUT_PATH = intern('outPath');

/** A document that ends in a newline. */
export function valueToXml(ev: Evaluator, slot: Slot, options: XmlOptions): string {
  const writer = new XmlWriter(ev, options);
  writer.open('expr', []);
  try {
    writer.write(slot, 0);
  } catch (error) {
    options.onFailure?.(writer.closed());
    throw hostError(error);
  }
  writer.close();
  return writer.out.get();
}

/** A value of an attribute. */
export function escapeXml(text: string): string {
  if (!/["<>&\n]/.test(text)) return text;
  return text.replace(/["<>&\n]/g, (c) => ESCAPES[c]!);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '&quot;',
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '\n': '&#xA;',
};

class XmlWriter {
  readonly out = new TextBuilder();
  private readonly ev: Evaluator;
  private readonly context: ContextBuilder;
  private readonly strict: boolean;
  private readonly location: boolean;
  private readonly derivationsSeen = new Set<string>();
  private readonly opened: string[] = [];

  constructor(ev: Evaluator, options: XmlOptions) {
    this.ev = ev;
    this.context = options.context;
    this.strict = options.strict ?? true;
    this.location = options.location ?? false;
    this.out.add("<?xml version='1.0' encoding='utf-8'?>\n");
  }

  private tag(name: string, attributes: XmlAttributes, end: string): void {
    let text = `${'  '.repeat(this.opened.length)}<${name}`;
    for (const [key, value] of attributes) text += ` ${key}="${escapeXml(value)}"`;
    this.out.add(text + end);
  }

  open(name: string, attributes: XmlAttributes): void {
    this.tag(name, attributes, '>\n');
    this.opened.push(name);
  }

  close(): void {
    const name = this.opened.pop()!;
    this.out.add(`${'  '.repeat(this.opened.length)}</${name}>\n`);
  }

  /** The document with everything closed that is open. */
  closed(): string {
    while (this.opened.length > 0) this.close();
    return this.out.get();
  }

  private empty(name: string, value?: string): void {
    this.tag(name, value === undefined ? [] : [['value', value]], ' />\n');
  }

  write(slot: Slot, pos: Pos): void {
    const { ev } = this;
    if (ev.depth > ev.maxDepth || --ev.fuel < 0) ev.checkLimits(pos);
    if (this.out.length > MAX_PRINTED) throw outOfMemory();
    ev.depth++;
    if (this.strict) ev.force(slot, pos);
    this.writePeeked(peek(slot), pos);
    ev.depth--;
  }

  private writePeeked(value: Value | Unevaluated, pos: Pos): void {
    switch (typeof value) {
      case 'string':
        this.empty('string', value);
        return;
      case 'number':
      case 'bigint':
        this.empty('int', value.toString());
        return;
      case 'boolean':
        this.empty('bool', value ? 'true' : 'false');
        return;
      default:
    }
    if (value === null) this.empty('null');
    else if (value instanceof Attrs) this.writeAttrs(value);
    else if (Array.isArray(value)) {
      this.open('list', []);
      for (const item of value as List) this.write(item, pos);
      this.close();
    } else if (value instanceof ContextString) {
      this.context.add(value.context);
      this.empty('string', value.text);
    } else if (value instanceof NixFloat) this.empty('float', formatFloatG(value.value));
    else if (value instanceof PathValue) this.empty('path', value.path);
    else if (value instanceof Lambda) this.writeFunction(value);
    else this.empty('unevaluated');
  }

  private positionAttributes(pos: Pos): (readonly [string, string])[] {
    const position = this.ev.positions.resolve(pos);
    if (position === undefined) {
      return [
        ['column', '0'],
        ['line', '0'],
      ];
    }
    const { kind } = position.origin;
    return [
      ['column', position.column.toString()],
      ['line', position.line.toString()],
      ...(kind.kind === 'file' ? [['path', kind.path] as const] : []),
    ];
  }

  private writeAttrs(attrs: Attrs): void {
    if (!isDerivation(this.ev, attrs)) {
      this.open('attrs', []);
      this.writeMembers(attrs);
      this.close();
      return;
    }
    const attributes: (readonly [string, string])[] = [];
    const drvPath = this.stringAttr(attrs, DRV_PATH);
    const outPath = this.stringAttr(attrs, OUT_PATH);
    if (drvPath !== null) attributes.push(['drvPath', drvPath]);
    if (outPath !== null) attributes.push(['outPath', outPath]);
    this.open('derivation', attributes);
    if (drvPath !== null && drvPath !== '' && !this.derivationsSeen.has(drvPath)) {
      this.derivationsSeen.add(drvPath);
      this.writeMembers(attrs);
    } else this.empty('repeated');
    this.close();
  }

  private stringAttr(attrs: Attrs, sym: Sym): string | null {
    const slot = attrs.get(sym);
    if (slot === undefined) return null;
    if (this.strict) this.ev.force(slot, attrs.posOf(sym));
    const value = peek(slot);
    return typeof value === 'string' ? value : value instanceof ContextString ? value.text : null;
  }

  private writeMembers(attrs: Attrs): void {
    for (const i of attrs.keys.nameOrder()) {
      const name = symbolName(attrs.keys.ids[i] as Sym);
      const pos = attrs.positions === null ? 0 : attrs.positions[i]!;
      const attributes: (readonly [string, string])[] = [['name', name]];
      if (this.location && pos !== 0) {
        attributes.push(...this.positionAttributes(pos));
        attributes.sort(([a], [b]) => compareBytes(a, b));
      }
      this.open('attr', attributes);
      this.write(attrs.values[i]!, pos);
      this.close();
    }
  }

  private writeFunction(fn: Lambda): void {
    const { formals, arg, pos } = fn.record;
    this.open('function', this.location ? this.positionAttributes(pos) : []);
    if (formals === null) {
      this.tag('varpat', [['name', arg === null ? '' : symbolName(arg)]], ' />\n');
    } else {
      const attributes: (readonly [string, string])[] = [];
      if (formals.ellipsis) attributes.push(['ellipsis', '1']);
      if (arg !== null) attributes.push(['name', symbolName(arg)]);
      this.open('attrspat', attributes);
      for (const name of formals.names.map(symbolName).sort(compareBytes)) {
        this.tag('attr', [['name', name]], ' />\n');
      }
      this.close();
    }
    this.close();
  }
}
