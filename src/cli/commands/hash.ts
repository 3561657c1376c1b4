// `tsnix hash path|file|convert|to-…`.
import {
  BadHashError,
  parseHashAlgorithm,
  parseHashFormat,
  parseHashFormatted,
  type HashFormat,
} from '../../store/hash.ts';
import { requireFeature } from '../../builtins/features.ts';
import { utf8 } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { hashObject, printBare } from '../hash-objects.ts';
import { print, say } from '../output.ts';

type Command = (argv: readonly string[], config: Config) => Promise<number>;

const ALGORITHMS = 'blake3, md5, sha1, sha256 or sha512';
const FORM_FLAGS: readonly Flag[] = [
  flag('sri', 'print ALGORITHM-BASE64 (the default)'),
  flag('base64', 'print base 64'),
  flag('base32', "print Nix's base 32"),
  flag('base16', 'print hexadecimal'),
  flag('type', `${ALGORITHMS} (default: sha256)`, { args: ['ALGORITHM'], aliases: ['algo'] }),
];

export const FILE_FLAGS: readonly Flag[] = [...FORM_FLAGS, ...COMMON_FLAGS];
export const PATH_FLAGS: readonly Flag[] = [
  ...FORM_FLAGS,
  flag('format', 'base16, nix32, base64 or sri', { args: ['FORMAT'] }),
  flag('mode', 'nar (the default), flat or git', { args: ['MODE'] }),
  ...COMMON_FLAGS,
];
export const CONVERT_FLAGS: readonly Flag[] = [
  flag('hash-algo', `${ALGORITHMS}, where the hash does not say it`, { args: ['ALGORITHM'] }),
  flag('from', 'fail where the hash has another form', { args: ['FORMAT'] }),
  flag('to', 'base16, nix32, base64 or sri (the default)', { args: ['FORMAT'] }),
  ...COMMON_FLAGS,
];
export const TO_FLAGS: readonly Flag[] = [flag('type', ALGORITHMS, { args: ['ALGORITHM'] }), ...COMMON_FLAGS];

const FORMS: Readonly<Record<string, HashFormat>> = { sri: 'sri', base64: 'base64', base32: 'nix32', base16: 'base16' };

/** A directory or file by its NAR, or (`file`, `--mode flat`) the contents of a file. */
function hashCommand(defaultMethod: 'nar' | 'flat', table: readonly Flag[]): Command {
  return (argv, config) => {
    let format: HashFormat = 'sri';
    const flags = parseFlags(argv, table, config, (name, args) => {
      format = FORMS[name] ?? (name === 'format' ? parseHashFormat(utf8(args[0]!)) : format);
    });
    const mode = flags.get('mode');
    const method = mode === undefined ? defaultMethod : parseMode(utf8(mode), config);
    const algorithm = parseHashAlgorithm(utf8(flags.get('type') ?? 'sha256'));
    for (const path of flags.positionals.map(utf8)) print(`${hashObject(path, { method, algorithm, format })}\n`);
    return Promise.resolve(0);
  };
}

/** @throws UsageError, EvalError for `git` without its feature */
export function parseMode(text: string, config: Config): 'nar' | 'flat' | 'git' {
  if (text === 'nar' || text === 'flat') return text;
  if (text !== 'git') {
    throw new UsageError(`Unknown file ingestion method '${text}', expect \`flat\`, \`nar\`, or \`git\``);
  }
  requireFeature(config, 'git-hashing');
  return text;
}

export const hashPath = hashCommand('nar', PATH_FLAGS);
export const hashFile = hashCommand('flat', FILE_FLAGS);

const FORMAT_NAMES: Readonly<Record<HashFormat, string>> = {
  base16: 'base16',
  nix32: 'nix32',
  base64: 'base64',
  sri: 'sri',
};

export function hashConvert(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, CONVERT_FLAGS, config);
  const given = flags.get('hash-algo');
  const algorithm = given === undefined ? undefined : parseHashAlgorithm(utf8(given));
  const from = flags.get('from');
  const wanted = from === undefined ? undefined : parseHashFormat(utf8(from));
  const to = parseHashFormat(utf8(flags.get('to') ?? 'sri'));
  for (const text of flags.positionals.map(utf8)) {
    const hash = parseHashFormatted(text, algorithm);
    if (wanted !== undefined && hash.format !== wanted) {
      throw new BadHashError(
        `input hash '${text}' has format '${FORMAT_NAMES[hash.format]}', but '--from ${FORMAT_NAMES[wanted]}' was specified`,
      );
    }
    print(`${printBare(hash, to)}\n`);
  }
  return Promise.resolve(0);
}

function convertTo(format: HashFormat): Command {
  return (argv, config) => {
    const flags = parseFlags(argv, TO_FLAGS, config);
    say('warning: The old format conversion subcommands of `nix hash` were deprecated in favor of `nix hash convert`.');
    const type = flags.get('type');
    const algorithm = type === undefined ? undefined : parseHashAlgorithm(utf8(type));
    for (const text of flags.positionals.map(utf8))
      print(`${printBare(parseHashFormatted(text, algorithm), format)}\n`);
    return Promise.resolve(0);
  };
}

export const hashToBase16 = convertTo('base16');
export const hashToBase32 = convertTo('nix32');
export const hashToBase64 = convertTo('base64');
export const hashToSri = convertTo('sri');
