import { describe, expect, it } from 'vitest';
import { formatFloatF, formatFloatG, formatFloatJson } from './format-float.ts';

describe('formatFloatG() writes as C++ streams do', () => {
  it.each([
    [0.5, '0.5'],
    [1, '1'],
    [-0, '-0'],
    [1e6, '1e+06'],
    [123456, '123456'],
    [1234567, '1.23457e+06'],
    [1 / 3, '0.333333'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1e100, '1e+100'],
    [999999.5, '1e+06'],
    [99999.95, '99999.9'],
    [123456.5, '123456'],
    [123457.5, '123458'],
    [5e-324, '4.94066e-324'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [NaN, '-nan'],
  ])('%d: %s', (value, text) => {
    expect(formatFloatG(value)).toBe(text);
  });
});

describe('formatFloatF() writes as std::to_string does', () => {
  it.each([
    [0.5, '0.500000'],
    [-0, '-0.000000'],
    [1e21, '1000000000000000000000.000000'],
    [123456789.1234567, '123456789.123457'],
    [0.0078125, '0.007812'],
    [0.0234375, '0.023438'],
    [1e-7, '0.000000'],
    [Infinity, 'inf'],
  ])('%d: %s', (value, text) => {
    expect(formatFloatF(value)).toBe(text);
  });
  it('never uses an exponent', () => {
    expect(formatFloatF(1e300)).toHaveLength(308);
  });
});

describe('formatFloatJson() writes as nlohmann does', () => {
  it.each([
    [1, '1.0'],
    [-0, '-0.0'],
    [0.1, '0.1'],
    [1e14, '100000000000000.0'],
    [1e15, '1e+15'],
    [1.5e15, '1.5e+15'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1.25e-7, '1.25e-07'],
    [1e100, '1e+100'],
    [NaN, 'null'],
    [-Infinity, 'null'],
  ])('%d: %s', (value, text) => {
    expect(formatFloatJson(value)).toBe(text);
  });
});
