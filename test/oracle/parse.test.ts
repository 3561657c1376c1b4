// The parser against real Nix's `--parse`. Debian's is 2.8.0, which prints some things in another way: both sides are
// brought to one form before they are compared.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { parseNix, printExpr, type Expr } from '../../src/parser/index.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { NixError } from '../../src/util/errors.ts';
import { PosTable } from '../../src/util/positions.ts';
import { runs } from '../support/oracle-eval.ts';
import { seed } from '../support/seed.ts';
import { describeWith } from '../support/requirements.ts';
import { sources } from './generators/syntax.ts';

const dir = mkdtempSync(join(tmpdir(), 'tsnix-parse-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
}, 60_000);

function parse(source: string, baseDir: string): Expr {
  const origin = new PosTable().addOrigin({ kind: 'string' }, source, source.length);
  return parseNix(source, { origin, baseDir, homeDir: '/home', features: new Set() });
}

/**
 * Printed, parsed and printed again, as 2.8's output has to be: `inherit (e) x` as `x = e.x`, sums and strings flat and
 * without empty texts, the beginning of an interpolated path as a string.
 */
function normal(expr: Expr): string {
  const once = printExpr(rewrite(expr));
  try {
    return printExpr(rewrite(parse(once, '/')));
  } catch (error) {
    return `${String(error)} in ${once}`;
  }
}

function rewrite(expr: Expr): Expr {
  switch (expr.tag) {
    case 'path':
      return expr.value.endsWith('/') ? { tag: 'string', value: expr.value, pos: 0 } : expr;
    case 'select':
    case 'hasAttr': {
      const path = expr.path.map((step) => (step.expr === null ? step : { ...step, expr: rewrite(step.expr) }));
      const target = rewrite(expr.target);
      if (expr.tag === 'hasAttr') return { ...expr, target, path };
      return { ...expr, target, path, fallback: expr.fallback === null ? null : rewrite(expr.fallback) };
    }
    case 'attrs':
      return rewriteAttrs(expr);
    case 'list':
      return { ...expr, elements: expr.elements.map(rewrite) };
    case 'lambda': {
      const formals = expr.formals?.formals.map((f) => ({
        ...f,
        fallback: f.fallback === null ? null : rewrite(f.fallback),
      }));
      return {
        ...expr,
        formals: formals === undefined ? null : { ellipsis: expr.formals!.ellipsis, formals },
        body: rewrite(expr.body),
      };
    }
    case 'call':
      return { ...expr, fn: rewrite(expr.fn), args: expr.args.map(rewrite) };
    case 'let':
      return { ...expr, bindings: rewriteAttrs(expr.bindings), body: rewrite(expr.body) };
    case 'with':
      return { ...expr, scope: rewrite(expr.scope), body: rewrite(expr.body) };
    case 'if':
      return { ...expr, condition: rewrite(expr.condition), then: rewrite(expr.then), else: rewrite(expr.else) };
    case 'assert':
      return { ...expr, condition: rewrite(expr.condition), body: rewrite(expr.body) };
    case 'not':
      return { ...expr, operand: rewrite(expr.operand) };
    case 'concat': {
      const parts = expr.parts.flatMap((part) => {
        const inner = rewrite(part.expr);
        return inner.tag === 'concat' ? inner.parts : [{ expr: inner, pos: 0 }];
      });
      const kept = parts.filter((part) => part.expr.tag !== 'string' || part.expr.value !== '');
      if (kept.length === 0) return { tag: 'string', value: '', pos: 0 };
      return kept.length === 1 ? kept[0]!.expr : { ...expr, parts: kept };
    }
    case 'int':
    case 'float':
    case 'string':
    case 'var':
    case 'curPos':
      return expr;
    default:
      return { ...expr, left: rewrite(expr.left), right: rewrite(expr.right) };
  }
}

function rewriteAttrs(expr: Expr & { tag: 'attrs' }): Expr & { tag: 'attrs' } {
  const attrs: typeof expr.attrs = new Map();
  for (const [sym, def] of expr.attrs) {
    const { pos } = def;
    if (def.kind === 'inherited') attrs.set(sym, def);
    else if (def.kind === 'plain') attrs.set(sym, { ...def, expr: rewrite(def.expr!) });
    else {
      const target = rewrite(expr.inheritFrom[def.from]!);
      const value: Expr = { tag: 'select', target, path: [{ sym, expr: null, pos }], fallback: null, pos };
      attrs.set(sym, { kind: 'plain', expr: value, from: 0, pos });
    }
  }
  const dynamic = expr.dynamic.map((d) => ({ ...d, name: rewrite(d.name), value: rewrite(d.value) }));
  return { ...expr, attrs, dynamic, inheritFrom: [] };
}

/** What 2.8 prints in a form that parses again. */
function normalOfNix(output: string): string {
  const readable = output.replace(/(?:\/[\w.+-]+)*\/(?= \+ )/g, (path) => `"${path}"`);
  try {
    return normal(parse(readable, '/'));
  } catch (error) {
    return `${String(error)} in ${readable}`;
  }
}

/** Output of `nix-instantiate --parse` for each file; null where it fails. One process goes on until the first failure. */
function parseWithNix(count: number): (string | null)[] {
  const out: (string | null)[] = [];
  while (out.length < count) {
    const files = Array.from({ length: count - out.length }, (_, i) => join(dir, `${out.length + i}.nix`));
    const run = spawnSync('nix-instantiate', ['--parse', ...files], {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
      cwd: dir,
    });
    // Each expression ends in the marker that is put behind every source.
    const printed = run.stdout.split(MARKER_PRINTED);
    for (const text of printed.slice(0, -1)) out.push(text.slice(text.indexOf('(') + 1));
    if (run.status !== 0) out.push(null);
    else if (out.length < count) throw new Error(`nix-instantiate printed too little: ${run.stderr}`);
  }
  return out;
}

/** `[ (SOURCE) "marker" ]`: free variables are allowed, and one output tells where it ends. */
const wrap = (source: string): string => `with {}; [ (${source}\n) "-=marker=-" ]`;
const MARKER_PRINTED = ') ("-=marker=-") ])';

describeWith(['nix-instantiate'], 'parsing as nix-instantiate 2.8 does', () => {
  it('generated sources', () => {
    const cases = fc.sample(sources, { seed, numRuns: runs }).map(utf8);
    cases.forEach((source, i) => {
      writeFileSync(join(dir, `${i}.nix`), wrap(source), 'latin1');
    });
    const nix = parseWithNix(cases.length);
    const different: string[] = [];
    let accepted = 0;
    cases.forEach((source, i) => {
      let here: string | null;
      let why = '';
      try {
        const wrapped = parse(wrap(source), dir) as Expr & { tag: 'with' };
        here = normal((wrapped.body as Expr & { tag: 'list' }).elements[0]!);
      } catch (error) {
        if (!(error instanceof NixError)) throw error;
        here = null;
        why = error.message;
      }
      const text = nix[i]!;
      const there = text === null ? null : normalOfNix(text.slice(text.indexOf('[ (') + 3));
      if (there !== null) accepted++;
      if (here !== there)
        different.push(`${source}\n  tsnix: ${here ?? `error: ${why}`}\n  nix:   ${there ?? 'error'}`);
    });
    expect(different.slice(0, 10), `seed ${seed}`).toEqual([]);
    expect(accepted).toBeGreaterThan(cases.length / 3);
  });
});
