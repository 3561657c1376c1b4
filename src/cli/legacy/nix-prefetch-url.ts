// `nix-prefetch-url`: the drop-in. Downloads to the store and prints the hash.
import { Attrs } from '../../eval/attrs.ts';
import { findAlongAttrPath } from '../../eval/attr-path.ts';
import { parseHash, parseHashAlgorithm } from '../../store/hash.ts';
import { utf8 } from '../../util/bytes.ts';
import { EvalError, UsageError } from '../../util/errors.ts';
import { intern } from '../../util/symbols.ts';
import type { Config } from '../config.ts';
import { COMMON_FLAGS, EVAL_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { printBare } from '../hash-objects.ts';
import { print, say } from '../output.ts';
import { httpSettings } from '../http.ts';
import { prefetch, type PrefetchRequest } from '../prefetch.ts';
import { Session } from '../session.ts';

export const FLAGS: readonly Flag[] = [
  flag('type', 'blake3, md5, sha1, sha256 (the default) or sha512', { args: ['ALGORITHM'] }),
  flag('print-path', 'print the store path, too'),
  flag('unpack', 'unpack the archive; the hash is the NAR hash of the tree'),
  flag('executable', 'make the file executable; the hash is its NAR hash'),
  flag('name', 'name of the store path (default: the last part of the URL)', { args: ['NAME'] }),
  ...EVAL_FLAGS,
  ...COMMON_FLAGS,
];

export async function nixPrefetchUrl(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length > 2) throw new UsageError('too many arguments');
  const algorithm = parseHashAlgorithm(utf8(flags.get('type') ?? 'sha256'));
  const [first, expected] = flags.positionals.map(utf8);
  const fromExpression = flags.has('attr');
  if (first === undefined && !fromExpression) throw new UsageError('you must specify a URL');
  const session = new Session({ config, flags, readOnly: false, writes: true });
  try {
    const request: PrefetchRequest = {
      algorithm,
      executable: flags.has('executable'),
      ...(fromExpression ? ofExpression(session) : { url: first!, unpack: flags.has('unpack') }),
      ...(flags.get('name') === undefined ? {} : { name: utf8(flags.get('name')!) }),
      ...(expected === undefined ? {} : { expected: parseHash(expected, algorithm) }),
    };
    const { path, hash } = prefetch(session.store, request, httpSettings(config));
    const printsPath = flags.has('print-path') || process.env['PRINT_PATH'] === '1';
    if (!printsPath) say(`path is '${path}'`);
    print(`${printBare(hash, hash.algorithm === 'md5' ? 'base16' : 'nix32')}\n`);
    if (printsPath) print(`${path}\n`);
    return 0;
  } finally {
    await session.close();
  }
}

/** What a call of fetchurl, found by -A, would fetch. @throws EvalError */
function ofExpression(session: Session): { url: string; unpack: boolean } {
  const { evaluator: ev, flags } = session;
  const root = session.evalFileArgument(flags.positionals[0] ?? '.');
  const { slot } = findAlongAttrPath(ev, utf8(flags.get('attr')!), root, { args: session.autoArgs() });
  const attrs = ev.force(slot);
  if (!(attrs instanceof Attrs)) throw new EvalError('the source attribute to prefetch is not a set');
  const urls = attrs.get(intern('urls'));
  if (urls === undefined) throw new EvalError("attribute 'urls' missing");
  const list = ev.expectList(urls, 0, 'while evaluating the urls to prefetch');
  if (list.length === 0) throw new EvalError("'urls' list is empty");
  const url = ev.expectStringNoContext(list[0]!, 0, 'while evaluating the first url from the urls list');
  const mode = attrs.get(intern('outputHashMode'));
  if (mode === undefined) say('warning: this does not look like a fetchurl call');
  const why = 'while evaluating the outputHashMode of the source to prefetch';
  const unpack = mode !== undefined && ev.expectStringNoContext(mode, 0, why) === 'recursive';
  // Nix quirk: the name of the call plays no part.
  return { url, unpack };
}
