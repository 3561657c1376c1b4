// Strings and attribute names as Nix writes them back: byte strings in and out.

/** A literal with `"`, `\`, LF, CR, tab and `${` escaped; everything else is copied. */
export function quoteString(text: string): string {
  return /["\\\n\r\t$]/.test(text) ? `"${escapeString(text, text.length)}"` : `"${text}"`;
}

/** The inside of a literal holding the first `length` bytes of `text`. */
export function escapeString(text: string, length: number): string {
  let out = '';
  let pending = 0;
  for (let i = 0; i < length; i++) {
    let escape: string;
    switch (text.charCodeAt(i)) {
      case 34:
        escape = '\\"';
        break;
      case 92:
        escape = '\\\\';
        break;
      case 10:
        escape = '\\n';
        break;
      case 13:
        escape = '\\r';
        break;
      case 9:
        escape = '\\t';
        break;
      case 36:
        if (text.charCodeAt(i + 1) !== 123) continue;
        escape = '\\$';
        break;
      default:
        continue;
    }
    out += text.slice(pending, i) + escape;
    pending = i + 1;
  }
  return out + text.slice(pending, length);
}

const RESERVED = new Set(['if', 'then', 'else', 'assert', 'with', 'let', 'in', 'rec', 'inherit']);

/** A name in a set, an expression or a message: bare where the lexer would read it back (`or` too), else quoted. */
export function printAttrName(name: string): string {
  return isIdentifier(name) && !RESERVED.has(name) ? name : quoteString(name);
}

/** A loop, because errors are told on deep stacks, where V8 has no room to compile a regular expression. */
function isIdentifier(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if ((c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95) continue;
    if (i > 0 && ((c >= 48 && c <= 57) || c === 39 || c === 45)) continue;
    return false;
  }
  return name !== '';
}
