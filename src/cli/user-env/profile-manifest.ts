// Profiles of `nix profile`: elements by name, each some store paths and perhaps the flake that they came from. The
// manifest (`manifest.json`, version 3) lies in the profile beside links to what the elements have.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LinkTree } from '../../build/builtin/link-tree.ts';
import { parseFlakeRef, showFlakeRef, type FlakeRef } from '../../builtins/flake-ref/flake-ref.ts';
import { parseUrl, type Url } from '../../builtins/flake-ref/url.ts';
import { createGeneration, profileToken, switchLink, withProfileLock } from '../../store/profiles.ts';
import { resolveInStore } from '../../store/resolve-in-store.ts';
import { parseStorePath, storePathName } from '../../store/store-path.ts';
import type { StorePath } from '../../store/store.ts';
import { compareBytes, fromUtf8, fsPath, toBuffer, utf8 } from '../../util/bytes.ts';
import { parseDrvName } from '../../util/drv-name.ts';
import { EvalError, StoreError } from '../../util/errors.ts';
import type { WantedOutputs } from '../installable-outputs.ts';
import { say } from '../output.ts';
import { compactJson, type JsonValue } from '../print-json.ts';
import type { Session } from '../session.ts';
import { installedPackages, profileFile } from './user-env.ts';

/** Of elements that say none. */
export const DEFAULT_PRIORITY = 5;

export interface ElementSource {
  readonly original: FlakeRef;
  readonly locked: FlakeRef;
  readonly attrPath: string;
  /** Undefined: those that the package is to be installed with. */
  readonly outputs: WantedOutputs | undefined;
}

export interface ProfileElement {
  /** In order. */
  readonly storePaths: readonly StorePath[];
  readonly source?: ElementSource;
  readonly active: boolean;
  readonly priority: number;
}

const [NONE, EMPTY] = ['∅', 'ε'].map(utf8) as [string, string];

/** `^out,dev`; '' for none named. */
export function showOutputs(outputs: WantedOutputs | undefined): string {
  return outputs === undefined ? '' : `^${outputs === 'all' ? '*' : outputs.join(',')}`;
}

const showSource = ({ original, attrPath, outputs }: ElementSource): string =>
  `${showFlakeRef(original)}#${attrPath}${showOutputs(outputs)}`;

const unique = (words: Iterable<string>): string[] => [...new Set(words)].sort(compareBytes);

/** What an element is called in messages. */
export function identifierOf({ source, storePaths }: ProfileElement): string {
  if (source !== undefined) return showSource(source);
  return unique(storePaths.map((path) => parseDrvName(storePathName(path)).name))
    .filter((name, i) => i > 0 || name !== '')
    .join(', ');
}

/** What would install it. */
export const installablesOf = ({ source, storePaths }: ProfileElement): readonly string[] =>
  source === undefined ? storePaths : [showSource(source)];

export function versionsOf({ storePaths }: ProfileElement): string {
  const versions = unique(storePaths.map((path) => parseDrvName(storePathName(path)).version));
  if (versions.length === 0) return NONE;
  return unique(versions.map((version) => (version === '' ? EMPTY : version))).join(', ');
}

const NAME = '[a-zA-Z0-9_-]+';
const LAST_ATTRIBUTE = new RegExp(`^((?:${NAME}\\.)*)(${NAME})(?:\\^.*)?$`);
const LAST_SEGMENT = new RegExp(`^.*/(${NAME})$`);
const SECOND_SEGMENT = new RegExp(`^${NAME}/(${NAME})(?:/.*)?$`);

/** A short name for what a URL means; undefined where there is none in it. */
export function nameOfUrl({ scheme, path, query, fragment }: Url): string | undefined {
  const dir = query.get('dir');
  if (dir !== undefined) return dir;
  const [, sets, attribute] = LAST_ATTRIBUTE.exec(fragment) ?? [];
  if (attribute !== undefined && attribute !== 'default' && sets !== 'defaultPackage.') return attribute;
  const text = path.join('/');
  const second = /^(?:github|gitlab|sourcehut)$/.test(scheme) ? SECOND_SEGMENT.exec(text) : null;
  return (second ?? LAST_SEGMENT.exec(text))?.[1];
}

export function elementName(element: ProfileElement): string {
  const url = element.source === undefined ? undefined : parseUrl(showSource(element.source));
  return (url === undefined ? undefined : nameOfUrl(url)) ?? identifierOf(element);
}

/** JSON of manifests, versions 1 to 3. */
interface StoredElement {
  readonly storePaths: readonly string[];
  readonly active: boolean;
  readonly priority?: number;
  readonly attrPath?: string;
  readonly outputs?: readonly string[] | null;
  readonly [url: string]: unknown;
}

export class ProfileManifest {
  private readonly byName: Map<string, ProfileElement>;

  constructor(elements: Iterable<readonly [string, ProfileElement]> = []) {
    this.byName = new Map(elements);
  }

  /** By name, in order. */
  get elements(): readonly (readonly [string, ProfileElement])[] {
    return [...this.byName].sort(([a], [b]) => compareBytes(a, b));
  }

  get(name: string): ProfileElement | undefined {
    return this.byName.get(name);
  }

  /** What of a profile is there: none of its elements where there is no manifest. @throws EvalError */
  static read(session: Session, profile: string): ProfileManifest {
    const manifest = new ProfileManifest();
    const file = profileFile(session, profile, 'manifest.json');
    if (file !== undefined) {
      manifest.readJson(session, readFileSync(fsPath(file.real), 'latin1'), `${profile}/manifest.json`);
    } else {
      for (const { outPath } of installedPackages(session, profile)) {
        manifest.add({ storePaths: [outPath], active: true, priority: DEFAULT_PRIORITY });
      }
    }
    return manifest;
  }

  private readJson(session: Session, bytes: string, file: string): void {
    let json: { version?: number; elements: Record<string, StoredElement> | StoredElement[] };
    try {
      json = JSON.parse(fromUtf8(bytes)) as typeof json;
    } catch (error) {
      throw new EvalError(`parsing "${file}": ${utf8((error as Error).message)}`, { cause: error });
    }
    const version = json.version ?? 0;
    if (version < 1 || version > 3) {
      throw new EvalError(`profile manifest "${file}" has unsupported version ${String(version)}`);
    }
    const [url, original] = version === 1 ? (['uri', 'originalUri'] as const) : (['url', 'originalUrl'] as const);
    const named = !Array.isArray(json.elements);
    for (const [name, stored] of Object.entries(json.elements)) {
      const text = (key: string): string => {
        const value = stored[key];
        return typeof value === 'string' ? utf8(value) : '';
      };
      const outputs = stored.outputs ?? undefined;
      const element: ProfileElement = {
        storePaths: stored.storePaths.map((path) => parseStorePath(utf8(path), session.store.storeDir)).sort(),
        active: stored.active,
        priority: stored.priority ?? DEFAULT_PRIORITY,
        ...(text(url) === ''
          ? {}
          : {
              source: {
                original: parseFlakeRef(text(original)),
                locked: parseFlakeRef(text(url)),
                attrPath: text('attrPath'),
                outputs: outputs === undefined ? undefined : outputs.includes('*') ? 'all' : outputs.map(utf8).sort(),
              },
            }),
      };
      this.add(element, named ? utf8(name) : elementName(element));
    }
  }

  /** Under its name, or, where that is taken, with a number. */
  add(element: ProfileElement, name = elementName(element)): void {
    let free = name;
    for (let i = 1; this.byName.has(free); i++) free = `${name}-${String(i)}`;
    this.byName.set(free, element);
  }

  without(names: ReadonlySet<string>): ProfileManifest {
    return new ProfileManifest([...this.byName].filter(([name]) => !names.has(name)));
  }

  with(name: string, element: ProfileElement): ProfileManifest {
    return new ProfileManifest([...this.byName, [name, element]]);
  }

  toJson(): JsonValue {
    const elements = new Map<string, JsonValue>();
    for (const [name, { storePaths, active, priority, source }] of this.elements) {
      const outputs = source?.outputs === 'all' ? ['*'] : (source?.outputs ?? null);
      elements.set(name, {
        storePaths,
        active,
        priority,
        ...(source === undefined
          ? {}
          : {
              originalUrl: showFlakeRef(source.original),
              url: showFlakeRef(source.locked),
              attrPath: source.attrPath,
              outputs,
            }),
      });
    }
    return { version: 3, elements };
  }

  /** The profile as a store path. @throws EnvConflictError, StoreError */
  build(session: Session): StorePath {
    const { store } = session;
    const dir = mkdtempSync(join(tmpdir(), 'nix-profile-'));
    try {
      const out = join(dir, 'profile');
      const elements = this.elements.map(([, element]) => element);
      const resolve = (path: string): string | undefined => resolveInStore(store, path);
      new LinkTree({
        files: {
          resolve,
          realPath: (path) => {
            const inStore = resolve(path);
            return inStore === undefined ? outsideOf(store.realPath(path)) : store.realPath(inStore);
          },
        },
        out: makeOut(out),
        warn: (message) => say(`warning: ${message}`),
      }).build(
        elements.flatMap(({ active, storePaths, priority }) =>
          active ? storePaths.map((path) => ({ path, priority })) : [],
        ),
      );
      writeFileSync(join(out, 'manifest.json'), toBuffer(compactJson(this.toJson())));
      const references = [...new Set(elements.flatMap(({ storePaths }) => storePaths))].sort();
      const path = store.addPath(utf8(out), { name: 'profile', method: 'nar', references });
      store.addTempRoot(path);
      session.flush();
      return path;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

function makeOut(out: string): string {
  mkdirSync(out);
  return utf8(out);
}

/** What a link out of the store leads to. */
function outsideOf(real: string): string | undefined {
  try {
    const path = realpathSync(fromUtf8(real));
    return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : utf8(path);
  } catch {
    return undefined;
  }
}

/**
 * Lets a profile have what `decide` says, again where somebody else changed it in the meantime.
 * @param decide from the manifest to the next one; undefined to leave it
 */
export function changeProfile(
  session: Session,
  profile: string,
  decide: (manifest: ProfileManifest) => ProfileManifest | undefined,
): void {
  if (session.store.realStoreDir === undefined) throw new StoreError("'--profile' is not supported for this Nix store");
  for (;;) {
    const token = profileToken(profile);
    const next = decide(ProfileManifest.read(session, profile));
    if (next === undefined) return;
    const path = next.build(session);
    const done = withProfileLock(profile, say, () => {
      if (profileToken(profile) !== token) return false;
      switchLink(profile, createGeneration(session.store, profile, path));
      return true;
    });
    if (done) return;
    say(`profile "${profile}" changed while we were busy; restarting`);
  }
}

/** Lines that say how one manifest differs from an earlier one. */
export function manifestDiff(before: ProfileManifest, after: ProfileManifest): string[] {
  const lines: string[] = [];
  const names = unique([...before.elements, ...after.elements].map(([name]) => name));
  for (const name of names) {
    const [old, now] = [before.get(name), after.get(name)];
    const [from, to] = [old, now].map((element) => (element === undefined ? NONE : versionsOf(element)));
    if (from !== to || old === undefined || now === undefined) {
      lines.push(`${identifierOf(old ?? now!)}: ${from!} -> ${to!}`);
    }
  }
  return lines.length === 0 ? ['No changes.'] : lines;
}
