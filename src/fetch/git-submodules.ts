// What .gitmodules says: where submodules lie in a tree, and where they come from.

export interface Submodule {
  /** Below the root of the tree, byte string. */
  readonly path: string;
  /** As written: maybe relative to where the repository itself comes from. */
  readonly url: string;
  readonly branch: string | null;
}

/** @param listed of `git config -z --get-regexp`, for .gitmodules */
export function parseSubmodules(listed: string): Submodule[] {
  const fields = new Map<string, Map<string, string>>();
  for (const entry of listed.split('\0')) {
    const [, name, field, value] = /^submodule\.(.*)\.(path|url|branch)(?:\n(.*))?$/s.exec(entry) ?? [];
    if (name === undefined) continue;
    if (!fields.has(name)) fields.set(name, new Map());
    fields.get(name)!.set(field!, value ?? '');
  }
  const submodules: Submodule[] = [];
  for (const of of fields.values()) {
    const path = of.get('path');
    if (path === undefined) continue;
    submodules.push({
      path: path
        .split('/')
        .filter((part) => part !== '' && part !== '.')
        .join('/'),
      url: of.get('url') ?? '',
      branch: of.get('branch') ?? null,
    });
  }
  return submodules;
}

/** `./x` and `../x` are relative to `base`, a URL, a path or `host:path`; a path becomes a `file:` URL. */
export function resolveSubmoduleUrl(url: string, base: string): string {
  if (!/^\.\.?(\/|$)/.test(url)) return fileUrl(url);
  let left = base.replace(/\/+$/, '');
  let right = url;
  for (let step; (step = /^(\.\.?)(?:\/+|$)/.exec(right)) !== null; right = right.slice(step[0].length)) {
    if (step[1] === '..') left = left.replace(/(^|[/:])[^/:]*$/, (_, sep: string) => (sep === ':' ? ':' : ''));
  }
  const separator = right === '' || left.endsWith(':') ? '' : '/';
  return fileUrl(left + separator + right.replace(/\/+$/, ''));
}

function fileUrl(url: string): string {
  if (!url.startsWith('/')) return url;
  const escaped = url.replace(/[%?#]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return `file://${escaped}`;
}
