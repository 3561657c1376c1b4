// URLs as flake references use them; bytes in, bytes out.
import { EvalError } from '../../util/errors.ts';

export class BadUrlError extends EvalError {
  override readonly code = 'BAD_URL';
}

export interface Url {
  readonly scheme: string;
  /** What follows `//`; null where there is no `//`. */
  readonly authority: string | null;
  /** Decoded, split at slashes: an absolute path begins with "". */
  readonly path: readonly string[];
  readonly query: ReadonlyMap<string, string>;
  readonly fragment: string;
}

const URL_FORM = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/;

export function percentEncode(text: string, keep: string): string {
  return text.replace(/[^A-Za-z0-9._~-]/g, (c) =>
    keep.includes(c) ? c : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

export function percentDecode(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

export function decodeQuery(query: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    if (equals > 0) out.set(percentDecode(part.slice(0, equals)), percentDecode(part.slice(equals + 1)));
  }
  return out;
}

/** What is wrong with the query of a reference: parts that say nothing, in Nix's words. */
export function dubiousQueries(text: string): string[] {
  const query = /^[^?#]*\?([^#]*)/.exec(text)?.[1] ?? '';
  return query
    .split('&')
    .filter((part) => part !== '' && !part.includes('='))
    .map((part) => `dubious URI query '${part}' is missing equal sign '=', ignoring`);
}

/** undefined where `text` is no URL. */
export function parseUrl(text: string): Url | undefined {
  const match = URL_FORM.exec(text);
  if (match === null || /%(?![0-9a-fA-F]{2})/.test(match[3]!)) return undefined;
  if (/[^\x21\x24-\x7e]/.test(match[3]!) || /["<>\\^`{|}]/.test(match[3]!)) return undefined;
  return {
    scheme: match[1]!,
    authority: match[2] ?? null,
    path: match[3]!.split('/').map(percentDecode),
    query: decodeQuery(match[4] ?? ''),
    fragment: percentDecode(match[5] ?? ''),
  };
}

/** Queries in order of their names. */
export function printUrl(url: Url): string {
  const query = [...url.query]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${percentEncode(name, ':@/?')}=${percentEncode(value, ':@/?')}`)
    .join('&');
  return (
    `${url.scheme}:${url.authority === null ? '' : `//${url.authority}`}` +
    url.path.map((part) => percentEncode(part, ':@')).join('/') +
    (query === '' ? '' : `?${query}`) +
    (url.fragment === '' ? '' : `#${percentEncode(url.fragment, '')}`)
  );
}

const GIT_TRANSPORTS = new Set(['ssh', 'http', 'https', 'file', 'ftp', 'ftps', 'git']);

/** What git takes for a URL (`git@host:path`, a path) as a URL; others unchanged but for a `git+`. @throws BadUrlError */
export function fixGitUrl(url: string): string {
  if (url.startsWith('/')) return printUrl(fileUrl(url));
  const scp = /^(?:([^@/:]+)@)?([^/:]+):(.*)$/s.exec(url);
  if (scp !== null && !GIT_TRANSPORTS.has(scp[2]!.replace(/^git\+/, ''))) {
    return `ssh://${scp[1] === undefined ? '' : `${scp[1]}@`}${scp[2]!}/${scp[3]!.replace(/^\//, '')}`;
  }
  const parsed = parseUrl(url);
  if (parsed === undefined) throw new BadUrlError(`'${url}' is not a valid URL`);
  return printUrl({ ...parsed, scheme: parsed.scheme.replace(/^git\+/, '') });
}

export function fileUrl(path: string): Url {
  return { scheme: 'file', authority: '', path: path.split('/'), query: new Map(), fragment: '' };
}
