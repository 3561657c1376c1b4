import { describe, expect, it } from 'vitest';
import { memoryEvaluator } from '../../../test/support/evaluator.ts';
import { Attrs } from '../../eval/attrs.ts';
import { Lambda } from '../../eval/lambda.ts';
import { intern } from '../../util/symbols.ts';
import { docBefore, docOfLambda } from './doc-comments.ts';

/** The comment of the function that an expression gives. */
function docOf(source: string): string | undefined {
  const ev = memoryEvaluator();
  const value = ev.evalString(source, '/', { kind: 'string' });
  if (!(value instanceof Lambda)) throw new Error('no function');
  return docOfLambda(ev, value.record.pos)?.trim();
}

describe('docOfLambda()', () => {
  it.each([
    ['its own', '/** A */ x: x'],
    ['with formals', '/** A */ { x, y ? 1 }@z: x'],
    ['of the attribute', '{ /** A */ f = x: x; }.f'],
    ['of a nested attribute', '{ /** A */ a.b."c d" = x: x; }.a.b."c d"'],
    ['of a let', 'let /** A */ f = x: x; in f'],
    ['of curried arguments', '{ /** A */ f = x: y: z: x; }.f 1 2'],
    ['innermost first', '{ /** B */ f = /** A */ x: x; }.f'],
    ['of an inner function', '{ /** B */ f = x: /** A */ y: x; }.f 1'],
    ['through parentheses', '{ /** A */ f = (x: x); }.f'],
    ['with space and comments after it', '{ /** A */ # b\n  /* c */\n\n  f = x: x; }.f'],
    ['the last', '{ /** B */ /** A */ f = x: x; }.f'],
    ['deep inside', 'with { }; (if true then { /** A */ f = x: x; } else [ (y: y) ]).f'],
  ])('%s', (_title, source) => {
    expect(docOf(source)).toBe('A');
  });

  it.each([
    ['an ordinary comment', '/* A */ x: x'],
    ['of the attribute before', '{ /** A */ a = 1; f = x: x; }.f'],
    ['of another function', '{ /** A */ f = g: g; h = x: x; }.h'],
    ['of a value that is no function', '{ /** A */ f = builtins.head [ (x: x) ]; }.f'],
  ])('none: %s', (_title, source) => {
    expect(docOf(source)).toBeUndefined();
  });

  it('takes the marks and the common indentation away', () => {
    expect(docOf('  /**\n    One\n      two\n\n    three\n  */\n  x: x')).toBe('One\n  two\n\nthree');
  });
});

describe('docBefore()', () => {
  it('gives the comment of an attribute', () => {
    const ev = memoryEvaluator();
    const set = ev.evalString('{ /** A */ a = 1; b = 2; }', '/', { kind: 'string' }) as Attrs;
    expect(docBefore(ev, set.posOf(intern('a')))?.trim()).toBe('A');
    expect(docBefore(ev, set.posOf(intern('b')))).toBeUndefined();
    expect(docBefore(ev, 0)).toBeUndefined();
  });
});
