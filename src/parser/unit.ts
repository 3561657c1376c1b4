// The code of one source as bytes, and back: what a cache keeps so that a file need not be parsed again. Words that mean
// something only beside what was loaded before (offsets, positions, symbols, numbers in side tables) are stored relative
// to the unit; a byte for each word says how to shift it. Loading gives, word for word, what emitting the source in its
// place would have given, but for slots of sets and formals: they keep the order that names had when the unit was made.
// The bytes are trusted: whoever keeps them checks that they are whole (src/cli/cache).
import { decodeConstants, encodeConstants } from './unit-constants.ts';
import { FormalsRecord, LambdaRecord, Op, type Code } from './code.ts';
import { FLAG_BITS, REC } from './emit.ts';
import { nodeLength, wordKinds, type WordKind } from './word-kinds.ts';
import { fromBuffer } from '../util/bytes.ts';
import type { Pos } from '../util/positions.ts';
import { intern, symbolName, type Sym } from '../util/symbols.ts';

/** Part of every key under which units are kept: raise it with the layout of units or of code. */
export const UNIT_FORMAT = 1;

/** How far a Code was filled. */
export interface CodeMark {
  readonly length: number;
  readonly constants: number;
  readonly lambdas: number;
  readonly sites: number;
  readonly templates: number;
}

export function markCode(code: Code): CodeMark {
  return {
    length: code.length,
    constants: code.constants.length,
    lambdas: code.lambdas.length,
    sites: code.sites,
    templates: code.templates,
  };
}

// Words of the header; sections follow in this order, each of whole words.
const WORDS = 0;
const NAMES = 1;
const CONSTANTS = 2;
const LAMBDA_WORDS = 3;
const SITES = 4;
const TEMPLATES = 5;
const ROOT = 6;
const GROUPS = 7;
const LINES = 8;
const TEXT = 9;
const SOURCE_LENGTH = 10;
const HEADER = 11;

/** Bytes of source, and where its lines begin: what positions in a unit need. */
export interface UnitSource {
  readonly length: number;
  readonly lines: Int32Array;
}

export interface EncodeOptions {
  /** What `code` held before the unit was emitted. */
  readonly start: CodeMark;
  /** Offset of the unit's expression. */
  readonly root: number;
  /** Every name that parsing interned, in this order. */
  readonly names: readonly Sym[];
  /** Position of the source's first byte. */
  readonly base: Pos;
  readonly source: UnitSource;
}

/** The unit emitted last into `code`. */
export function encodeUnit(code: Code, options: EncodeOptions): Uint8Array {
  const { start, base } = options;
  const { words } = code;
  const n = code.length - start.length;
  const kinds = wordKinds(words, start.length, code.length);
  const names = withFixedNames(options.names, code, start, kinds);
  // Names are numbered by their ids: as long as these ascend where the unit is loaded, sets need no sorting there.
  const sorted = [...names].sort((a, b) => a - b);
  const local = new Map(sorted.map((sym, i) => [sym, i]));
  const symbol = (sym: Sym): number => local.get(sym)!;

  const lambdas: number[] = [];
  for (let i = start.lambdas; i < code.lambdas.length; i++) {
    const record = code.lambdas[i]!;
    const { formals } = record;
    const node = (offset: number): number => (offset < 0 ? -1 : offset - start.length);
    const place = (pos: Pos): number => (pos === 0 ? 0 : pos - base + 1);
    lambdas.push(
      record.name === null ? -1 : symbol(record.name),
      place(record.pos),
      record.arg === null ? -1 : symbol(record.arg),
      node(record.body),
      record.envSize,
      record.base,
      record.inner === null ? -1 : code.lambdas.indexOf(record.inner, start.lambdas) - start.lambdas,
      formals === null ? -1 : formals.names.length,
    );
    if (formals === null) continue;
    lambdas.push(formals.ellipsis ? 1 : 0, formals.first);
    formals.names.forEach((name, j) => {
      lambdas.push(symbol(name), place(formals.positions[j]!), node(formals.fallbacks[j]!));
    });
  }

  const groups: number[] = [];
  const body = new Int32Array(n);
  const shift = shifts(start, base);
  for (let i = 0; i < n; i++) {
    const word = words[start.length + i]!;
    const kind = kinds[i]! as WordKind;
    body[i] = kind === SYMBOL ? symbol(word as Sym) : word - shift[kind]!;
  }
  for (const offset of setNodes(words, start.length, code.length)) groups.push(offset - start.length);

  const order = names.map(symbol);
  const texts = names.map(symbolName);
  const constants = encodeConstants(code.constants, start.constants);
  const text = texts.join('') + constants.text;

  const { lines, length } = options.source;
  const sections = [
    body,
    Int32Array.from(order),
    Int32Array.from(texts, (name) => name.length),
    constants.words,
    Int32Array.from(lambdas),
    Int32Array.from(groups),
    lines,
  ];
  const header = new Int32Array(HEADER);
  header[WORDS] = n;
  header[NAMES] = names.length;
  header[CONSTANTS] = constants.words.length;
  header[LAMBDA_WORDS] = lambdas.length;
  header[SITES] = code.sites - start.sites;
  header[TEMPLATES] = code.templates - start.templates;
  header[ROOT] = options.root - start.length;
  header[GROUPS] = groups.length;
  header[LINES] = lines.length;
  header[TEXT] = text.length;
  header[SOURCE_LENGTH] = length;

  const size = HEADER + sections.reduce((sum, section) => sum + section.length, 0);
  const out = Buffer.alloc(4 * size + padded(n) + padded(text.length));
  const view = new Int32Array(out.buffer, out.byteOffset, size);
  view.set(header);
  let at = HEADER;
  for (const section of sections) {
    view.set(section, at);
    at += section.length;
  }
  out.set(kinds, 4 * size);
  out.write(text, 4 * size + padded(n), 'latin1');
  return out;
}

/** Adds names that the parser knows without having read them (`__sub` for `-`). */
function withFixedNames(names: readonly Sym[], code: Code, start: CodeMark, kinds: Uint8Array): readonly Sym[] {
  const all = new Set(names);
  for (let i = 0; i < kinds.length; i++) if (kinds[i] === SYMBOL) all.add(code.words[start.length + i]! as Sym);
  for (const { name, arg, formals } of code.lambdas.slice(start.lambdas)) {
    for (const sym of [name, arg, ...(formals?.names ?? [])]) if (sym !== null) all.add(sym);
  }
  return [...all];
}

const SYMBOL: WordKind = 4;
const padded = (bytes: number): number => (bytes + 3) & ~3;

/** What is added to a stored word of each kind (word-kinds.ts). */
function shifts(start: CodeMark, base: Pos): Int32Array {
  const { length, constants, sites, templates, lambdas } = start;
  return Int32Array.of(0, base, length, -length, 0, constants, sites, templates, lambdas);
}

/** What decodeUnit() needs before it is given a place among positions. */
export function unitSource(bytes: Uint8Array): UnitSource {
  const header = new Int32Array(bytes.buffer, bytes.byteOffset, HEADER);
  const skip =
    header[WORDS]! + 2 * header[NAMES]! + header[CONSTANTS]! + header[LAMBDA_WORDS]! + header[GROUPS]! + HEADER;
  // A copy: the rest of the bytes need not stay.
  const lines = new Int32Array(bytes.buffer, bytes.byteOffset + 4 * skip, header[LINES]).slice();
  return { length: header[SOURCE_LENGTH]!, lines };
}

/**
 * Loads a unit at the end of `code`; its source's first byte gets position `base`.
 * @param bytes what encodeUnit() gave, at an address that is a multiple of 4
 * @returns the offset of its expression
 */
export function decodeUnit(bytes: Uint8Array, code: Code, base: Pos): number {
  const all = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const start = markCode(code);
  const n = all[WORDS]!;
  const nNames = all[NAMES]!;
  const namesAt = HEADER + n;
  const constantsAt = namesAt + 2 * nNames;
  const lambdasAt = constantsAt + all[CONSTANTS]!;
  const groupsAt = lambdasAt + all[LAMBDA_WORDS]!;
  const kindsAt = 4 * (groupsAt + all[GROUPS]! + all[LINES]!);
  const textAt = kindsAt + padded(n);
  const text = fromBuffer(bytes.subarray(textAt, textAt + all[TEXT]!));

  // Names, in the order in which parsing would have met them.
  const symbols = new Int32Array(nNames);
  let from = 0;
  for (let i = 0; i < nNames; i++) {
    const end = from + all[namesAt + nNames + i]!;
    symbols[all[namesAt + i]!] = intern(text.slice(from, end));
    from = end;
  }

  const offset = code.reserve(n);
  const { words } = code;
  const shift = shifts(start, base);
  for (let i = 0; i < n; i++) {
    const kind = bytes[kindsAt + i]!;
    const word = all[HEADER + i]!;
    words[offset + i] = kind === SYMBOL ? symbols[word]! : word + shift[kind]!;
  }
  decodeConstants(all.subarray(constantsAt, lambdasAt), text, from, code.constants);
  const ascending = isAscending(symbols);
  decodeLambdas(all.subarray(lambdasAt, groupsAt), code, symbols, offset, base, ascending);
  code.sites += all[SITES]!;
  code.templates += all[TEMPLATES]!;
  if (!ascending) for (let i = 0; i < all[GROUPS]!; i++) sortSet(code, offset + all[groupsAt + i]!);
  return offset + all[ROOT]!;
}

function isAscending(ids: ArrayLike<number>): boolean {
  for (let i = 1; i < ids.length; i++) if (ids[i]! < ids[i - 1]!) return false;
  return true;
}

function decodeLambdas(
  from: Int32Array,
  code: Code,
  symbols: Int32Array,
  offset: number,
  base: Pos,
  ascending: boolean,
): void {
  const first = code.lambdas.length;
  const symbol = (id: number): Sym | null => (id < 0 ? null : (symbols[id]! as Sym));
  const inner: number[] = [];
  for (let at = 0; at < from.length;) {
    const count = from[at + 7]!;
    let formals: FormalsRecord | null = null;
    let next = at + 8;
    if (count >= 0) {
      const names: Sym[] = [];
      const positions: Pos[] = [];
      const fallbacks: number[] = [];
      for (let i = 0, f = next + 2; i < count; i++, f += 3) {
        names.push(symbols[from[f]!]! as Sym);
        positions.push(place(from[f + 1]!, base));
        fallbacks.push(from[f + 2]! < 0 ? -1 : from[f + 2]! + offset);
      }
      formals = ascending
        ? new FormalsRecord(from[next]! !== 0, names, positions, from[next + 1]!)
        : sortedFormals(from[next]! !== 0, names, positions, from[next + 1]!);
      const { slots, first: slot } = formals;
      for (let i = 0; i < count; i++) formals.fallbacks[i] = fallbacks[slots === null ? i : slots[i]! - slot]!;
      next += 2 + 3 * count;
    }
    const record = new LambdaRecord(
      symbol(from[at]!),
      place(from[at + 1]!, base),
      symbol(from[at + 2]!),
      formals,
      from[at + 5]!,
    );
    record.body = from[at + 3]! + offset;
    record.envSize = from[at + 4]!;
    inner.push(from[at + 6]!);
    code.lambdas.push(record);
    at = next;
  }
  for (let i = 0; i < inner.length; i++) {
    if (inner[i]! >= 0) code.lambdas[first + i]!.inner = code.lambdas[first + inner[i]!]!;
  }
}

const place = (stored: number, base: Pos): Pos => (stored === 0 ? 0 : stored - 1 + base);

function sortedFormals(
  ellipsis: boolean,
  names: readonly Sym[],
  positions: readonly Pos[],
  first: number,
): FormalsRecord {
  if (isAscending(names)) return new FormalsRecord(ellipsis, names, positions, first);
  const order = sortedOrder(names);
  const formals = new FormalsRecord(
    ellipsis,
    order.map((i) => names[i]!),
    order.map((i) => positions[i]!),
    first,
  );
  formals.slots = Int32Array.from(order, (i) => first + i);
  return formals;
}

/** Indexes by ascending id. */
function sortedOrder(ids: ArrayLike<number>): number[] {
  return Array.from(ids, (_, i) => i).sort((i, j) => ids[i]! - ids[j]!);
}

/** Where the sets with at least two static names are. */
function* setNodes(words: Int32Array, from: number, to: number): Iterable<number> {
  for (let off = from; off < to; off += nodeLength(words, off)) {
    if (words[off] === Op.ATTRS && words[off + 3]! > 1) yield off;
    else if (words[off] === Op.SET && words[off + 6]! > 1) yield off;
  }
}

/** Sorts a set's attributes by the symbols of this process; a rec's slots stay what they are, and are listed. */
function sortSet(code: Code, off: number): void {
  const { words } = code;
  const isSet = words[off] === Op.SET;
  const n = words[off + (isSet ? 6 : 3)]!;
  const at = isSet ? off + 8 + words[off + 5]! : off + 4;
  const ids = new Int32Array(n);
  for (let i = 0; i < n; i++) ids[i] = words[at + 3 * i]!;
  if (isAscending(ids)) return;
  const order = sortedOrder(ids);
  const triples = words.slice(at, at + 3 * n);
  order.forEach((from, to) => {
    words.set(triples.subarray(3 * from, 3 * from + 3), at + 3 * to);
  });
  if (!isSet || (words[off + 3]! & REC) === 0) return;
  const slots = code.reserve(n);
  order.forEach((from, to) => (code.words[slots + to] = 1 + from));
  code.words[off + 3]! |= slots << FLAG_BITS;
}
