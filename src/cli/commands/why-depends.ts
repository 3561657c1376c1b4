// `tsnix why-depends`: how one path comes to have another in its closure.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { realisePathsOf } from '../realise-installables.ts';
import type { QueriedStore } from '../../store/queried-store.ts';
import { computeClosure, requirePathInfo } from '../../store/query.ts';
import { hashPart } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { fsPath, utf8 } from '../../util/bytes.ts';
import { MissingRealisationError, UsageError } from '../../util/errors.ts';
import type { Config } from '../config.ts';
import { BUILD_FLAGS, COMMON_FLAGS, flag, parseFlags, type Flag } from '../flags.ts';
import { findInstallables, INSTALLABLE_FLAGS, pathsOf, type Installable } from '../installables.ts';
import { print, say } from '../output.ts';
import { openConfiguredStore } from '../session.ts';

export const FLAGS: readonly Flag[] = [
  ...INSTALLABLE_FLAGS,
  flag('all', 'show all ways, not only one of the shortest', { short: 'a' }),
  flag('precise', 'show the files that hold the references'),
  ...BUILD_FLAGS,
  ...COMMON_FLAGS,
];

export async function whyDepends(argv: readonly string[], config: Config): Promise<number> {
  const flags = parseFlags(argv, FLAGS, config);
  if (flags.positionals.length !== 2) throw new UsageError('name a package and the dependency to look for');
  const store = openConfiguredStore(config, false);
  try {
    const find = async (word: string): Promise<Installable> => {
      const found = await findInstallables(store, { flags, config, words: [word] });
      if (found.length !== 1) throw new UsageError(`argument '${utf8(word)}' should evaluate to one store path`);
      return found[0]!;
    };
    const from = await find(flags.positionals[0]!);
    const to = await find(flags.positionals[1]!);
    await realisePathsOf([from], { flags, config });
    const packagePath = pathsOf(store, from, flags.has('derivation'))[0]!;
    const dependency = knownPath(store, to, flags.has('derivation'));
    const closure = computeClosure(store, [packagePath]);
    if (dependency === undefined || !closure.has(dependency)) {
      say(`'${from.label}' does not depend on '${to.label}'`);
      return 0;
    }
    new Explanation(store, closure, packagePath, dependency, flags.has('all'), flags.has('precise')).print();
    return 0;
  } finally {
    await store.close();
  }
}

/** What was never built is part of nothing. */
function knownPath(store: QueriedStore, wanted: Installable, derivation: boolean): StorePath | undefined {
  try {
    return pathsOf(store, wanted, derivation)[0]!;
  } catch (error) {
    if (error instanceof MissingRealisationError) return undefined;
    throw error;
  }
}

interface Node {
  readonly path: StorePath;
  readonly references: readonly StorePath[];
  distance: number;
  visited: boolean;
}

const [LAST, CONNECTOR, LINE, ARROW, DOTS] = ['└───', '├───', '│   ', '→ ', '…'].map(utf8) as [
  string,
  string,
  string,
  string,
  string,
];
const BLANK = '    ';

/** The dependency was reached, and one way is enough. */
class Found extends Error {}

class Explanation {
  private readonly nodes = new Map<StorePath, Node>();
  private readonly store: QueriedStore;
  private readonly from: StorePath;
  private readonly to: StorePath;
  private readonly all: boolean;
  private readonly precise: boolean;

  constructor(
    store: QueriedStore,
    closure: ReadonlySet<StorePath>,
    from: StorePath,
    to: StorePath,
    all: boolean,
    precise: boolean,
  ) {
    this.store = store;
    this.from = from;
    this.to = to;
    this.all = all;
    this.precise = precise;
    const referrers = new Map<StorePath, StorePath[]>();
    for (const path of closure) {
      const { references } = requirePathInfo(store, path);
      this.nodes.set(path, { path, references, distance: Infinity, visited: false });
      for (const reference of references) {
        const list = referrers.get(reference);
        if (list === undefined) referrers.set(reference, [path]);
        else list.push(path);
      }
    }
    // All edges are as long as each other: breadth first.
    this.nodes.get(to)!.distance = 0;
    const queue = [to];
    for (const path of queue) {
      const distance = this.nodes.get(path)!.distance + 1;
      for (const referrer of referrers.get(path) ?? []) {
        const node = this.nodes.get(referrer)!;
        if (node.distance !== Infinity) continue;
        node.distance = distance;
        queue.push(referrer);
      }
    }
  }

  print(): void {
    if (!this.precise) this.line(this.from);
    try {
      this.node(this.nodes.get(this.from)!, '', '');
    } catch (error) {
      if (!(error instanceof Found)) throw error;
    }
  }

  private line(text: string): void {
    print(`${text}\n`);
  }

  /** Nix quirk: colours, wherever the output goes. */
  private step(pad: string, text: string, visited: boolean): void {
    this.line(`${pad}${visited ? '\x1b[38;5;244m' : ''}${text}\x1b[0m`);
  }

  private node(node: Node, firstPad: string, tailPad: string): void {
    if (this.precise) {
      this.step(firstPad, (firstPad === '' ? '' : ARROW) + node.path, node.visited);
    }
    if (node.path === this.to && !this.all && this.from !== this.to) throw new Found();
    if (node.visited) return;
    if (this.precise) node.visited = true;
    const references = node.references
      .filter((path) => path !== node.path || this.from === this.to)
      .map((path) => this.nodes.get(path)!)
      .filter((reference) => reference.distance !== Infinity)
      .sort((a, b) => a.distance - b.distance);
    const hits = this.precise ? this.hits(node.path, references) : new Map<string, string[]>();
    references.forEach((reference, i) => {
      const last = this.all ? i === references.length - 1 : true;
      const found = hits.get(hashPart(reference.path)) ?? [];
      for (const [number, hit] of (this.all ? found : found.slice(0, 1)).entries()) {
        this.line(tailPad + (number === 0 ? (last ? LAST : CONNECTOR) : last ? BLANK : LINE) + hit);
      }
      if (!this.precise) {
        this.step(firstPad, (last ? LAST : CONNECTOR) + reference.path, reference.visited);
        node.visited = true;
      }
      const pad = tailPad + (last ? BLANK : LINE);
      this.node(reference, pad, pad);
    });
  }

  /** Where an object holds each reference: by hash part, the files and links with what stands around it. */
  private hits(path: StorePath, references: readonly Node[]): Map<string, string[]> {
    const hashes = references.map((reference) => hashPart(reference.path));
    const hits = new Map<string, string[]>();
    const add = (hash: string, text: string): void => {
      const list = hits.get(hash);
      if (list === undefined) hits.set(hash, [text]);
      else list.push(text);
    };
    const code = (hash: string): string => (hash === hashPart(this.to) ? '32;1' : '34;1');
    const visit = (file: string, name: string): void => {
      const stat = lstatSync(fsPath(file));
      if (stat.isDirectory()) {
        for (const child of readdirSync(fsPath(file), { encoding: 'latin1' }).sort()) {
          visit(`${file}/${child}`, name === '/' ? child : `${name}/${child}`);
        }
      } else if (stat.isSymbolicLink()) {
        const target = readlinkSync(fsPath(file), { encoding: 'latin1' });
        for (const hash of hashes) {
          const at = target.indexOf(hash);
          if (at >= 0) add(hash, `${name} -> ${highlight(target, at, code(hash))}`);
        }
      } else {
        const contents = readFileSync(fsPath(file));
        for (const hash of hashes) {
          const at = contents.indexOf(hash, 0, 'latin1');
          if (at < 0) continue;
          const start = Math.max(0, at - MARGIN);
          const around = contents.subarray(start, at + hash.length + MARGIN).toString('latin1');
          const printable = around.replace(/[^\x20-\x7e]/g, '.');
          add(hash, `${name}: ${DOTS}${highlight(printable, at - start, code(hash))}${DOTS}`);
        }
      }
    };
    visit(this.store.realPath(path), '/');
    return hits;
  }
}

function highlight(text: string, at: number, code: string): string {
  const end = at + HASH_LENGTH;
  return `${text.slice(0, at)}\x1b[${code}m${text.slice(at, end)}\x1b[0m${text.slice(end)}`;
}

/** Bytes shown on either side of a hash. */
const MARGIN = 32;
const HASH_LENGTH = 32;
