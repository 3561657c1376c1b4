// TOML 1.0 → a tree of tables. Works on bytes; https://toml.io/en/v1.0.0.
import { findInvalidUtf8 } from '../../eval/utf8-check.ts';
import { tomlError, type TomlError } from './error.ts';
import { readScalar, type TomlScalar } from './scalar.ts';
import { readTomlString } from './text.ts';

/** How a table came to be decides what may still be added to it. */
type Origin = 'implicit' | 'header' | 'dotted' | 'inline';

export class TomlTable {
  readonly members = new Map<string, TomlValue>();
  origin: Origin;
  constructor(origin: Origin) {
    this.origin = origin;
  }
}

/** `[[name]]`: grows with every such header. */
export class TomlTables {
  readonly tables: TomlTable[] = [];
}

export type TomlValue = string | TomlScalar | readonly TomlValue[] | TomlTable | TomlTables;

interface Key {
  readonly parts: readonly string[];
  readonly at: number;
  readonly end: number;
}

const BARE_KEY = /[A-Za-z0-9_-]*/y;

/** Deepest nesting of arrays and inline tables. */
const MAX_DEPTH = 5000;

/** @throws TomlError */
export function parseToml(text: string): TomlTable {
  return new TomlParser(text).parse();
}

class TomlParser {
  private readonly text: string;
  private at = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
    const invalid = findInvalidUtf8(text);
    if (invalid >= 0) throw this.error('toml::parse_file: invalid UTF-8 sequence', 'here', invalid);
  }

  parse(): TomlTable {
    const root = new TomlTable('header');
    let current = root;
    if (this.text.startsWith('\xef\xbb\xbf')) this.at = 3;
    for (;;) {
      this.skipBlank();
      if (this.at >= this.text.length) return root;
      if (this.text[this.at] === '[') current = this.header(root);
      else this.pair(current);
      this.endOfLine();
    }
  }

  private error(title: string, note: string, at = this.at, length = 1): TomlError {
    return tomlError(this.text, at, length, title, note);
  }

  private skipSpaces(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at++;
  }

  private newline(): boolean {
    if (this.text[this.at] === '\n') this.at++;
    else if (this.text.startsWith('\r\n', this.at)) this.at += 2;
    else return false;
    return true;
  }

  private comment(): void {
    if (this.text[this.at] !== '#') return;
    for (this.at++; this.at < this.text.length; this.at++) {
      const c = this.text.charCodeAt(this.at);
      if (c === 10 || (c === 13 && this.text.charCodeAt(this.at + 1) === 10)) return;
      if ((c < 32 && c !== 9) || c === 127) {
        throw this.error('toml::parse_comment_line: newline (LF / CRLF) or EOF is expected', 'but got this');
      }
    }
  }

  /** Spaces, newlines and comments. */
  private skipBlank(): void {
    do {
      this.skipSpaces();
      this.comment();
    } while (this.newline());
  }

  private endOfLine(): void {
    this.skipSpaces();
    this.comment();
    if (this.at < this.text.length && !this.newline()) {
      throw this.error('toml::parse_file: newline (EOL) or EOF is expected', 'here');
    }
  }

  private header(root: TomlTable): TomlTable {
    const start = this.at;
    const isArray = this.text.startsWith('[[', start);
    this.at += isArray ? 2 : 1;
    this.skipSpaces();
    const key = this.key();
    const close = isArray ? ']]' : ']';
    if (!this.text.startsWith(close, this.at)) {
      throw this.error(
        `toml::parse_${isArray ? 'array_' : ''}table_key: invalid ${isArray ? 'array-of-tables' : 'table'} key`,
        `expected ${close}`,
      );
    }
    this.at += close.length;
    let table = root;
    for (const part of key.parts.slice(0, -1)) table = this.descend(table, part, key);
    return isArray ? this.openElement(table, key) : this.openTable(table, key);
  }

  /** A step of a header's path: the last element of an array of tables, a table, or a new one. */
  private descend(table: TomlTable, part: string, key: Key): TomlTable {
    const known = table.members.get(part);
    if (known === undefined) {
      const made = new TomlTable('implicit');
      table.members.set(part, made);
      return made;
    }
    if (known instanceof TomlTables) return known.tables.at(-1)!;
    if (known instanceof TomlTable && known.origin !== 'inline') return known;
    throw this.closed(known, key);
  }

  private openTable(parent: TomlTable, key: Key): TomlTable {
    const name = key.parts.at(-1)!;
    const known = parent.members.get(name);
    if (known === undefined) {
      const table = new TomlTable('header');
      parent.members.set(name, table);
      return table;
    }
    if (known instanceof TomlTable && known.origin === 'implicit') {
      known.origin = 'header';
      return known;
    }
    throw this.conflict('failed to insert a table, table already defined', 'inserting this', key);
  }

  private openElement(parent: TomlTable, key: Key): TomlTable {
    const name = key.parts.at(-1)!;
    let known = parent.members.get(name);
    if (known === undefined) {
      known = new TomlTables();
      parent.members.set(name, known);
    }
    if (!(known instanceof TomlTables)) {
      throw this.conflict('failed to insert an array of tables, value already exists', 'while inserting this', key);
    }
    const table = new TomlTable('header');
    known.tables.push(table);
    return table;
  }

  /** What a path leads through, but may not. */
  private closed(known: TomlValue, key: Key, dotted = false): TomlError {
    if (known instanceof TomlTable) {
      return known.origin === 'inline'
        ? this.conflict('failed to insert a value: inline table is immutable', 'inserting this', key)
        : this.conflict('reopening a table using dotted keys', 'dotted key cannot reopen a table', key);
    }
    if (known instanceof TomlTables && dotted) {
      return this.error(
        'toml::insert_value:dotted key cannot reopen an array-of-tables',
        'inserting this',
        key.at,
        key.end - key.at,
      );
    }
    if (Array.isArray(known) && known.length > 0 && known.every((item) => item instanceof TomlTable)) {
      return this.error(
        'toml::insert_value:inline array of tables are immutable',
        'inserting this',
        key.at,
        key.end - key.at,
      );
    }
    return this.conflict('failed to insert a value, value already exists', 'while inserting this', key);
  }

  private conflict(what: string, note: string, key: Key): TomlError {
    return this.error(`toml::insert_value: ${what}`, note, key.at, key.end - key.at);
  }

  private key(): Key {
    const at = this.at;
    const parts: string[] = [];
    for (;;) {
      parts.push(this.simpleKey());
      const end = this.at;
      this.skipSpaces();
      if (this.text[this.at] !== '.') return { parts, at, end };
      this.at++;
      this.skipSpaces();
    }
  }

  private simpleKey(): string {
    const c = this.text[this.at];
    if ((c === '"' || c === "'") && !this.text.startsWith(c.repeat(3), this.at)) {
      const { value, end } = readTomlString(this.text, this.at);
      this.at = end;
      return value;
    }
    const start = this.at;
    BARE_KEY.lastIndex = start;
    BARE_KEY.test(this.text);
    this.at = BARE_KEY.lastIndex;
    if (this.at === start) {
      throw this.error(
        'toml::parse_simple_key: invalid key: key must be "quoted", \'quoted-literal\', or bare key.',
        'expected key',
      );
    }
    return this.text.slice(start, this.at);
  }

  /** `key = value`, into `table`. */
  private pair(table: TomlTable): void {
    const key = this.key();
    if (this.text[this.at] !== '=') {
      throw this.error('toml::parse_key_value_pair: invalid key value separator `=`', 'expected =');
    }
    this.at++;
    this.skipSpaces();
    const value = this.value();
    let target = table;
    for (const part of key.parts.slice(0, -1)) {
      const known = target.members.get(part);
      if (known === undefined) {
        const made = new TomlTable('dotted');
        target.members.set(part, made);
        target = made;
      } else if (known instanceof TomlTable && known.origin === 'dotted') {
        target = known;
      } else {
        throw this.closed(known, key, true);
      }
    }
    const name = key.parts.at(-1)!;
    if (target.members.has(name)) {
      throw this.conflict('failed to insert a value, value already exists', 'inserting this', key);
    }
    target.members.set(name, value);
  }

  private value(): TomlValue {
    switch (this.text[this.at]) {
      case '"':
      case "'": {
        const { value, end } = readTomlString(this.text, this.at);
        this.at = end;
        return value;
      }
      case '[':
        return this.nested(() => this.array());
      case '{':
        return this.nested(() => this.inlineTable());
      default: {
        const { value, end } = readScalar(this.text, this.at);
        this.at = end;
        return value;
      }
    }
  }

  private nested<T>(read: () => T): T {
    if (++this.depth > MAX_DEPTH) throw this.error('toml::parse_value: nested too deeply', 'here');
    const value = read();
    this.depth--;
    return value;
  }

  private array(): TomlValue[] {
    const start = this.at++;
    const items: TomlValue[] = [];
    for (;;) {
      this.skipBlank();
      if (this.text[this.at] === ']') break;
      if (this.at >= this.text.length) {
        throw this.error('toml::parse_array: missing closing bracket `]`', 'expected `]`, reached EOF', start);
      }
      items.push(this.value());
      this.skipBlank();
      if (this.text[this.at] === ',') this.at++;
      else if (this.text[this.at] !== ']') {
        throw this.error('toml::parse_array: expected value-separator `,` or closing `]`', 'here');
      }
    }
    this.at++;
    return items;
  }

  /** On one line, without a comma at the end; nothing can be added to it afterwards. */
  private inlineTable(): TomlTable {
    const table = new TomlTable('dotted');
    this.at++;
    this.skipSpaces();
    if (this.text[this.at] === '}') this.at++;
    else {
      for (;;) {
        this.pair(table);
        this.skipSpaces();
        const c = this.text[this.at];
        if (c === '}') {
          this.at++;
          break;
        }
        if (c !== ',') throw this.error('toml::parse_inline_table: missing closing bracket `}`', 'expected `}`');
        this.at++;
        this.skipSpaces();
        if (this.text[this.at] === '}') {
          throw this.error('toml::parse_inline_table: trailing comma is not allowed in TOML-v1.0.0)', 'here');
        }
      }
    }
    seal(table);
    return table;
  }
}

function seal(table: TomlTable): void {
  table.origin = 'inline';
  for (const member of table.members.values()) {
    if (member instanceof TomlTable && member.origin !== 'inline') seal(member);
  }
}
