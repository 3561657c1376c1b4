// `nix-hash`: the drop-in. Hashes of files and trees, and hashes from one form to another.
import { parseHash, parseHashAlgorithm, type HashFormat } from '../../store/hash.ts';
import { utf8 } from '../../util/bytes.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { hashObject, printBare } from '../hash-objects.ts';
import { print } from '../output.ts';

export const FLAGS: readonly Flag[] = [
  flag('flat', 'hash the contents of a file, not its NAR'),
  flag('type', 'md5 (the default), blake3, sha1, sha256 or sha512', { args: ['ALGORITHM'] }),
  flag('base16', 'print hexadecimal (the default)'),
  flag('base32', "print Nix's base 32"),
  flag('base64', 'print base 64'),
  flag('sri', 'print ALGORITHM-BASE64'),
  flag('truncate', 'fold to 160 bits'),
  flag('to-base16', 'the arguments are hashes: print them in hexadecimal'),
  flag('to-base32', "the arguments are hashes: print them in Nix's base 32"),
  flag('to-base64', 'the arguments are hashes: print them in base 64'),
  flag('to-sri', 'the arguments are hashes: print them as ALGORITHM-BASE64'),
  ...COMMON_FLAGS,
];

const FORMATS: Readonly<Record<string, HashFormat>> = {
  base16: 'base16',
  base32: 'nix32',
  base64: 'base64',
  sri: 'sri',
};

export function nixHash(argv: readonly string[], config: Config): Promise<number> {
  let format: HashFormat = 'base16';
  let converts = false;
  const flags = parseFlags(argv, FLAGS, config, (name) => {
    format = FORMATS[name.replace(/^to-/, '')] ?? format;
    if (name.startsWith('to-')) converts = true;
  });
  const type = flags.get('type');
  const algorithm = type === undefined ? undefined : parseHashAlgorithm(utf8(type));
  for (const arg of flags.positionals.map(utf8)) {
    const hash = converts
      ? printBare(parseHash(arg, algorithm), format)
      : hashObject(arg, {
          method: flags.has('flat') ? 'flat' : 'nar',
          algorithm: algorithm ?? 'md5',
          format,
          truncate: flags.has('truncate'),
        });
    print(`${hash}\n`);
  }
  return Promise.resolve(0);
}
