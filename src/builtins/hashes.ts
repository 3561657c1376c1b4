// Hashes of strings, and hashes written in another form.
import { ContextBuilder } from '../eval/context.ts';
import type { BuiltinRecord } from '../eval/value.ts';
import { hashHex, parseHash, parseHashAlgorithm, parseHashFormat, printDigest, printHash } from '../store/hash.ts';
import { outputPlaceholder } from '../store/placeholder.ts';
import { intern } from '../util/symbols.ts';
import { requireAttr } from './required-attr.ts';

const HASH = intern('hash');
const HASH_ALGO = intern('hashAlgo');
const TO_HASH_FORMAT = intern('toHashFormat');

export const hashBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'hashString',
    args: ['type', 's'],
    doc: 'The hash of the bytes of *s* in base 16. *type* is `"blake3"`, `"md5"`, `"sha1"`, `"sha256"` or `"sha512"`.',
    impl(ev, _pos, type, s) {
      const name = ev.expectStringNoContext(
        type,
        0,
        'while evaluating the first argument passed to builtins.hashString',
      );
      const algorithm = parseHashAlgorithm(name);
      const why = 'while evaluating the second argument passed to builtins.hashString';
      const text = ev.expectStringText(s, 0, why, new ContextBuilder());
      ev.takes(text.length);
      return hashHex(algorithm, text);
    },
  },
  {
    name: 'convertHash',
    args: ['args'],
    doc:
      'Writes a hash in another form. *args* is a set of `hash` (any form), `hashAlgo` (needed where `hash` does not ' +
      'say it) and `toHashFormat`: `"base16"`, `"nix32"`, `"base64"` or `"sri"`.',
    impl(ev, _pos, args) {
      const attrs = ev.expectAttrs(args, 0, 'while evaluating the first argument passed to builtins.convertHash');
      const text = ev.expectStringNoContext(
        requireAttr(attrs, HASH, "while locating the attribute 'hash'"),
        0,
        "while evaluating the attribute 'hash'",
      );
      const algoSlot = attrs.get(HASH_ALGO);
      const algorithm =
        algoSlot === undefined
          ? undefined
          : parseHashAlgorithm(ev.expectStringNoContext(algoSlot, 0, "while evaluating the attribute 'hashAlgo'"));
      const formatName = ev.expectStringNoContext(
        requireAttr(attrs, TO_HASH_FORMAT, "while locating the attribute 'toHashFormat'"),
        0,
        "while evaluating the attribute 'toHashFormat'",
      );
      if (formatName === 'base32') {
        ev.io.log('warning: "base32" is a deprecated alias for hash format "nix32".');
      }
      const format = parseHashFormat(formatName);
      const hash = parseHash(text, algorithm);
      return format === 'sri' ? printHash(hash, 'sri') : printDigest(hash.digest, format);
    },
  },
  {
    name: 'placeholder',
    args: ['output'],
    doc: 'The text that stands for the path of *output* in a derivation’s own attributes until it is known.',
    global: true,
    impl: (ev, _pos, output) =>
      outputPlaceholder(
        ev.expectStringNoContext(output, 0, 'while evaluating the first argument passed to builtins.placeholder'),
      ),
  },
];
