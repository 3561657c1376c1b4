// TEMPORARY hand-written parser so that others can run; H1's Chevrotain parser replaces it.
/* eslint-disable */
import { ParseError } from '../util/errors.ts';
import type { Origin, Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';
import type { AttrName, AttrsExpr, Expr, LambdaExpr } from './ast.ts';
export type { Expr } from './ast.ts';
export interface ParseOptions { origin: Origin; baseDir: string; homeDir: string | null; features: ReadonlySet<string>; warn?: (msg: string, pos: Pos) => void }
export function printExpr(_e: Expr): string { return '<expr>'; }
const KW = new Set(['if','then','else','assert','with','let','in','rec','inherit','or']);
export function parseNix(src: string, o: ParseOptions): Expr { return new P(src, o).top(); }
type Tok = { t: string; v: any; s: number; e: number; ws: boolean };
const canon = (p: string) => { const out: string[] = []; for (const c of p.split('/')) { if (c === '' || c === '.') continue; if (c === '..') out.pop(); else out.push(c); } return '/' + out.join('/'); };
class P {
  src: string; o: { origin: Origin; baseDir: string; homeDir: string | null }; i = 0; tok!: Tok;
  constructor(src: string, o: { origin: Origin; baseDir: string; homeDir: string | null }) { this.src = src; this.o = o; this.next(); }
  pos(off: number): Pos { return this.o.origin.base + off; }
  fail(msg: string, off = this.tok.s): never { throw new ParseError(msg, { pos: this.pos(off) }); }
  next(): Tok { const t = this.tok; this.tok = this.lex(); return t; }
  re(r: RegExp): string | null { r.lastIndex = this.i; const m = r.exec(this.src); return m === null ? null : m[0]; }
  lex(): Tok {
    const ws0 = this.i;
    for (;;) { const m = this.re(/[ \t\r\n]+|#[^\r\n]*|\/\*[^]*?\*\//y); if (m === null || m === '') break; this.i += m.length; }
    const s = this.i, ws = s > ws0;
    const mk = (t: string, v: any, n: number): Tok => { this.i = s + n; return { t, v, s, e: s + n, ws }; };
    if (s >= this.src.length) return mk('eof', null, 0);
    let best: [string, any, number] = ['', null, 0];
    const tryTok = (t: string, r: RegExp) => { const m = this.re(r); if (m !== null && m.length > best[2]) best = [t, m, m.length]; };
    tryTok('id', /[A-Za-z_][A-Za-z0-9_'-]*/y); tryTok('int', /[0-9]+/y);
    tryTok('float', /(?:[1-9][0-9]*\.[0-9]*|0?\.[0-9]+)(?:[Ee][+-]?[0-9]+)?/y);
    tryTok('path', /[A-Za-z0-9._+-]*(?:\/[A-Za-z0-9._+-]+)+\/?/y);
    tryTok('hpath', /~(?:\/[A-Za-z0-9._+-]+)+\/?/y);
    tryTok('spath', /<[A-Za-z0-9._+-]+(?:\/[A-Za-z0-9._+-]+)*>/y);
    tryTok('uri', /[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9%\/?:@&=+$,_.!~*'-]+/y);
    { const m = this.re(/(?:~|[A-Za-z0-9._+-]*)\/(?=\$\{)/y); if (m !== null && m.length >= best[2] && m !== '~') best = ['path', m, m.length]; }
    for (const op of ['...','==','!=','<=','>=','&&','||','->','//','++','${',"''",'{','}','[',']','(',')',';',':',',','.','=','@','?','!','<','>','+','-','*','/','"']) if (this.src.startsWith(op, s)) { if (op.length > best[2]) best = ['op', op, op.length]; break; }
    if (best[2] === 0) this.failAt('syntax error, unexpected invalid token', s);
    if (best[0] === 'id' && KW.has(best[1])) return mk('kw', best[1], best[2]);
    return mk(best[0], best[1], best[2]);
  }
  failAt(m: string, s: number): never { throw new ParseError(m, { pos: this.pos(s) }); }
  is(v: string): boolean { return (this.tok.t === 'op' || this.tok.t === 'kw') && this.tok.v === v; }
  eat(v: string): Tok { if (!this.is(v)) this.fail(`syntax error, unexpected ${JSON.stringify(this.tok.v)}, expecting '${v}'`); return this.next(); }
  top(): Expr { const e = this.expr(); if (this.tok.t !== 'eof') this.fail(`syntax error, unexpected ${JSON.stringify(this.tok.v)}, expecting end of file`); return e; }
  v(name: string, pos: Pos): Expr { return { tag: 'var', name: intern(name), pos }; }
  call(name: string, args: Expr[], pos: Pos): Expr { return { tag: 'call', fn: this.v(name, pos), args, pos }; }
  expr(): Expr {
    const t = this.tok, pos = this.pos(t.s);
    if (t.t === 'id') { const save = this.i, st = t; const n = this.peek();
      if (n === ':') { this.next(); this.next(); return this.lam(intern(t.v), null, this.expr(), pos); }
      if (n === '@') { this.next(); this.next(); const f = this.formals(); this.eat(':'); return this.lam(intern(t.v), f, this.expr(), pos); } void save; void st; }
    if (this.is('{') && this.isFormals()) { const f = this.formals(); let arg: Sym | null = null; if (this.is('@')) { this.next(); arg = intern(this.next().v); } this.eat(':'); return this.lam(arg, f, this.expr(), pos); }
    if (this.is('assert')) { this.next(); const condition = this.expr(); this.eat(';'); return { tag: 'assert', condition, body: this.expr(), pos }; }
    if (this.is('with')) { this.next(); const scope = this.expr(); this.eat(';'); return { tag: 'with', scope, body: this.expr(), pos }; }
    if (this.is('let') && this.peek() !== '{') { this.next(); const b = this.binds('in', pos); this.eat('in'); return { tag: 'let', bindings: b, body: this.expr(), pos }; }
    if (this.is('if')) { this.next(); const condition = this.expr(); this.eat('then'); const th = this.expr(); this.eat('else'); return { tag: 'if', condition, then: th, else: this.expr(), pos }; }
    return this.op(0);
  }
  lam(arg: Sym | null, formals: any, body: Expr, pos: Pos): LambdaExpr { return { tag: 'lambda', arg, formals, body, pos, name: null }; }
  peek(): string { const i = this.i; const t = this.lex(); this.i = i; return t.t === 'op' || t.t === 'kw' ? t.v : ''; }
  isFormals(): boolean { const i = this.i, tok = this.tok; try { this.next(); if (this.is('}')) { this.next(); return this.is(':') || this.is('@'); } if (this.is('...')) return true; if (this.tok.t !== 'id') return false; this.next(); if (this.is('?') || this.is(',')) return true; if (this.is('}')) { this.next(); return this.is(':') || this.is('@'); } return false; } finally { this.i = i; this.tok = tok; } }
  formals() { this.eat('{'); const fs: any[] = []; let ellipsis = false; while (!this.is('}')) { if (this.is('...')) { this.next(); ellipsis = true; break; } const n = this.next(); let fallback: Expr | null = null; if (this.is('?')) { this.next(); fallback = this.expr(); } fs.push({ name: intern(n.v), fallback, pos: this.pos(n.s) }); if (this.is(',')) this.next(); else break; } this.eat('}'); return { ellipsis, formals: fs }; }
  op(_: number): Expr { return this.impl(); }
  impl(): Expr { const l = this.or(); if (this.is('->')) { const p = this.pos(this.next().s); return { tag: 'impl', left: l, right: this.impl(), pos: p }; } return l; }
  or(): Expr { let l = this.and(); while (this.is('||')) { const p = this.pos(this.next().s); l = { tag: 'or', left: l, right: this.and(), pos: p }; } return l; }
  and(): Expr { let l = this.eq(); while (this.is('&&')) { const p = this.pos(this.next().s); l = { tag: 'and', left: l, right: this.eq(), pos: p }; } return l; }
  eq(): Expr { const l = this.cmp(); if (this.is('==') || this.is('!=')) { const t = this.next(); return { tag: t.v === '==' ? 'eq' : 'neq', left: l, right: this.cmp(), pos: this.pos(t.s) }; } return l; }
  cmp(): Expr { const l = this.upd(); const t = this.tok; if (t.t !== 'op') return l; const p = this.pos(t.s);
    switch (t.v) { case '<': this.next(); return this.call('__lessThan', [l, this.upd()], p); case '>': { this.next(); const r = this.upd(); return this.call('__lessThan', [r, l], p); }
      case '<=': { this.next(); const r = this.upd(); return { tag: 'not', operand: this.call('__lessThan', [r, l], p), pos: p }; } case '>=': { this.next(); const r = this.upd(); return { tag: 'not', operand: this.call('__lessThan', [l, r], p), pos: p }; } } return l; }
  upd(): Expr { const l = this.not(); if (this.is('//')) { const p = this.pos(this.next().s); return { tag: 'update', left: l, right: this.upd(), pos: p }; } return l; }
  not(): Expr { if (this.is('!')) { const p = this.pos(this.next().s); return { tag: 'not', operand: this.not(), pos: p }; } return this.add(); }
  add(): Expr { let l = this.mul(); for (;;) { if (this.is('+')) { const p = this.pos(this.next().s); l = { tag: 'concat', forceString: false, parts: [{ expr: l, pos: l.pos }, (e => ({ expr: e, pos: e.pos }))(this.mul())], pos: p }; } else if (this.is('-')) { const p = this.pos(this.next().s); l = this.call('__sub', [l, this.mul()], p); } else return l; } }
  mul(): Expr { let l = this.cat(); for (;;) { if (this.is('*')) { const p = this.pos(this.next().s); l = this.call('__mul', [l, this.cat()], p); } else if (this.is('/')) { const p = this.pos(this.next().s); l = this.call('__div', [l, this.cat()], p); } else return l; } }
  cat(): Expr { const l = this.has(); if (this.is('++')) { const p = this.pos(this.next().s); return { tag: 'concatLists', left: l, right: this.cat(), pos: p }; } return l; }
  has(): Expr { const l = this.neg(); if (this.is('?')) { const p = this.pos(this.next().s); return { tag: 'hasAttr', target: l, path: this.path(), pos: p }; } return l; }
  neg(): Expr { if (this.is('-')) { const p = this.pos(this.next().s); return this.call('__sub', [{ tag: 'int', value: 0, pos: p }, this.neg()], p); } return this.app(); }
  starts(): boolean { const t = this.tok; return ['id','int','float','path','hpath','spath','uri'].includes(t.t) || (t.t === 'op' && ['"',"''",'(','{','['].includes(t.v)) || (t.t === 'kw' && (t.v === 'rec' || t.v === 'let')); }
  app(): Expr { const f = this.sel(); const args: Expr[] = []; while (this.starts()) args.push(this.sel()); return args.length === 0 ? f : { tag: 'call', fn: f, args, pos: f.pos }; }
  sel(): Expr { const e = this.simple(); if (this.is('.')) { this.next(); const path = this.path(); let fallback: Expr | null = null; if (this.is('or')) { this.next(); fallback = this.sel(); } return { tag: 'select', target: e, path, fallback, pos: e.pos }; } if (this.is('or')) { const p = this.pos(this.next().s); return { tag: 'call', fn: e, args: [this.v('or', p)], pos: e.pos }; } return e; }
  path(): AttrName[] { const out = [this.attr()]; while (this.is('.')) { this.next(); out.push(this.attr()); } return out; }
  attr(): AttrName { const t = this.tok, pos = this.pos(t.s); if (t.t === 'id' || this.is('or')) { this.next(); return { sym: intern(t.v), expr: null, pos }; }
    if (this.is('"')) { const e = this.str(); return e.tag === 'string' ? { sym: intern(e.value), expr: null, pos } : { sym: null, expr: e, pos }; }
    if (this.is('${')) { this.next(); const e = this.expr(); this.eat('}'); return e.tag === 'string' ? { sym: intern(e.value), expr: null, pos } : { sym: null, expr: e, pos }; }
    this.fail(`syntax error, unexpected ${JSON.stringify(t.v)}`); }
  simple(): Expr { const t = this.tok, pos = this.pos(t.s);
    switch (t.t) {
      case 'id': this.next(); return t.v === '__curPos' ? { tag: 'curPos', pos } : this.v(t.v, pos);
      case 'int': { this.next(); const b = BigInt(t.v); if (b > 9223372036854775807n) this.fail(`invalid integer '${t.v}'`, t.s); return { tag: 'int', value: b <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(b) : b, pos }; }
      case 'float': this.next(); return { tag: 'float', value: Number(t.v), pos };
      case 'uri': this.next(); return { tag: 'string', value: t.v, pos };
      case 'spath': this.next(); return this.call('__findFile', [this.v('__nixPath', pos), { tag: 'string', value: t.v.slice(1, -1), pos }], pos);
      case 'path': case 'hpath': return this.pathLit(t, pos);
      case 'kw': if (t.v === 'rec') { this.next(); this.eat('{'); const b = this.binds('}', pos); this.eat('}'); b.recursive = true; return b; } if (t.v === 'let') { this.next(); this.eat('{'); const b = this.binds('}', pos); this.eat('}'); b.recursive = true; return { tag: 'select', target: b, path: [{ sym: intern('body'), expr: null, pos }], fallback: null, pos }; } break;
      case 'op': switch (t.v) { case '(': { this.next(); const e = this.expr(); this.eat(')'); return e; } case '[': { this.next(); const elements: Expr[] = []; while (!this.is(']')) elements.push(this.sel()); this.eat(']'); return { tag: 'list', elements, pos }; }
        case '{': { this.next(); const b = this.binds('}', pos); this.eat('}'); return b; } case '"': return this.str(); case "''": return this.ind(); } }
    this.fail(`syntax error, unexpected ${t.t === 'eof' ? 'end of file' : JSON.stringify(t.v)}`); }
  pathLit(t: Tok, pos: Pos): Expr { let text: string = t.v; const abs = (p: string) => p.startsWith('~') ? (this.o.homeDir ?? '/') + p.slice(1) : p.startsWith('/') ? p : this.o.baseDir + '/' + p;
    const parts: any[] = []; const first = canon(abs(text)); 
    if (!this.src.startsWith('${', this.i)) { this.next(); return { tag: 'path', value: first, pos }; }
    parts.push({ expr: { tag: 'path', value: text.endsWith('/') && first !== '/' ? first + '/' : first, pos }, pos });
    for (;;) { if (this.src.startsWith('${', this.i)) { const s = this.i; this.i += 2; this.next(); const e = this.expr(); if (!this.is('}')) this.fail('syntax error'); this.i = this.tok.e; parts.push({ expr: e, pos: this.pos(s) }); continue; } const m = this.re(/[A-Za-z0-9._+\/-]+/y); if (m) { parts.push({ expr: { tag: 'string', value: m, pos: this.pos(this.i) }, pos: this.pos(this.i) }); this.i += m.length; continue; } break; }
    this.next(); return { tag: 'concat', forceString: false, parts, pos }; }
  interp(): Expr { this.next(); const e = this.expr(); if (!this.is('}')) this.fail("syntax error, expecting '}'"); this.i = this.tok.e; return e; }
  str(): Expr { const pos = this.pos(this.tok.s); this.i = this.tok.e; const parts: { expr: Expr; pos: Pos }[] = []; let cur = '', cs = this.i; const flush = () => { if (cur !== '') parts.push({ expr: { tag: 'string', value: cur, pos: this.pos(cs) }, pos: this.pos(cs) }); cur = ''; };
    for (;;) { const c = this.src[this.i]; if (c === undefined) this.fail('syntax error, unexpected end of file'); if (cur === '') cs = this.i;
      if (c === '"') { this.i++; break; } if (c === '\\') { const d = this.src[this.i + 1]; cur += d === 'n' ? '\n' : d === 'r' ? '\r' : d === 't' ? '\t' : d; this.i += 2; continue; }
      if (c === '$' && this.src[this.i + 1] === '{') { flush(); const s = this.i; this.i += 2; const e = this.interp(); parts.push({ expr: e, pos: this.pos(s) }); continue; }
      if (c === '$' && this.src[this.i + 1] === '$') { cur += '$$'; this.i += 2; continue; }
      if (c === '\r') { cur += '\n'; this.i += this.src[this.i + 1] === '\n' ? 2 : 1; continue; } cur += c; this.i++; }
    flush(); this.next(); if (parts.length === 0) return { tag: 'string', value: '', pos }; if (parts.length === 1 && parts[0]!.expr.tag === 'string' && true && this.src[parts[0]!.pos - this.o.origin.base] !== '$') return { tag: 'string', value: (parts[0]!.expr as any).value, pos }; return { tag: 'concat', forceString: true, parts, pos }; }
  ind(): Expr { const pos = this.pos(this.tok.s); this.i = this.tok.e; const m0 = this.re(/ *\n/y); if (m0) this.i += m0.length;
    const parts: { k: 't' | 'e' | 'x'; v: any; pos: Pos }[] = []; const text = (k: 't' | 'e', v: string) => { const l = parts.at(-1); if (l && l.k === k && k === 't') l.v += v; else parts.push({ k, v, pos: this.pos(this.i) }); };
    for (;;) { const s = this.src, i = this.i; if (i >= s.length) this.fail('syntax error, unexpected end of file');
      if (s.startsWith("'''", i)) { text('e', "''"); this.i += 3; } else if (s.startsWith("''$", i)) { text('e', '$'); this.i += 3; } else if (s.startsWith("''\\", i)) { const d = s[i + 3]; text('e', d === 'n' ? '\n' : d === 'r' ? '\r' : d === 't' ? '\t' : d!); this.i += 4; }
      else if (s.startsWith("''", i)) { this.i += 2; break; } else if (s.startsWith('${', i)) { const p = this.pos(i); this.i += 2; const e = this.interp(); parts.push({ k: 'x', v: e, pos: p }); } else if (s.startsWith('$$', i)) { text('t', '$$'); this.i += 2; } else { text('t', s[i]!); this.i++; } }
    this.next(); let min = Infinity, cur = 0, sol = true; for (const p of parts) { if (p.k !== 't') { if (sol) { sol = false; min = Math.min(min, cur); } continue; } for (const c of p.v as string) { if (sol) { if (c === ' ') cur++; else if (c === '\n') cur = 0; else { sol = false; min = Math.min(min, cur); } } else if (c === '\n') { sol = true; cur = 0; } } }
    const out: { expr: Expr; pos: Pos }[] = []; sol = true; let drop = 0; parts.forEach((p, n) => { if (p.k === 'x') { sol = false; drop = 0; out.push({ expr: p.v, pos: p.pos }); return; } let r = ''; if (p.k === 'e') { sol = false; drop = 0; r = p.v; } else { for (const c of p.v as string) { if (sol) { if (c === ' ') { if (drop++ >= min) r += c; } else if (c === '\n') { drop = 0; r += c; } else { sol = false; drop = 0; r += c; } } else { r += c; if (c === '\n') { sol = true; drop = 0; } } } if (n === parts.length - 1) { const q = r.lastIndexOf('\n'); if (q >= 0 && /^ *$/.test(r.slice(q + 1))) r = r.slice(0, q + 1); } } if (r !== '') { out.push({ expr: { tag: 'string', value: r, pos: p.pos }, pos: p.pos }); } });
    if (out.every((p) => p.expr.tag === 'string')) return { tag: 'string', value: out.map((p) => (p.expr as any).value).join(''), pos }; return { tag: 'concat', forceString: true, parts: out, pos }; }
  mkAttrs(pos: Pos): AttrsExpr { return { tag: 'attrs', recursive: false, attrs: new Map(), inheritFrom: [], dynamic: [], pos }; }
  binds(end: string, pos: Pos): AttrsExpr { const b = this.mkAttrs(pos); while (!this.is(end)) { if (this.is('inherit')) { this.next(); let from = -1; if (this.is('(')) { this.next(); b.inheritFrom.push(this.expr()); from = b.inheritFrom.length - 1; this.eat(')'); } while (!this.is(';')) { const a = this.attr(); const s = a.sym!; if (b.attrs.has(s)) this.failAt(`attribute '${symbolName(s)}' already defined`, a.pos - this.o.origin.base); b.attrs.set(s, from < 0 ? { kind: 'inherited', expr: { tag: 'var', name: s, pos: a.pos }, from, pos: a.pos } : { kind: 'inheritedFrom', expr: null, from, pos: a.pos }); } this.eat(';'); continue; }
      const path = this.path(); this.eat('='); const e = this.expr(); this.eat(';'); this.add1(b, path, e); } return b; }
  add1(b: AttrsExpr, path: AttrName[], e: Expr): void { const [a, ...rest] = path as [AttrName, ...AttrName[]]; if (a.sym === null) { let v = e; if (rest.length) { v = this.mkAttrs(a.pos); this.add1(v as AttrsExpr, rest, e); } b.dynamic.push({ name: a.expr, value: v, pos: a.pos }); return; }
    const old = b.attrs.get(a.sym); if (rest.length) { let t: AttrsExpr; if (old) { if (old.kind !== 'plain' || old.expr!.tag !== 'attrs') this.failAt(`attribute '${symbolName(a.sym)}' already defined`, a.pos - this.o.origin.base); t = old.expr as AttrsExpr; } else { t = this.mkAttrs(a.pos); b.attrs.set(a.sym, { kind: 'plain', expr: t, from: -1, pos: a.pos }); } this.add1(t, rest, e); return; }
    if (old) { if (old.kind === 'plain' && old.expr!.tag === 'attrs' && e.tag === 'attrs') { const t = old.expr as AttrsExpr; for (const [k, d] of e.attrs) { if (t.attrs.has(k)) this.failAt(`attribute '${symbolName(k)}' already defined`, d.pos - this.o.origin.base); t.attrs.set(k, d.kind === 'inheritedFrom' ? { ...d, from: d.from + t.inheritFrom.length } : d); } t.inheritFrom.push(...e.inheritFrom); t.dynamic.push(...e.dynamic); return; } this.failAt(`attribute '${symbolName(a.sym)}' already defined`, a.pos - this.o.origin.base); }
    if (e.tag === 'lambda') e.name = a.sym; b.attrs.set(a.sym, { kind: 'plain', expr: e, from: -1, pos: a.pos }); }
}
