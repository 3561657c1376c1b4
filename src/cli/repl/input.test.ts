import { describe, expect, it } from 'vitest';
import { memoryEvaluator } from '../../../test/support/evaluator.ts';
import { ParseError } from '../../util/errors.ts';
import { IncompleteInputError, parseInput } from './input.ts';

const kindOf = (text: string): string => {
  try {
    return parseInput(memoryEvaluator(), text, '/').kind;
  } catch (error) {
    if (error instanceof IncompleteInputError) return 'incomplete';
    if (error instanceof ParseError) return 'error';
    throw error;
  }
};

describe('parseInput()', () => {
  it.each([
    ...['x = 1', 'x = 1;', 'a.b = 1; c = 2', 'inherit (a) b', 'inherit a;', 'x = 1 # end', '"a b" = 1', 'inherit'],
  ])('%s: bindings', (text) => {
    expect(kindOf(text)).toBe('bindings');
  });

  it.each(['x', 'x.y or 1', '{ }', '{ x = 1; }', 'x: x', 'let x = 1; in x', '"x = 1"', '1 # x ='])(
    '%s: an expression',
    (text) => {
      expect(kindOf(text)).toBe('expression');
    },
  );

  it.each([
    ...['(', '1 +', '[ 1', '{ x =', '"a', "''a", 'let x = 1; in', 'x:', 'x.', 'if a then', '${"a'],
    ...['x =', 'x = {', 'x = (1 +', "x = ''", 'x = "', 'inherit (a', 'x = { y = 1; # }', 'x = [ 1 /* ] */', 'x = 1; y'],
  ])('%s: a beginning', (text) => {
    expect(kindOf(text)).toBe('incomplete');
  });

  it.each(['x = 1 }', ')', '1 +)', 'x = )', '1 = 2', '{ x = 1 }', 'x = 1; x = 2'])('%s: wrong', (text) => {
    expect(kindOf(text)).toBe('error');
  });

  it('positions are those of what was typed', () => {
    const ev = memoryEvaluator();
    const { expr } = parseInput(ev, 'x = 1;\ny = 2', '/');
    const [, y] = expr.tag === 'attrs' ? [...expr.attrs.values()] : [];
    expect(ev.positions.resolve(y!.pos)).toMatchObject({ line: 2, column: 1 });
  });
});
