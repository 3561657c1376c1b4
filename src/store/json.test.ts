import { describe, expect, it } from 'vitest';
import { StoreError } from '../util/errors.ts';
import { canonicalJson, jsonFloat } from './json.ts';

describe('canonicalJson()', () => {
  it.each([
    ['{}', '{}'],
    [' [ 1 , -0 , 1e2 , 1.5 ] ', '[1,0,100.0,1.5]'],
    ['{"b":1,"a":2,"b":3}', '{"a":2,"b":3}'],
    ['"\\u0041\\u00e9\\ud83d\\ude00\\/"', '"A\xc3\xa9\xf0\x9f\x98\x80/"'],
    ['"\\b\\f\\n\\r\\t\\u0001\\"\\\\"', '"\\b\\f\\n\\r\\t\\u0001\\"\\\\"'],
    ['18446744073709551615', '18446744073709551615'],
    ['18446744073709551616', '1.8446744073709552e+19'],
    ['[[],{"a":{}}]', '[[],{"a":{}}]'],
    ['null', 'null'],
  ])('%s', (text, canonical) => {
    expect(canonicalJson(text)).toBe(canonical);
  });

  it.each([
    '',
    '{',
    '[1,]',
    '{"a"}',
    '{a:1}',
    '01',
    '1.',
    '+1',
    '"\n"',
    '"\\x"',
    '"\\ud800"',
    'nul',
    '1 2',
    '[1 2]',
    '1e999',
  ])('rejects %j', (text) => {
    expect(() => canonicalJson(text)).toThrow(StoreError);
  });

  it('refuses nesting without end', () => {
    expect(() => canonicalJson('['.repeat(100_000))).toThrow('nested too deeply');
  });
});

describe('jsonFloat()', () => {
  it.each([
    [1, '1.0'],
    [-0, '-0.0'],
    [0.1, '0.1'],
    [123456789012345, '123456789012345.0'],
    [1e15, '1e+15'],
    [1.5e300, '1.5e+300'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [-2.5e-7, '-2.5e-07'],
    [Infinity, 'null'],
  ])('%d', (value, text) => {
    expect(jsonFloat(value)).toBe(text);
  });
});
