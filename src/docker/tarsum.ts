// Docker's tarsum, version 1: a checksum of an archive that does not depend on the order of its members nor on their
// times. Each member has a SHA-256 over its header fields (names and values run together) and contents; the sum of all
// is the SHA-256 of those, in hexadecimal, sorted.
// @see moby, pkg/tarsum/tarsum_spec.md; names of owners count as empty, as they do since Go 1.10
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { TarHeader, TarType } from './gnu-tar.ts';
import type { TarObserver } from './tar-packer.ts';

const TYPE_FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

interface MemberSum {
  readonly name: string;
  readonly position: number;
  readonly sum: string;
}

/** The name as Docker compares it: absolute, without `.`, `..`, doubled and trailing slashes. */
function cleanName(name: string): string {
  if (!/(^|\/)\.{0,2}(\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

function headerText(header: TarHeader): string {
  const device = header.type === 'char' || header.type === 'block';
  return (
    `name${header.name}mode${header.mode}uid${header.uid}gid${header.gid}size${header.size}` +
    `typeflag${TYPE_FLAGS[header.type]}linkname${header.linkName}unamegname` +
    `devmajor${(device ? header.deviceMajor : undefined) ?? 0}devminor${(device ? header.deviceMinor : undefined) ?? 0}`
  );
}

/** Computes the sum as an archive is written; hand it to packTar(). */
export class TarSum implements TarObserver {
  readonly #members: MemberSum[] = [];
  #current: Hash | undefined;
  #name = '';

  #finishMember(): void {
    if (this.#current === undefined) return;
    this.#members.push({
      name: cleanName(this.#name),
      position: this.#members.length,
      sum: this.#current.digest('hex'),
    });
  }

  member(header: TarHeader): void {
    this.#finishMember();
    this.#name = header.name;
    this.#current = createHash('sha256').update(headerText(header), 'latin1');
  }

  contents(bytes: Uint8Array): void {
    this.#current?.update(bytes);
  }

  /** `tarsum.v1+sha256:` and 64 hexadecimal digits. Ends the sum. */
  digest(): string {
    this.#finishMember();
    this.#current = undefined;
    const sums = this.#members.sort((a, b) =>
      a.name === b.name ? a.position - b.position : a.sum < b.sum ? -1 : a.sum > b.sum ? 1 : 0,
    );
    const total = createHash('sha256');
    for (const { sum } of sums) total.update(sum);
    return `tarsum.v1+sha256:${total.digest('hex')}`;
  }
}
