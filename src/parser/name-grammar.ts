// The part of the grammar that is about names, formals and strings, which may hold expressions.
import type { IOrAlt, ParserMethod } from 'chevrotain';
import { ParseError } from '../util/errors.ts';
import type { Pos } from '../util/positions.ts';
import { intern, type Sym } from '../util/symbols.ts';
import type { AttrName, Expr, Formals } from './ast.ts';
import { attrNameOf, concatString, type Part, type StringParts } from './build.ts';
import type { Formal } from './formals.ts';
import { TokenReader } from './token-reader.ts';
import * as t from './tokens.ts';

/** Thrown when the input is not in the language; syntax-error.ts finds out what to say. */
export class Rejected extends Error {}

export type Rule<R> = ParserMethod<[], R>;

const COMMA = t.index(t.Comma);
const QUESTION = t.index(t.Question);
const DOT = t.index(t.Dot);
const OR_SYM = intern('or');

export abstract class NameGrammar extends TokenReader {
  abstract readonly expression: Rule<Expr>;

  /** Text, or pieces if there is an interpolation. */
  readonly stringParts: Rule<StringParts> = this.RULE('stringParts', () => {
    let text = '';
    let textPos = 0;
    let parts: Part[] | null = null;
    this.MANY(() => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.Str);
            const pos = this.last();
            if (parts === null) {
              if (text !== '') throw new Rejected();
              text = this.value() as string;
              textPos = pos;
            } else parts.push({ expr: { tag: 'string', value: this.value() as string, pos }, pos });
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.DollarCurly);
            const pos = this.last();
            parts ??= textPos === 0 ? [] : [{ expr: { tag: 'string', value: text, pos: textPos }, pos: textPos }];
            parts.push({ expr: this.SUBRULE(this.expression), pos });
            this.CONSUME(t.BraceClose);
          },
        },
      ]);
    });
    return parts ?? text;
  });

  readonly inheritedNames: Rule<{ sym: Sym; pos: Pos }[]> = this.RULE('inheritedNames', () => {
    const names: { sym: Sym; pos: Pos }[] = [];
    this.MANY(() => {
      const { sym, pos } = this.SUBRULE(this.attrName);
      if (sym === null) throw new ParseError('dynamic attributes not allowed in inherit', { pos });
      names.push({ sym, pos });
    });
    return names;
  });

  readonly attrPath: Rule<AttrName[]> = this.RULE('attrPath', () => {
    const path = [this.SUBRULE(this.attrName)];
    if (this.nextIs(DOT)) {
      this.MANY(() => {
        this.CONSUME(t.Dot);
        path.push(this.SUBRULE1(this.attrName));
      });
    }
    return path;
  });

  private readonly attrNameAlternatives: IOrAlt<AttrName>[] = [
    {
      ALT: () => {
        this.CONSUME(t.Id);
        return { sym: this.symbol(), expr: null, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.OrKeyword);
        return { sym: OR_SYM, expr: null, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.StringLiteral);
        return { sym: this.RECORDING_PHASE ? OR_SYM : intern(this.value() as string), expr: null, pos: this.last() };
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.Quote);
        const pos = this.last();
        const parts = this.SUBRULE(this.stringParts);
        this.CONSUME1(t.Quote);
        return attrNameOf(concatString(parts, pos), pos);
      },
    },
    {
      ALT: () => {
        this.CONSUME(t.DollarCurly);
        const pos = this.last();
        const expr = this.SUBRULE(this.expression);
        this.CONSUME(t.BraceClose);
        return attrNameOf(expr, pos);
      },
    },
  ];

  readonly attrName: Rule<AttrName> = this.RULE('attrName', () => this.OR(this.attrNameAlternatives));

  /** `{ x, y ? 1, ... }` */
  readonly formals: Rule<Formals> = this.RULE('formals', () => {
    const formals: Formal[] = [];
    let ellipsis = false;
    let comma = true;
    this.CONSUME(t.FormalsOpen);
    this.MANY(() => {
      if (!comma || ellipsis) throw new Rejected();
      comma = false;
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.Ellipsis);
            ellipsis = true;
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Id);
            const pos = this.last();
            const name = this.symbol();
            let fallback: Expr | null = null;
            if (this.nextIs(QUESTION)) {
              this.OPTION(() => {
                this.CONSUME(t.Question);
                fallback = this.SUBRULE(this.expression);
              });
            }
            formals.push({ name, fallback, pos });
          },
        },
      ]);
      if (this.nextIs(COMMA)) {
        this.OPTION1(() => {
          this.CONSUME(t.Comma);
          comma = true;
        });
        if (ellipsis && comma && !this.RECORDING_PHASE) throw new Rejected();
      }
    });
    this.CONSUME(t.BraceClose);
    return { ellipsis, formals };
  });
}
