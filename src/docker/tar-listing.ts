// Which files a layer holds already, as the original finds out: `tar -tf LAYER | xargs realpath -ms --relative-to=.`
// and a loop over the words. Names with blanks, quotes, backslashes or bytes outside ASCII come out of that mangled, so
// that such a file is added once more by a later layer. Layers are to be the same byte for byte, hence all of it here.

/** How tar prints a name in the C locale. */
function tarQuote(name: string): string {
  const letters: Readonly<Record<string, string>> = {
    '\x07': 'a',
    '\b': 'b',
    '\t': 't',
    '\n': 'n',
    '\v': 'v',
    '\f': 'f',
    '\r': 'r',
    '\\': '\\',
  };
  return name.replace(
    /[^\x20-\x5b\x5d-\x7e]/g,
    (char) => `\\${letters[char] ?? char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}

/** Splits lines into words as xargs does; a quote that a line leaves open ends everything. */
function* xargsWords(lines: Iterable<string>): Generator<string> {
  for (const line of lines) {
    let word: string | undefined;
    for (let i = 0; i < line.length; i++) {
      const char = line[i]!;
      if (char === ' ') {
        if (word !== undefined) yield word;
        word = undefined;
      } else if (char === '"' || char === "'") {
        const end = line.indexOf(char, i + 1);
        if (end < 0) return;
        word = (word ?? '') + line.slice(i + 1, end);
        i = end;
      } else if (char === '\\') {
        i++;
        word = (word ?? '') + (line[i] ?? '');
      } else {
        word = (word ?? '') + char;
      }
    }
    if (word !== undefined) yield word;
  }
}

/** `realpath -ms --relative-to=.` for relative names; undefined for one outside. */
function cleanPath(name: string): string | undefined {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (parts.pop() === undefined) return undefined;
    } else parts.push(part);
  }
  return name.startsWith('/') ? undefined : parts.join('/');
}

/** Absolute paths of an archive's members, as the original's `ls_tar` lists them. */
export function* listLikeOriginal(names: Iterable<string>): Generator<string> {
  const quoted = function* (): Generator<string> {
    for (const name of names) yield tarQuote(name);
  };
  for (const word of xargsWords(quoted())) {
    const path = cleanPath(word);
    if (path === undefined) continue;
    for (const part of path.split(/[ \t\n]+/)) if (part !== '') yield `/${part}`;
  }
}
