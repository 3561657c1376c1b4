import { describe, expect, it } from 'vitest';
import { allBuiltins } from '../builtins/index.ts';
import { fromUtf8, utf8 } from '../util/bytes.ts';
import { ContextBuilder } from './context.ts';
import { Evaluator } from './evaluator.ts';
import { MemoryEvalIo } from './memory-io.ts';
import { printAmbiguous } from './print-ambiguous.ts';
import { valueToXml } from './print-xml.ts';
import { errorPrintOptions, printValue, type PrintOptions } from './print.ts';
import type { Slot } from './value.ts';

function slotOf(source: string): { ev: Evaluator; slot: Slot } {
  const ev = new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins, settings: { maxCallDepth: 200 } });
  return { ev, slot: ev.evalString(utf8(source), '/', { kind: 'string' }) };
}

function print(source: string, options: PrintOptions = { force: true }): string {
  const { ev, slot } = slotOf(source);
  return fromUtf8(printValue(ev, slot, options));
}

describe('printValue()', () => {
  it.each([
    ['1', '1'],
    ['[ ]', '[ ]'],
    ['{ }', '{ }'],
    ['[ 1 "a\\n" null true 1.5 /p ]', '[ 1 "a\\n" null true 1.5 /p ]'],
    ['{ b = 1; a = { }; "x y" = 2; "if" = 3; or = 4; }', '{ a = { }; b = 1; "if" = 3; or = 4; "x y" = 2; }'],
    ['let f = x: x; in f', '«lambda f @ «string»:1:9»'],
    ['x: x', '«lambda @ «string»:1:1»'],
    ['[ map (map map) ]', '[ «primop map» «partially applied primop map» ]'],
    ['let s = { a = 1; }; in [ s s ]', '[ { a = 1; } «repeated» ]'],
    ['rec { p1 = [ p2 ]; p2 = p1; }', '{ p1 = [ «repeated» ]; p2 = «repeated»; }'],
    ['[ (throw "no") 1 ]', '[ «error: no» 1 ]'],
    ['"${"$"}{x} $y"', '"\\${x} $y"'],
  ])('%s', (source, text) => {
    expect(print(source)).toBe(text);
  });

  it('leaves alone what it need not force', () => {
    expect(print('{ a = 1; b = 1 + 1; }', {})).toBe('{ a = 1; b = «thunk»; }');
  });
  it('stops at depth, items, attributes and bytes', () => {
    const options = { ...errorPrintOptions, force: true };
    expect(print('[ 1 2 3 ]', { ...options, maxListItems: 2 })).toBe('[ 1 2 «1 item elided» ]');
    expect(print('{ a = 1; b = 2; c = 3; }', { ...options, maxAttrs: 1 })).toBe('{ a = 1; «2 attributes elided» }');
    expect(print('{ a = { b = { }; }; c = [ 1 ]; }', { ...options, maxDepth: 1 })).toBe(
      '{ a = { ... }; c = [ ... ]; }',
    );
    expect(print('"abcdef"', { ...options, maxStringLength: 4 })).toBe('"abcd" «2 bytes elided»');
    expect(print('{ z = 1; type = "t"; }', { ...options, maxAttrs: 1 })).toBe('{ type = "t"; «1 attribute elided» }');
  });
  it('indents what has several or nested items', () => {
    expect(print('{ a = [ ]; b = [ 1 2 ]; c = { d = { e = 1; }; }; }', { force: true, prettyIndent: 2 })).toBe(
      '{\n  a = [ ];\n  b = [\n    1\n    2\n  ];\n  c = {\n    d = { e = 1; };\n  };\n}',
    );
  });
  it('names derivations', () => {
    const text = print('derivation { name = "n"; system = "s"; builder = "b"; }', {
      force: true,
      derivationPaths: true,
    });
    expect(text).toMatch(/^«derivation \/nix\/store\/.{32}-n\.drv»$/);
  });
  it('throws where asked to', () => {
    expect(() => print('[ (throw "no") ]', { force: true, errors: 'throw' })).toThrow('no');
    expect(print('[ (throw "no") ]', { force: true, errors: 'throw-top-level' })).toBe('[ «error: no» ]');
  });
  it('ends at max-call-depth', () => {
    expect(() => print('let f = n: { inner = f (n + 1); }; in f 0')).toThrow('max-call-depth exceeded');
  });
  it('colours', () => {
    expect(print('[ 1 ]', { force: true, ansiColors: true })).toBe('[ \x1b[36;1m1\x1b[0m ]');
  });
});

describe('printAmbiguous()', () => {
  const ambiguous = (source: string): string => {
    const { ev, slot } = slotOf(source);
    return fromUtf8(printAmbiguous(ev, slot));
  };
  it.each([
    ['{ a = 1; l = [ 1 ]; s = "x"; f = x: x; n = -1; }', '{ a = 1; f = <CODE>; l = <CODE>; n = <CODE>; s = "x"; }'],
    ['x: x', '<LAMBDA>'],
    ['map', '<PRIMOP>'],
    ['map map', '<PRIMOP-APP>'],
    ['let s = { a = 1; }; in builtins.seq s [ s s ]', '[ { a = 1; } «repeated» ]'],
    ['{ }', '{ }'],
    ['[ ]', '[ ]'],
  ])('%s', (source, text) => {
    expect(ambiguous(source)).toBe(text);
  });
});

describe('valueToXml()', () => {
  const xml = (source: string, options: { strict?: boolean; location?: boolean } = {}): string => {
    const { ev, slot } = slotOf(source);
    const text = valueToXml(ev, slot, { context: new ContextBuilder(), ...options });
    return text.replace("<?xml version='1.0' encoding='utf-8'?>\n<expr>\n", '').replace('</expr>\n', '').trim();
  };
  it.each([
    ['1', '<int value="1" />'],
    ['"<a&\\"\\n>"', '<string value="&lt;a&amp;&quot;&#xA;&gt;" />'],
    ['null', '<null />'],
    ['x: x', '<function>\n    <varpat name="x" />\n  </function>'],
    [
      '{ b, a ? 1, ... }@s: a',
      '<function>\n    <attrspat ellipsis="1" name="s">\n      <attr name="a" />\n      <attr name="b" />\n    </attrspat>\n  </function>',
    ],
    ['map', '<unevaluated />'],
    ['{ type = "derivation"; }', '<derivation>\n    <repeated />\n  </derivation>'],
  ])('%s', (source, text) => {
    expect(xml(source)).toBe(text);
  });
  it('says where things are', () => {
    expect(xml('{ a = 1; }', { location: true })).toContain('<attr column="3" line="1" name="a">');
  });
});
