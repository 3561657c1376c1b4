import { describe, expect, it } from 'vitest';
import { parse, printed } from '../../test/support/parse.ts';
import { printExpr, printIdentifier, printStringLiteral } from './print.ts';

describe('printExpr()', () => {
  it.each([
    ['1.0', '1'],
    ['0.1', '0.1'],
    ['1234567.0', '1.23457e+06'],
    ['123456.0', '123456'],
    ['0.00001', '1e-05'],
    ['1.5e300', '1.5e+300'],
    ['1.23456789', '1.23457'],
    ['999999.9', '1e+06'],
    ['0.0', '0'],
  ])('float %s as %s', (source, expected) => {
    expect(printed(source)).toBe(expected);
  });

  it('sorts attributes and formals by name, and puts inherited ones first', () => {
    expect(printed('{ c = 1; inherit b; inherit (x) e d; a = 2; ${y} = 3; inherit a-; }')).toBe(
      '{ inherit a- b; inherit (x) d e; a = 2; c = 1; "${y}" = 3; }',
    );
    expect(printed('{ b ? 1, a, ... }@c: 1')).toBe('({ a, b ? 1, ... } @ c: 1)');
  });

  it('prints what is parsed back to the same', () => {
    const source = 'let a = { b ? 1, ... }@c: with c; [ (x.y or z) "s\\${t}" (if a then -b else !c) ]; in a.b.c ? d';
    const once = printed(source);
    expect(printExpr(parse(once))).toBe(once);
  });
});

describe('printIdentifier()', () => {
  it.each([
    ['a', 'a'],
    ["_a-b'1", "_a-b'1"],
    ['or', 'or'],
    ['if', '"if"'],
    ['', '""'],
    ['1a', '"1a"'],
    ['-a', '"-a"'],
    ['a b', '"a b"'],
    ['a\nb', '"a\\nb"'],
  ])('%j as %s', (name, expected) => {
    expect(printIdentifier(name)).toBe(expected);
  });
});

describe('printStringLiteral()', () => {
  it.each([
    ['a', '"a"'],
    ['"\\\n\r\t', String.raw`"\"\\\n\r\t"`],
    ['$', '"$"'],
    ['${', '"\\${"'],
    ['$${', '"$\\${"'],
    ['\xff\x01', '"\xff\x01"'],
  ])('%j as %s', (text, expected) => {
    expect(printStringLiteral(text)).toBe(expected);
  });
});
