// Things from elsewhere: files, tarballs, git repositories, trees.
import { Attrs } from '../eval/attrs.ts';
import type { Evaluator } from '../eval/evaluator.ts';
import { resolvePseudoUrl } from '../eval/search-path.ts';
import { makeString, type BuiltinRecord, type Slot } from '../eval/value.ts';
import { parseHashAllowEmpty } from '../store/hash.ts';
import { storeNameProblem } from '../store/store-path.ts';
import { EvalError } from '../util/errors.ts';
import { symbolName, type Sym } from '../util/symbols.ts';
import { checkUri } from './fetch-input.ts';
import { fetchGit, fetchMercurial, fetchTree } from './fetch-tree.ts';
import { baseNameOf } from './path-argument.ts';

interface FetchRequest {
  url: string | null;
  name: string;
  sha256: Uint8Array | undefined;
  /** How the name was chosen, for messages. */
  nameGiven: boolean;
  isAttrs: boolean;
}

function fetchArguments(ev: Evaluator, argument: Slot, who: string, defaultName: string): FetchRequest {
  const value = ev.force(argument);
  const request: FetchRequest = { url: null, name: defaultName, sha256: undefined, nameGiven: false, isAttrs: false };
  if (!(value instanceof Attrs)) {
    request.url = ev.expectStringNoContext(value, 0, 'while evaluating the url we should fetch');
    return request;
  }
  request.isAttrs = true;
  for (let i = 0; i < value.size; i++) {
    const key = symbolName(value.keys.ids[i] as Sym);
    const slot = value.values[i]!;
    const pos = value.positionOf(i);
    switch (key) {
      case 'url':
        request.url = ev.expectStringNoContext(slot, pos, 'while evaluating the url we should fetch');
        break;
      case 'sha256': {
        const why = 'while evaluating the sha256 of the content we should fetch';
        const warn = (message: string): void => ev.io.log(`warning: ${message}`);
        request.sha256 = parseHashAllowEmpty(ev.expectStringNoContext(slot, pos, why), 'sha256', warn).digest;
        break;
      }
      case 'name':
        request.nameGiven = true;
        request.name = ev.expectStringNoContext(slot, pos, 'while evaluating the name of the content we should fetch');
        break;
      default:
        throw new EvalError(`unsupported argument '${key}' to '${who}'`);
    }
  }
  if (request.url === null) throw new EvalError("'url' argument required");
  return request;
}

function fetchBuiltin(who: 'fetchurl' | 'fetchTarball'): BuiltinRecord['impl'] {
  const unpack = who === 'fetchTarball';
  return (ev, _pos, argument) => {
    const request = fetchArguments(ev, argument, who, unpack ? 'source' : '');
    const url = unpack ? resolvePseudoUrl(request.url!) : request.url!;
    checkUri(ev, url);
    const name = request.name === '' ? legacyBaseName(url) : request.name;
    const problem = storeNameProblem(name);
    if (problem !== undefined) {
      const advice = request.nameGiven
        ? `Please change the value for the 'name' attribute passed to '${who}', so that it can create a valid store path.`
        : request.isAttrs
          ? `Please add a valid 'name' attribute to the argument for '${who}', so that it can create a valid store path.`
          : `Please pass an attribute set with 'url' and 'name' attributes to '${who}',  so that it can create a valid store path.`;
      throw new EvalError(`invalid store path name when fetching URL '${url}': ${problem}. ${advice}`);
    }
    if (ev.settings.pureEval && request.sha256 === undefined) {
      throw new EvalError(`in pure evaluation mode, '${who}' requires a 'sha256' argument`);
    }
    const { sha256 } = request;
    const { storePath } = ev.io.fetchUrl({ url, name, unpack, ...(sha256 === undefined ? {} : { sha256 }) });
    return makeString(storePath, [storePath]);
  };
}

/** What follows the last slash; a slash at the very end does not count. */
function legacyBaseName(url: string): string {
  return baseNameOf(url.endsWith('/') && url.length > 1 ? url.slice(0, -1) : url);
}

export const fetchBuiltins: readonly BuiltinRecord[] = [
  {
    name: 'fetchurl',
    args: ['arg'],
    doc:
      'Downloads a file to the store and returns its path. The argument is a URL or a set of `url`, `name` (default: ' +
      'the last component of the URL) and `sha256`, which is checked.',
    impl: fetchBuiltin('fetchurl'),
  },
  {
    name: 'fetchTarball',
    args: ['args'],
    global: true,
    doc:
      'Downloads and unpacks a tarball (gzip, xz, bzip2, zstd or plain) and returns the path of the tree. A single ' +
      'directory at the top is left out. The argument is a URL or a set of `url`, `name` (default "source") and ' +
      '`sha256`, the hash of the tree.',
    impl: fetchBuiltin('fetchTarball'),
  },
  {
    name: 'fetchGit',
    args: ['args'],
    global: true,
    doc:
      "Fetches a git repository with the host's `git`: a URL, a path, or a set of `url`, `ref`, `rev`, `name`, " +
      '`submodules`, `shallow` and `allRefs`. A local work tree without `ref` and `rev` is taken as it is, with ' +
      'uncommitted changes, but only files that git knows. Returns a set with `outPath`, `rev`, `lastModified` and so on.',
    impl: (ev, pos, args) => fetchGit(ev, pos, args),
  },
  {
    name: 'fetchTree',
    args: ['input'],
    global: true,
    feature: 'fetch-tree',
    doc:
      'Fetches a tree or file; `type` is "path", "file", "tarball", "git", "hg", "github", "gitlab", "sourcehut" or ' +
      '"indirect" (an entry of the flake registry). With the feature `flakes` a flake reference does too. Returns a set ' +
      'with `outPath`, `narHash` and what is known of the tree: `rev`, `lastModified` …',
    impl: (ev, pos, input) => fetchTree(ev, pos, input),
  },
  {
    name: 'fetchMercurial',
    args: ['args'],
    global: true,
    doc:
      "Fetches a Mercurial repository with the host's `hg`: a URL, a path, or a set of `url`, `rev` (a revision, a branch " +
      'or a tag) and `name`. A local work tree with uncommitted changes is taken as it is, but only files that Mercurial ' +
      'knows. Returns a set of `outPath`, `branch`, `rev`, `shortRev` and `revCount`.',
    impl: (ev, _pos, args) => fetchMercurial(ev, args),
  },
];
