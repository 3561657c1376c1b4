// What a bill of materials lists: the store paths of an image with all that the store, where it knows them, can tell.
import { parseDrvName } from '../../util/drv-name.ts';
import { fromUtf8 } from '../../util/bytes.ts';
import { printHash } from '../../store/hash.ts';
import { isFixedOutput } from '../../store/derivation.ts';
import type { Derivation } from '../../store/derivation.ts';
import type { PathInfo } from '../../store/store.ts';
import { packageName } from './image-contents.ts';
import type { StoreGraph } from './store-graph.ts';
import type { DerivationSource } from './why.ts';

/** All text. */
export interface Component {
  /** The store path. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** `pkg:nix/NAME@VERSION`. */
  readonly purl: string;
  /** `sha256-…` of the NAR; undefined where the store does not have the path. */
  readonly narHash: string | undefined;
  readonly deriver: string | undefined;
  /** Where its sources came from. */
  readonly sources: readonly string[];
  /** Store paths. */
  readonly references: readonly string[];
}

/** URLs that a derivation downloads. */
function urlsOf(drv: Derivation): string[] {
  if (!isFixedOutput(drv)) return [];
  const words = [drv.env.get('url') ?? '', drv.env.get('urls') ?? ''].join(' ').split(/\s+/);
  return words.filter((word) => /^[a-z][a-z0-9+.-]*:\/\//.test(word)).map(fromUtf8);
}

function sourcesOf(store: DerivationSource, info: PathInfo): string[] {
  const { deriver } = info;
  if (deriver === null || !store.isValidPath(deriver)) return [];
  const drv = store.readDerivation(deriver);
  const inputs = [...drv.inputDrvs.keys()].filter((path) => store.isValidPath(path));
  return [...new Set([...urlsOf(drv), ...inputs.flatMap((path) => urlsOf(store.readDerivation(path)))])];
}

function encodePurl(text: string): string {
  return encodeURIComponent(text).replace(/%3A/g, ':');
}

/** In the order of their paths. @param store the one that made the image, if it is here */
export function listComponents(graph: StoreGraph, store: DerivationSource | undefined): Component[] {
  return [...graph.paths.values()].map(({ path, references }): Component => {
    const { name, version } = parseDrvName(packageName(path));
    const info = store?.pathInfo(path);
    return {
      path: fromUtf8(path),
      name,
      version,
      purl: `pkg:nix/${encodePurl(name)}${version === '' ? '' : `@${encodePurl(version)}`}`,
      narHash:
        info === undefined ? undefined : fromUtf8(printHash({ algorithm: 'sha256', digest: info.narHash }, 'sri')),
      deriver: info?.deriver == null ? undefined : fromUtf8(info.deriver),
      sources: store === undefined || info === undefined ? [] : sourcesOf(store, info),
      references: references.map(fromUtf8),
    };
  });
}
