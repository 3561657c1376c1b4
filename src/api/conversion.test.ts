import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Evaluator, NixFloat, NixPath, NixString, opaque, type JsValue } from '../index.ts';

const nix = new Evaluator({ files: { '/bytes': new Uint8Array([0xff, 0x41]) } });
const js = (text: string): JsValue => nix.evaluate(text).toJS();
const exact = (text: string): JsValue => nix.evaluate(text).toJS({ exact: true });
const nixOf = (value: unknown): string => nix.value(value).print({ force: true });

describe('toJS()', () => {
  it('ints: number where safe, else bigint', () => {
    expect(js('[ 0 (-7) 9007199254740991 9007199254740992 (-9223372036854775807 - 1) ]')).toEqual([
      0, -7, 9007199254740991, 9007199254740992n, -9223372036854775808n,
    ]); // prettier-ignore
  });

  it('floats: number; NixFloat where exact', () => {
    expect(js('[ 2.0 0.1 1.0e300 ]')).toEqual([2, 0.1, 1e300]);
    expect(exact('[ 2.0 2 ]')).toEqual([new NixFloat(2), 2]);
  });

  it('strings: text where it is UTF-8, else bytes', () => {
    expect(js('"é\\n"')).toBe('é\n');
    expect(js('builtins.readFile /bytes')).toEqual(new Uint8Array([0xff, 0x41]));
    expect(nix.evaluate('"é"').bytes()).toEqual(new Uint8Array([0xc3, 0xa9]));
    expect(nix.evaluate('builtins.readFile /bytes').text()).toBe('\ufffdA');
  });

  it('contexts: dropped; NixString where exact', () => {
    const text = '"${builtins.toFile "a" ""}/x"';
    const path = '/nix/store/rjpa7kdyl9a1irk0c5q47h80g8sam5p8-a';
    expect(js(text)).toBe(`${path}/x`);
    expect(exact(text)).toEqual(new NixString(`${path}/x`, [path]));
    expect(nix.evaluate(text).context()).toEqual([path]);
    expect(nix.value(exact(text)).context()).toEqual([path]);
  });

  it('paths: text; NixPath where exact', () => {
    expect(js('/a/../b')).toBe('/b');
    expect(exact('/b')).toEqual(new NixPath('/b'));
  });

  it('sets: objects without prototype, sharing and cycles kept', () => {
    const value = js('let a = { n = 1; }; in { x = a; y = a; "__proto__" = 1; "é" = null; }') as Record<
      string,
      JsValue
    >;
    expect(Object.keys(value)).toEqual(['__proto__', 'x', 'y', 'é']);
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(value['x']).toBe(value['y']);
    const cyclic = js('rec { self = { inherit self; }; l = [ self ]; }') as { self: { self: unknown }; l: unknown[] };
    expect(cyclic.self.self).toBe(cyclic.self);
    expect(cyclic.l[0]).toBe(cyclic.self);
  });

  it('functions: functions, or an error where asked', () => {
    expect((js('{ f = x: x + 1; }') as { f: (x: number) => number }).f(1)).toBe(2);
    expect(() => nix.evaluate('[ map ]').toJS({ functions: 'error' })).toThrow("the built-in function 'map'");
  });
});

describe('value()', () => {
  it('converts what has a counterpart', () => {
    expect(nixOf([null, true, 1, -0, 2.5, 2 ** 53, 1n, 'é"'])).toBe('[ null true 1 0 2.5 9.0072e+15 1 "é\\"" ]');
    expect(nixOf([new NixFloat(2), new NixPath('/a//b/'), new Uint8Array([97, 98])])).toBe('[ 2 /a/b "ab" ]');
    expect(nix.value(new NixFloat(2)).type).toBe('float');
    expect(nixOf({ b: 1, a: { 'x y': [] } })).toBe('{ a = { "x y" = [ ]; }; b = 1; }');
    expect(nixOf(new Map([['k', 1]]))).toBe('{ k = 1; }');
    expect(nix.value(nix.evaluate('1')).toJS()).toBe(1);
  });

  it('takes getters as lazy attributes, asked once', () => {
    let asked = 0;
    const value = nix.value({
      get a() {
        return ++asked;
      },
    });
    expect(value.names()).toEqual(['a']);
    expect(asked).toBe(0);
    expect([value.get('a').toJS(), value.get('a').toJS(), asked]).toEqual([1, 1, 1]);
  });

  it('gives a Nix function that came out back as itself', () => {
    const f = nix.evaluate('x: x');
    const fn = f.toJS();
    expect(nix.evaluate('a: b: [ a ] == [ b ]').call(fn, fn).toJS()).toBe(true);
    expect(nix.value(fn).print()).toBe(f.print());
  });

  it('passes opaque values through', () => {
    const date = new Date(0);
    const held = nix.evaluate('x: { inherit x; t = builtins.typeOf x; }').call(opaque(date, 'a date'));
    expect(held.get('x').toJS()).toBe(date);
    expect(held.get('x').print()).toBe('«a date»');
    expect(() => nix.evaluate('x: x + 1').call(opaque(date, 'a date'))).toThrow('a date');
  });

  it('refuses the rest', () => {
    for (const value of [undefined, Symbol('s'), new Date(), /x/, new Map([[1, 1]]), new Set()]) {
      expect(() => nix.value(value)).toThrow(TypeError);
    }
    expect(() => nix.value(2n ** 63n)).toThrow(RangeError);
    const cycle: unknown[] = [];
    cycle.push({ cycle });
    expect(() => nix.value(cycle)).toThrow('cyclic');
    const twice = [1];
    expect(nixOf([twice, twice])).toBe('[ [ 1 ] [ 1 ] ]');
    expect(() => nix.value(new Evaluator({ files: {} }).evaluate('x: x'))).toThrow('another');
    expect(() => new NixPath('a')).toThrow(TypeError);
    // No text in Nix holds a NUL.
    for (const value of ['a\0', new Uint8Array([0]), { 'a\0': 1 }, new Map([['\0', 1]]), new NixPath('/\0')]) {
      expect(() => nix.value(value)).toThrow('NUL');
    }
    expect(() => nix.value(new NixString('\0'))).toThrow('NUL');
    const path = `/nix/store/${'0'.repeat(32)}-x`;
    for (const context of ['', 'x', '=', '!out!x', `=${path}`, `!out!${path}`, '/nix/store/x', `${path}/y`]) {
      expect(() => nix.value(new NixString('', [context]))).toThrow('no context');
    }
    const fine = [path, `=${path}.drv`, `!out!${path}.drv`, `!a!!out!${path}.drv`];
    expect(nix.value(new NixString('', fine)).context()).toEqual([...fine].sort());
  });

  it('JSON.stringify keeps integers that no number holds', () => {
    const value = nix.evaluate(
      '{ a = [ 9223372036854775807 (-9007199254740993) 1.0e20 1 ]; s = "9223372036854775807"; }',
    );
    expect(JSON.stringify(value)).toBe(
      '{"a":[9223372036854775807,-9007199254740993,100000000000000000000,1],"s":"9223372036854775807"}',
    );
  });

  it('round trip: value(toJS({ exact: true })) is the same value', () => {
    const noNul = (text: fc.Arbitrary<string>): fc.Arbitrary<string> => text.map((t) => t.replaceAll('\0', 'x'));
    const leaf = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true }).map((x) => new NixFloat(x)),
      noNul(fc.string({ unit: 'binary' })),
      fc.uint8Array({ min: 1 }),
      fc.constant(new NixPath('/x/é')),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(noNul(fc.string({ unit: 'binary', maxLength: 5 })), tie('value'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (original) => {
        const once = nix.value(original);
        const again = nix.value(once.toJS({ exact: true }));
        expect(again.type).toBe(once.type);
        expect(again.print()).toBe(once.print());
        expect(again.equals(once)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
