// Names of packages as Nix cuts them into name and version.

function isLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

/** Splits at the first dash that a non-letter follows; a dash at the end is part of the name. */
export function parseDrvName(text: string): { readonly name: string; readonly version: string } {
  for (let i = 0; i + 1 < text.length; i++) {
    if (text.charCodeAt(i) === 0x2d && !isLetter(text.charCodeAt(i + 1))) {
      return { name: text.slice(0, i), version: text.slice(i + 1) };
    }
  }
  return { name: text, version: '' };
}
