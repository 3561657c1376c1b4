// Names and passwords for HTTP servers from a netrc file, as curl reads it: `machine HOST login NAME password WORD`.
import { readFileSync } from 'node:fs';
import { fsPath } from '../util/bytes.ts';

export interface Credentials {
  readonly login: string;
  readonly password: string;
}

export class Netrc {
  private readonly machines = new Map<string, { login: string; password: string }>();
  private fallback: { login: string; password: string } | undefined;

  /** A file that is not there, or that we may not read, names nobody. */
  static read(file: string): Netrc {
    try {
      return new Netrc(readFileSync(fsPath(file), 'utf8'));
    } catch {
      return new Netrc('');
    }
  }

  constructor(text: string) {
    const words = text
      .replace(/^\s*#.*$/gm, '')
      // A macro goes to the next empty line.
      .replace(/(^|\s)macdef\s[\s\S]*?(?:\n\n|$)/g, '$1')
      .split(/\s+/)
      .filter((word) => word !== '');
    let current: { login: string; password: string } | undefined;
    for (let i = 0; i < words.length; i++) {
      switch (words[i]) {
        case 'machine': {
          const host = (words[++i] ?? '').toLowerCase();
          current = { login: '', password: '' };
          if (!this.machines.has(host)) this.machines.set(host, current);
          break;
        }
        case 'default':
          current = { login: '', password: '' };
          this.fallback ??= current;
          break;
        case 'login':
          if (current !== undefined) current.login = words[++i] ?? '';
          break;
        case 'password':
          if (current !== undefined) current.password = words[++i] ?? '';
          break;
        case 'account':
          i++;
          break;
      }
    }
  }

  find(host: string): Credentials | undefined {
    return this.machines.get(host.toLowerCase()) ?? this.fallback;
  }
}
