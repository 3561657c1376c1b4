// What each byte may be part of, as bits: one table look-up in the lexer's loops.

/** `[A-Za-z0-9_'-]` */
export const ID_CHAR = 1;
/** `[A-Za-z0-9._+-]` */
export const PATH_CHAR = 2;
/** `[A-Za-z0-9%/?:@&=+$,_.!~*'-]` */
export const URI_CHAR = 4;
/** `[A-Za-z0-9+.-]` */
export const SCHEME_CHAR = 8;
/** Space, tab, CR, LF. */
export const BLANK = 16;
export const DIGIT = 32;
/** Starts an identifier: `[A-Za-z_]`. */
export const LETTER = 64;

function makeTable(): Uint8Array {
  const table = new Uint8Array(256);
  const set = (chars: string, bits: number): void => {
    for (const c of chars) table[c.charCodeAt(0)]! |= bits;
  };
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  const digits = '0123456789';
  set(letters, LETTER | ID_CHAR | PATH_CHAR | URI_CHAR | SCHEME_CHAR);
  set(digits, DIGIT | ID_CHAR | PATH_CHAR | URI_CHAR | SCHEME_CHAR);
  set('_', LETTER | ID_CHAR | PATH_CHAR);
  set("'-", ID_CHAR);
  set('.-+', SCHEME_CHAR | PATH_CHAR);
  set("%/?:@&=+$,-_.!~*'", URI_CHAR);
  set(' \t\r\n', BLANK);
  return table;
}

/** Bits by byte. */
export const BYTES: Uint8Array = makeTable();
