// An explanation as data for other programs and for the page: text, no byte strings; store paths by their numbers.
import { fromUtf8 } from '../../util/bytes.ts';
import type { Explanation } from './explain.ts';
import { packageName } from './image-contents.ts';

export interface ExplanationJson {
  readonly title: string;
  /** Bytes of files. */
  readonly size: number;
  readonly config: object;
  readonly layers: readonly {
    readonly diffId: string;
    readonly size: number;
    readonly storedSize: number | null;
    readonly files: number;
    /** Numbers of store paths. */
    readonly paths: readonly number[];
    readonly otherSize: number;
  }[];
  readonly paths: readonly {
    readonly path: string;
    readonly name: string;
    readonly size: number;
    readonly closureSize: number;
    readonly ownedSize: number;
    readonly files: number;
    /** Numbers of layers, from 0. */
    readonly layers: readonly number[];
    /** Numbers of store paths. */
    readonly references: readonly number[];
    /** Names of what leads to it, itself last. */
    readonly chain: readonly string[];
  }[];
  readonly roots: readonly { readonly name: string; readonly references: readonly number[] }[];
  readonly missing: readonly { readonly path: string; readonly mentionedBy: string }[];
  readonly layerings: Explanation['layerings'];
}

export function explanationJson(title: string, explanation: Explanation): ExplanationJson {
  const { layers, paths, graph } = explanation;
  const numbers = new Map(paths.map(({ path }, i) => [path, i]));
  const numbersOf = (list: readonly (typeof paths)[number]['path'][]): number[] =>
    list.flatMap((path) => numbers.get(path) ?? []);
  return {
    title,
    size: explanation.size,
    config: explanation.config.config ?? {},
    layers: layers.map(({ diffId, size, storedSize, files, paths: inside, otherSize }) => ({
      diffId,
      size,
      storedSize: storedSize ?? null,
      files,
      paths: numbersOf(inside),
      otherSize,
    })),
    paths: paths.map((path) => ({
      path: fromUtf8(path.path),
      name: packageName(path.path),
      size: path.size,
      closureSize: path.closureSize,
      ownedSize: path.ownedSize,
      files: path.files,
      layers: path.layers,
      references: numbersOf(path.references),
      chain: path.chain.map((step) => (step.startsWith('/nix/store/') ? packageName(step) : fromUtf8(step))),
    })),
    roots: graph.roots.map(({ name, references }) => ({ name: fromUtf8(name), references: numbersOf(references) })),
    missing: [...graph.missing].map(([path, who]) => ({ path: fromUtf8(path), mentionedBy: fromUtf8(who) })),
    layerings: explanation.layerings,
  };
}
