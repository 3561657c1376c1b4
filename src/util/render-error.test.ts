import { describe, expect, it } from 'vitest';
import { fromUtf8 } from './bytes.ts';
import { EvalError, ThrownError, type NixError } from './errors.ts';
import { PosTable, type OriginKind } from './positions.ts';
import { renderError } from './render-error.ts';

const SOURCE = 'let\n  one = 1;\n  two = one + "x";\nin two\n';

/** A table with one source; positions are its byte offsets plus one. */
function table(source: string | (() => string) = SOURCE, kind: OriginKind = { kind: 'string' }): PosTable {
  const positions = new PosTable();
  positions.addOrigin(kind, source, 1000);
  return positions;
}

function render(error: NixError, positions = table(), options: { showTrace?: boolean; color?: boolean } = {}): string {
  return fromUtf8(renderError(error, positions, { showTrace: false, color: false, ...options }));
}

/** As a file would hold it: the first line break is not part of it. */
const text = (literal: string): string => literal.replace(/^\n/, '');

describe('renderError()', () => {
  it('is one line where there is nothing but a message', () => {
    expect(render(new EvalError('no such thing'))).toBe('error: no such thing');
  });

  it('shows the place with the lines before and after', () => {
    expect(render(new EvalError('cannot add', { pos: 24 }))).toBe(
      text(`
error: cannot add
       at «string»:3:9:
            2|   one = 1;
            3|   two = one + "x";
             |         ^
            4| in two`),
    );
  });

  it('shows no line before the first, and an empty one after a line break at the end', () => {
    expect(render(new EvalError('bad', { pos: 1 }), table('x\n'))).toBe(
      text(`
error: bad
       at «string»:1:1:
            1| x
             | ^
            2|`),
    );
    expect(render(new EvalError('bad', { pos: 1 }), table('x'))).toBe(
      text(`
error: bad
       at «string»:1:1:
            1| x
             | ^`),
    );
  });

  it('counts lines that end with CR, LF or both', () => {
    expect(render(new EvalError('bad', { pos: 7 }), table('a\r\nb\rc d\n'))).toBe(
      text(`
error: bad
       at «string»:3:2:
            2| b
            3| c d
             |  ^
            4|`),
    );
  });

  it('indents a message of several lines and trims what is blank at their ends', () => {
    expect(render(new EvalError('first  \nsecond\n\nthird'))).toBe('error: first\n       second\n\n       third');
  });

  it.each([
    [{ kind: 'file', path: '/a/b.nix' }, '/a/b.nix:1:1:'],
    [{ kind: 'stdin' }, '«stdin»:1:1:'],
    [{ kind: 'string' }, '«string»:1:1:'],
    [{ kind: 'internal', name: 'x.nix' }, '«nix-internal»/x.nix:1:1:'],
  ] as const)('names the source: %j', (kind, expected) => {
    expect(render(new EvalError('bad', { pos: 1 }), table('x', kind))).toContain(`at ${expected}`);
  });

  it('says no more than its name about a source that is gone', () => {
    const gone = table(
      () => {
        throw new Error('ENOENT');
      },
      { kind: 'file', path: '/gone' },
    );
    expect(render(new EvalError('bad', { pos: 1 }), gone)).toBe('error: bad\n       at /gone:');
  });

  it('shows frames outermost first, the message last', () => {
    const error = new EvalError('inner', { pos: 24 }).addFrame('while doing a', 11).addFrame('while doing b', 0);
    expect(render(error)).toBe(
      text(`
error:
       … while doing b

       … while doing a
         at «string»:2:7:
            1| let
            2|   one = 1;
             |       ^
            3|   two = one + "x";

       error: inner
       at «string»:3:9:
            2|   one = 1;
            3|   two = one + "x";
             |         ^
            4| in two`),
    );
  });

  describe('without --show-trace', () => {
    const error = (): EvalError => {
      const e = new EvalError('inner');
      for (const name of ['f', 'e', 'd', 'c', 'b', 'a']) e.addFrame(`in ${name}`, 0);
      return e;
    };
    const cut = "(stack trace truncated; use '--show-trace' to show the full, detailed trace)";

    it('shows four frames', () => {
      expect(render(error())).toBe(
        `error:\n       … in a\n\n       … in b\n\n       … in c\n\n       … in d\n\n       ${cut}\n\n       error: inner`,
      );
    });
    it('counts a frame with a place twice', () => {
      const e = new EvalError('inner');
      for (const name of ['d', 'c', 'b', 'a']) e.addFrame(`in ${name}`, 1);
      expect(render(e).match(/… in ./g)).toEqual(['… in a', '… in b']);
    });
    it('always shows some frames', () => {
      const e = error();
      e.frames.splice(1, 0, { hint: 'from addErrorContext', pos: 0, always: true });
      expect(render(e).match(/… .*/g)).toEqual(['… in a', '… in b', '… in c', '… in d', '… from addErrorContext']);
      expect(render(e)).toContain(cut);
    });
    it('is not cut where all frames fit', () => {
      const e = new EvalError('inner').addFrame('in b', 0).addFrame('in a', 0);
      expect(render(e)).not.toContain('truncated');
    });
    it('--show-trace shows all', () => {
      expect(render(error(), table(), { showTrace: true }).match(/… in ./g)).toHaveLength(6);
    });
  });

  describe('repeated frames', () => {
    const repeated = (n: number): EvalError => {
      const e = new EvalError('inner');
      e.addFrame('in leaf', 0);
      for (let i = 0; i < n; i++) e.addFrame('in loop', 1);
      return e;
    };
    it('are shown where they are few', () => {
      expect(render(repeated(6), table(), { showTrace: true }).match(/in loop/g)).toHaveLength(6);
    });
    it('are counted where they are many', () => {
      const out = render(repeated(7), table(), { showTrace: true });
      expect(out.match(/in loop/g)).toHaveLength(1);
      expect(out).toContain('\n\n       (6 duplicate frames omitted)\n\n       … in leaf');
    });
    it('have the same place', () => {
      const e = new EvalError('inner');
      for (let i = 0; i < 8; i++) e.addFrame('in loop', 1 + i);
      expect(render(e, table(), { showTrace: true })).not.toContain('omitted');
    });
    it('need not follow each other', () => {
      const e = new EvalError('inner');
      for (let i = 0; i < 5; i++) e.addFrame('in a', 1).addFrame('in b', 1);
      expect(render(e, table(), { showTrace: true })).toContain('(8 duplicate frames omitted)');
    });
  });

  it('passes over frames without a hint', () => {
    expect(render(new EvalError('inner').addFrame('', 1))).toBe('error: inner');
  });

  it.each([
    [['a'], 'Did you mean a?'],
    [['a', 'b'], 'Did you mean one of a or b?'],
    [['a', 'b', 'c'], 'Did you mean one of a, b or c?'],
  ])('suggests %j', (suggestions, expected) => {
    expect(render(new EvalError('missing', { suggestions }))).toBe(`error: missing\n       ${expected}`);
    expect(render(new EvalError('missing', { suggestions, pos: 1 })).endsWith(`\n       ${expected}`)).toBe(true);
  });

  it('Nix quirk: a line break at the end of a message stays, unless it was thrown', () => {
    expect(render(new EvalError('quoted\n'))).toBe('error: quoted\n       ');
    expect(render(new ThrownError('thrown\n'))).toBe('error: thrown');
  });

  it('is coloured where asked', () => {
    const error = new EvalError('bad', { pos: 1, suggestions: ['x'] }).addFrame('in a', 0);
    expect(render(error, table('y'), { color: true })).toBe(
      [
        '\x1b[31;1merror:\x1b[0m',
        '       … in a',
        '',
        '       \x1b[31;1merror:\x1b[0m bad',
        '       \x1b[34;1mat \x1b[0m\x1b[35;1m«string»:1:1\x1b[0m:',
        '            1| y',
        '             | \x1b[31;1m^\x1b[0m',
        '       Did you mean \x1b[35;1mx\x1b[0m?',
      ].join('\n'),
    );
  });
});
