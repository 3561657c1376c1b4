// What `nix-instantiate --parse` prints: the desugared tree in Nix's own syntax, everything in parentheses.
import { symbolName, type Sym } from '../util/symbols.ts';
import type { AttrName, AttrsExpr, Expr, LambdaExpr } from './ast.ts';

const RESERVED = new Set(['if', 'then', 'else', 'assert', 'with', 'let', 'in', 'rec', 'inherit']);
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  $: '\\$',
};
const BINARY = { eq: '==', neq: '!=', and: '&&', or: '||', impl: '->', update: '//', concatLists: '++' } as const;

/** A string literal as Nix prints it. */
export function printStringLiteral(text: string): string {
  return /["\\\n\r\t$]/.test(text) ? `"${text.replace(/["\\\n\r\t]|\$(?=\{)/g, (c) => ESCAPES[c]!)}"` : `"${text}"`;
}

/** A name as Nix prints it: quoted unless it is an identifier; keywords, but `or`, are quoted. */
export function printIdentifier(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_'-]*$/.test(name)) return RESERVED.has(name) ? `"${name}"` : name;
  return printStringLiteral(name);
}

export function printName(sym: Sym): string {
  return printIdentifier(symbolName(sym));
}

/** `a."b c"."${x}"` */
export function printAttrPath(path: readonly AttrName[]): string {
  return path.map((step) => (step.expr === null ? printName(step.sym) : `"\${${printExpr(step.expr)}}"`)).join('.');
}

/** The shortest text of a float that C++ streams print with six significant digits. */
function printFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : value < 0 ? '-inf' : 'nan';
  if (value === 0) return '0';
  const exponent = Number(value.toExponential(5).split('e')[1]);
  if (exponent < -4 || exponent >= 6) {
    const [mantissa, power] = value.toExponential(5).split('e') as [string, string];
    const digits = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
    return `${digits}e${power[0]!}${power.slice(1).padStart(2, '0')}`;
  }
  const fixed = value.toFixed(5 - exponent);
  return fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
}

/** The tree as text, byte string. */
export function printExpr(expr: Expr): string {
  const out: string[] = [];
  print(expr, out);
  return out.join('');
}

function print(expr: Expr, out: string[]): void {
  switch (expr.tag) {
    case 'int':
      out.push(String(expr.value));
      return;
    case 'float':
      out.push(printFloat(expr.value));
      return;
    case 'string':
      out.push(printStringLiteral(expr.value));
      return;
    case 'path':
      out.push(expr.value);
      return;
    case 'var':
      out.push(printName(expr.name));
      return;
    case 'select':
      out.push('(');
      print(expr.target, out);
      out.push(').', printAttrPath(expr.path));
      if (expr.fallback !== null) {
        out.push(' or (');
        print(expr.fallback, out);
        out.push(')');
      }
      return;
    case 'hasAttr':
      out.push('((');
      print(expr.target, out);
      out.push(') ? ', printAttrPath(expr.path), ')');
      return;
    case 'attrs':
      out.push(expr.recursive ? 'rec { ' : '{ ');
      printBindings(expr, out);
      out.push('}');
      return;
    case 'list':
      out.push('[ ');
      for (const element of expr.elements) {
        out.push('(');
        print(element, out);
        out.push(') ');
      }
      out.push(']');
      return;
    case 'lambda':
      printLambda(expr, out);
      return;
    case 'call':
      out.push('(');
      print(expr.fn, out);
      for (const arg of expr.args) {
        out.push(' ');
        print(arg, out);
      }
      out.push(')');
      return;
    case 'let':
      out.push('(let ');
      printBindings(expr.bindings, out);
      out.push('in ');
      print(expr.body, out);
      out.push(')');
      return;
    case 'with':
      out.push('(with ');
      print(expr.scope, out);
      out.push('; ');
      print(expr.body, out);
      out.push(')');
      return;
    case 'if':
      out.push('(if ');
      print(expr.condition, out);
      out.push(' then ');
      print(expr.then, out);
      out.push(' else ');
      print(expr.else, out);
      out.push(')');
      return;
    case 'assert':
      out.push('assert ');
      print(expr.condition, out);
      out.push('; ');
      print(expr.body, out);
      return;
    case 'not':
      out.push('(! ');
      print(expr.operand, out);
      out.push(')');
      return;
    case 'concat':
      out.push('(');
      expr.parts.forEach((part, i) => {
        if (i > 0) out.push(' + ');
        print(part.expr, out);
      });
      out.push(')');
      return;
    case 'curPos':
      out.push('__curPos');
      return;
    default:
      out.push('(');
      print(expr.left, out);
      out.push(` ${BINARY[expr.tag]} `);
      print(expr.right, out);
      out.push(')');
  }
}

function printLambda(expr: LambdaExpr, out: string[]): void {
  out.push('(');
  if (expr.formals !== null) {
    out.push('{ ');
    const sorted = [...expr.formals.formals].sort((a, b) => (symbolName(a.name) < symbolName(b.name) ? -1 : 1));
    sorted.forEach((formal, i) => {
      if (i > 0) out.push(', ');
      out.push(printName(formal.name));
      if (formal.fallback !== null) {
        out.push(' ? ');
        print(formal.fallback, out);
      }
    });
    if (expr.formals.ellipsis) out.push(sorted.length > 0 ? ', ...' : '...');
    out.push(' }');
    if (expr.arg !== null) out.push(' @ ');
  }
  if (expr.arg !== null) out.push(printName(expr.arg));
  out.push(': ');
  print(expr.body, out);
  out.push(')');
}

/** `inherit` first, then `inherit (…)` by source, then the rest; each by name. */
function printBindings(expr: AttrsExpr, out: string[]): void {
  const sorted = [...expr.attrs].sort(([a], [b]) => (symbolName(a) < symbolName(b) ? -1 : 1));
  const inherited = sorted.filter(([, def]) => def.kind === 'inherited').map(([sym]) => ` ${printName(sym)}`);
  if (inherited.length > 0) out.push('inherit', ...inherited, '; ');
  expr.inheritFrom.forEach((source, i) => {
    const names = sorted.filter(([, def]) => def.kind === 'inheritedFrom' && def.from === i);
    if (names.length === 0) return;
    out.push('inherit (');
    print(source, out);
    out.push(')', ...names.map(([sym]) => ` ${printName(sym)}`), '; ');
  });
  for (const [sym, def] of sorted) {
    if (def.kind !== 'plain') continue;
    out.push(printName(sym), ' = ');
    print(def.expr!, out);
    out.push('; ');
  }
  for (const { name, value } of expr.dynamic) {
    out.push('"${');
    print(name, out);
    out.push('}" = ');
    print(value, out);
    out.push('; ');
  }
}
