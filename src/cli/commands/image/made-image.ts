// Images from expressions: what the flags select is built; one image (a file that dockerTools makes, or an OCI layout) is
// taken as it is, several are one index, everything else is the contents of a layered image.
import { statSync, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '../../../store/local-store.ts';
import { isDerivationPath, tryParseStorePath } from '../../../store/store-path.ts';
import type { StorePath } from '../../../store/store.ts';
import { fromUtf8, fsPath, utf8 } from '../../../util/bytes.ts';
import { UsageError } from '../../../util/errors.ts';
import { detectCompression, readSmall } from '../../../docker/archive.ts';
import { imageFor } from '../../../docker/image/copy.ts';
import { parseCreated, parsePort } from '../../../docker/image/image-config.ts';
import type { ImageSettings } from '../../../docker/image/image-config.ts';
import { openImageSource } from '../../../docker/image/open-source.ts';
import { parsePlatform, platformOfSystem, printPlatform, systemOfPlatform } from '../../../docker/image/platform.ts';
import type { Platform } from '../../../docker/image/platform.ts';
import { parseReference } from '../../../docker/image/reference.ts';
import type { ImageSource, SourceImage, SourceIndex } from '../../../docker/image/source.ts';
import { storeImage } from '../../../docker/image/store-image.ts';
import { concatenated, streamedParts } from '../../../docker/image/streamed-archive.ts';
import { fileRegion, writeChunks } from '../../../docker/write-file.ts';
import type { Config } from '../../config.ts';
import { BUILD_FLAGS, EVAL_FLAGS, flag } from '../../flags.ts';
import type { Flag, ParsedFlags } from '../../flags.ts';
import { FLAKE_FLAGS, preferPure } from '../../flake-installable.ts';
import { realiseTargets } from '../../realise-targets.ts';
import { Session } from '../../session.ts';
import { sandboxShell, wantedOf } from '../build.ts';
import { keyValues, registrySettings } from './registry-flags.ts';

/** Flags that say what is built. */
export const SELECT_FLAGS: readonly Flag[] = [
  flag('expr', 'take what EXPR evaluates to instead of a file', { short: 'E', args: ['EXPR'] }),
  flag('file', 'evaluate FILE', { short: 'f', args: ['FILE'] }),
  ...FLAKE_FLAGS,
  ...EVAL_FLAGS,
  ...BUILD_FLAGS,
];

/** Flags of an image that is made of store paths. */
export const SETTING_FLAGS: readonly Flag[] = [
  flag('entrypoint', 'program and first arguments: a JSON list, or a word (again for further words)', {
    args: ['WORD'],
  }),
  flag('cmd', 'command, or arguments of the entrypoint: a JSON list, or a word (again for further words)', {
    args: ['WORD'],
  }),
  flag('env', 'set an environment variable', { args: ['NAME=VALUE'] }),
  flag('workdir', 'working directory', { args: ['DIR'] }),
  flag('user', 'user (and group) to run as', { args: ['USER[:GROUP]'] }),
  flag('label', 'label the image', { args: ['KEY=VALUE'] }),
  flag('expose', 'a port that it listens on', { args: ['PORT[/PROTOCOL]'] }),
  flag('volume', 'a directory for data', { args: ['DIR'] }),
  flag('stop-signal', 'how it is asked to end', { args: ['SIGNAL'] }),
  flag('base', 'the image to build upon', { aliases: ['from-image'], args: ['IMAGE'] }),
  flag('max-layers', 'layers at most, but for those of the base image (default: 100)', { args: ['N'] }),
  flag('links', 'show the contents at / too, as symlinks (the default)', { negatable: true }),
  flag('created', "when it is said to be made: 'now', or a time (default: SOURCE_DATE_EPOCH, else 1970)", {
    args: ['TIME'],
  }),
];

export const PLATFORM_FLAG = flag('platform', 'for which machine; several make one index of images', {
  args: ['OS/ARCH'],
});

function words(flags: ParsedFlags, name: string): string[] | undefined {
  if (!flags.has(name)) return undefined;
  const list = flags.list(name);
  if (list.length > 1 || !list[0]!.trimStart().startsWith('[')) return list;
  try {
    const value: unknown = JSON.parse(list[0]!);
    if (Array.isArray(value) && value.every((word) => typeof word === 'string')) return value;
  } catch {
    // falls through to the error below
  }
  throw new UsageError(`'${utf8(list[0]!)}' of '--${name}' is not a JSON list of strings`);
}

function absolute(path: string, name: string): string {
  if (!path.startsWith('/')) throw new UsageError(`'${utf8(path)}' of '--${name}' is not an absolute path`);
  return path;
}

function settingsOf(flags: ParsedFlags): ImageSettings {
  const workdir = flags.get('workdir');
  return {
    entrypoint: words(flags, 'entrypoint'),
    cmd: words(flags, 'cmd'),
    env: Object.entries(keyValues(flags, 'env')).map(([name, value]) => `${name}=${value}`),
    workdir: workdir === undefined ? undefined : absolute(workdir, 'workdir'),
    user: flags.get('user'),
    stopSignal: flags.get('stop-signal'),
    labels: keyValues(flags, 'label'),
    expose: flags.list('expose').map(parsePort),
    volumes: flags.list('volume').map((path) => absolute(path, 'volume')),
  };
}

function maxLayers(flags: ParsedFlags): number {
  const text = flags.get('max-layers') ?? '100';
  if (!/^[0-9]{1,4}$/.test(text) || Number(text) < 1) {
    throw new UsageError(`'${utf8(text)}' of '--max-layers' is not a number of layers`);
  }
  return Number(text);
}

/** Whether a store path is an image itself: an archive, a script that writes one, or an OCI layout. */
async function isImage(path: string, realStoreDir: string): Promise<boolean> {
  if (streamedParts(path, realStoreDir) !== undefined) return true;
  const stats = statSync(fsPath(path));
  if (stats.isDirectory()) return existsSync(fsPath(`${path}/oci-layout`));
  if (!stats.isFile() || stats.size < 512) return false;
  const region = fileRegion(path);
  if ((await detectCompression(region)) !== 'none') return /\.tar(\.[a-z0-9]+)?$/.test(path);
  const magic = await readSmall({ ...region, offset: 257, size: 5 }, 5, path);
  return magic.toString() === 'ustar';
}

/** Store paths among the positionals, which are taken as they are, and the other words. */
function splitPositionals(session: Session, flags: ParsedFlags): StorePath[] {
  const { storeDir } = session.store;
  const paths: StorePath[] = [];
  for (const word of [...flags.positionals]) {
    const path = tryParseStorePath(utf8(word), storeDir);
    if (path === undefined || isDerivationPath(path)) continue;
    if (!session.store.isValidPath(path)) throw new UsageError(`path '${path}' is not valid`);
    session.store.addTempRoot(path);
    paths.push(path);
    flags.positionals.splice(flags.positionals.indexOf(word), 1);
  }
  return paths;
}

/** Builds what the flags select. */
async function realiseSelected(session: Session, flags: ParsedFlags, config: Config): Promise<StorePath[]> {
  const positionals = [...flags.positionals];
  const paths = splitPositionals(session, flags);
  const nothingElse = flags.positionals.length === 0 && !['expr', 'file', 'attr'].some((name) => flags.has(name));
  try {
    if (paths.length > 0 && nothingElse) return paths;
    const wanted = wantedOf(session, { expressions: false, flakes: true });
    session.flush();
    const logs = flags.has('print-build-logs');
    const outputs = await realiseTargets(
      wanted.map(({ target }) => target),
      {
        config,
        store: session.store,
        logs,
        announce: true,
        quiet: flags.has('quiet'),
        dryRun: flags.has('dry-run'),
        check: flags.has('check'),
        substitute: session.usesEmbeddedPackages ? 'named' : 'any',
        shell: () => sandboxShell(session, logs),
      },
    );
    return [...paths, ...new Set((outputs ?? []).flatMap((byName) => [...byName.values()]))];
  } finally {
    flags.positionals.splice(0, flags.positionals.length, ...positionals);
  }
}

interface Made {
  readonly source: ImageSource;
  readonly platform: Platform;
}

class Maker {
  readonly #flags: ParsedFlags;
  readonly #config: Config;
  readonly #signal: AbortSignal;
  readonly #settings: boolean;
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(flags: ParsedFlags, config: Config, signal: AbortSignal, settings: boolean) {
    this.#flags = flags;
    this.#config = config;
    this.#signal = signal;
    this.#settings = settings;
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
  }

  async #open(text: string): Promise<ImageSource> {
    const options = { signal: this.#signal, registry: registrySettings(this.#flags, this.#signal) };
    const source = await openImageSource(parseReference(text), options);
    this.#closing.push(source.close);
    return source;
  }

  /** An image in the store. */
  async #openBuilt(path: string, realStoreDir: string): Promise<ImageSource> {
    const parts = streamedParts(path, realStoreDir);
    if (parts === undefined) return this.#open(fromUtf8(path));
    const tmp = await mkdtemp(join(tmpdir(), 'tsnix-image-'));
    this.#closing.push(() => rm(tmp, { recursive: true, force: true }));
    await writeChunks(utf8(join(tmp, 'image.tar')), concatenated(parts), this.#signal);
    return this.#open(join(tmp, 'image.tar'));
  }

  async #base(platform: Platform): Promise<SourceImage | undefined> {
    const text = this.#flags.get('base');
    if (text === undefined) return undefined;
    const image = await imageFor(await (await this.#open(text)).open(), platform);
    if (image.platform.architecture !== platform.architecture || image.platform.os !== platform.os) {
      throw new UsageError(`${image.what} is for ${printPlatform(image.platform)}, not for ${printPlatform(platform)}`);
    }
    return image;
  }

  /** @param wanted undefined for this machine */
  async #make(wanted: Platform | undefined): Promise<Made[]> {
    const flags = this.#flags;
    if (wanted !== undefined) this.#config.setByFlag('eval-system', systemOfPlatform(wanted));
    preferPure(flags, this.#config);
    const logs = flags.has('print-build-logs');
    const session = new Session({ config: this.#config, flags, readOnly: false, writes: true, logs });
    this.#closing.push(() => session.close());
    const platform = wanted ?? platformOfSystem(session.io.system);
    const paths = await realiseSelected(session, flags, this.#config);
    if (flags.has('dry-run')) return [];
    if (paths.length === 0) throw new UsageError('there is nothing to make an image of');
    const { store } = session;
    if (store instanceof LocalStore) store.flush();
    const real = paths.map((path) => store.realPath(path));
    const storeDir = store.realPath(store.storeDir);
    const kinds = await Promise.all(real.map((path) => isImage(path, storeDir)));
    if (kinds.every((is) => is)) {
      const odd = (this.#settings ? SETTING_FLAGS : []).find(({ name }) => flags.has(name) || flags.isOff(name));
      if (odd !== undefined) {
        throw new UsageError(`'--${odd.name}' is for images made of store paths, but '${paths[0]!}' is an image`);
      }
      return await Promise.all(real.map(async (path) => ({ source: await this.#openBuilt(path, storeDir), platform })));
    }
    const image = storeImage({
      store,
      contents: paths,
      links: !flags.isOff('links'),
      settings: this.#settings ? settingsOf(flags) : {},
      platform,
      created: parseCreated(flags.get('created'), process.env['SOURCE_DATE_EPOCH']),
      maxLayers: maxLayers(flags),
      base: await this.#base(platform),
    });
    const what = 'the image';
    return [{ platform, source: { what, open: () => Promise.resolve(image), close: () => Promise.resolve() } }];
  }

  async make(): Promise<ImageSource | undefined> {
    const platforms = this.#flags.list('platform').map(parsePlatform);
    const made: Made[] = [];
    for (const platform of platforms.length === 0 ? [undefined] : platforms) made.push(...(await this.#make(platform)));
    const what = 'the image';
    const close = (): Promise<void> => this.close();
    if (made.length === 0) return undefined;
    if (made.length === 1) return { what, made: true, name: made[0]!.source.name, open: made[0]!.source.open, close };
    return { what, made: true, open: () => indexOf(made), close };
  }
}

async function indexOf(made: readonly Made[]): Promise<SourceIndex> {
  const seen = new Set<string>();
  const entries = [];
  for (const { source, platform } of made) {
    const opened = await source.open();
    const image = opened.kind === 'image' ? opened : await imageFor(opened, platform);
    const printed = printPlatform(image.platform);
    if (seen.has(printed)) throw new UsageError(`there are several images for ${printed}`);
    seen.add(printed);
    entries.push({ platform: image.platform, descriptor: undefined, load: () => Promise.resolve(image) });
  }
  return { kind: 'index', what: 'the image', document: undefined, annotations: {}, entries };
}

/**
 * Builds what the flags select, and gives it as an image.
 * @param settings whether flags such as --env are about the image
 * @returns undefined for a dry run
 */
export async function makeImage(
  flags: ParsedFlags,
  config: Config,
  signal: AbortSignal,
  settings = true,
): Promise<ImageSource | undefined> {
  const maker = new Maker(flags, config, signal, settings);
  try {
    return await maker.make();
  } catch (error) {
    await maker.close();
    throw error;
  }
}

/** Whether the flags (or the only word) ask for something to be built. */
export function selectsExpression(flags: ParsedFlags, word: string | undefined): boolean {
  if (['expr', 'file', 'attr'].some((name) => flags.has(name))) return true;
  if (word === undefined) return false;
  if (word.endsWith('.nix') || word.endsWith('.drv')) return true;
  return existsSync(join(word, 'default.nix')) && !existsSync(join(word, 'oci-layout'));
}
