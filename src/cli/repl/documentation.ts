// `:doc`: the manual of builtins, and the comments of functions and attributes.
import { Attrs } from '../../eval/attrs.ts';
import type { Evaluator } from '../../eval/evaluator.ts';
import { FUNCTOR } from '../../eval/failures.ts';
import { Lambda } from '../../eval/lambda.ts';
import { printPosition } from '../../eval/print-position.ts';
import { Primop, type Value } from '../../eval/value.ts';
import type { Expr } from '../../parser/index.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError } from '../../util/errors.ts';
import { symbolName } from '../../util/symbols.ts';
import { docBefore, docOfLambda } from './doc-comments.ts';

const PLACE = utf8('\n  … ');

/** Markdown. @throws EvalError where there is none */
export function documentation(ev: Evaluator, expr: Expr, scope: Attrs): string {
  const fallback = attributeDocumentation(ev, expr, scope);
  const text = documentationOf(ev, ev.evalExpr(expr, scope)) ?? fallback;
  if (text === undefined) throw new EvalError('value does not have documentation');
  return text.trim();
}

function documentationOf(ev: Evaluator, value: Value): string | undefined {
  if (value instanceof Primop) {
    const { name, args, doc } = value.record;
    return utf8(`${synopsis(name, args)}${doc}`);
  }
  if (value instanceof Lambda) {
    const { name, pos } = value.record;
    const place = pos === 0 ? '' : `defined at ${printPosition(ev.positions, pos)}`;
    const title =
      name === null ? `Function ${place}` : `Function \`${symbolName(name)}\`\\${pos === 0 ? '\n' : PLACE}${place}`;
    const doc = docOfLambda(ev, pos);
    return doc === undefined || doc === '' ? title : `${title}\n\n${doc}`;
  }
  if (value instanceof Attrs && value.has(FUNCTOR)) {
    try {
      // The set itself is no argument of the user's: what it gives is the function to describe.
      if (ev.depth > ev.maxDepth) ev.checkLimits(0);
      ev.depth++;
      const result = documentationOf(ev, ev.call(value.get(FUNCTOR)!, [value], 0));
      ev.depth--;
      return result;
    } catch (error) {
      throw ev.frame(error, "while partially calling '__functor' to retrieve documentation", 0);
    }
  }
  return undefined;
}

function synopsis(name: string, args: readonly string[]): string {
  return args.length === 0 ? '' : `**Synopsis:** \`builtins.${name}\` ${args.map((arg) => `*${arg}*`).join(' ')}\n\n`;
}

/** What is known of the attribute that an expression selects. */
function attributeDocumentation(ev: Evaluator, expr: Expr, scope: Attrs): string | undefined {
  if (expr.tag !== 'select' || expr.fallback !== null) return undefined;
  const name = expr.path.at(-1)!;
  if (name.sym === null) return undefined;
  const path = expr.path.slice(0, -1);
  const target = path.length === 0 ? expr.target : { ...expr, path };
  const set = ev.evalExpr(target, scope);
  if (!(set instanceof Attrs)) {
    ev.expectAttrs(set, 0, 'while evaluating an attribute set to look for documentation');
    return undefined;
  }
  const pos = set.posOf(name.sym);
  if (pos === 0) return undefined;
  const doc = docBefore(ev, pos) ?? 'No documentation found.\n\n';
  return `Attribute \`${symbolName(name.sym)}\`\n${PLACE}defined at ${printPosition(ev.positions, pos)}\n\n${doc}`;
}
