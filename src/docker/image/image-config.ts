// The configuration of an image that is made here: what the command line (or an expression) says, upon what a base image
// says.
// @see OCI image specification, "Image Configuration"
import { UsageError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import type { ImageConfig } from './documents.ts';
import type { Platform } from './platform.ts';

export interface ImageSettings {
  /** Undefined leaves what the base image has. */
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  /** `NAME=VALUE`. */
  readonly env?: readonly string[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly stopSignal?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  /** `8080/tcp`. */
  readonly expose?: readonly string[];
  readonly volumes?: readonly string[];
}

export interface HistoryEntry {
  readonly created: string;
  readonly created_by: string;
  readonly comment?: string;
}

type Json = Readonly<Record<string, unknown>>;

function sortedObject(value: Json): Json {
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, value[key]]),
  );
}

/** Variables of `over` replace those of `base` in their places; new ones come after them. */
function mergeEnvironment(base: unknown, over: readonly string[]): string[] {
  const all = new Map<string, string>();
  const old = Array.isArray(base) ? base.filter((item) => typeof item === 'string') : [];
  for (const entry of [...old, ...over]) all.set(entry.split('=', 1)[0]!, entry);
  return [...all.values()];
}

function namesAsKeys(base: unknown, names: readonly string[] = []): Json {
  const old = typeof base === 'object' && base !== null ? (base as Json) : {};
  return sortedObject({ ...old, ...Object.fromEntries(names.map((name) => [name, {}])) });
}

/** `8080`, `53/udp`, `8000-8010`. @throws UsageError */
export function parsePort(text: string): string {
  const match = /^([0-9]{1,5}(?:-[0-9]{1,5})?)(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null || match[1]!.split('-').some((port) => Number(port) < 1 || Number(port) > 65535)) {
    throw new UsageError(`'${utf8(text)}' is not a port: PORT[/tcp|/udp]`);
  }
  return `${match[1]!}/${match[2] ?? 'tcp'}`;
}

function containerConfig(base: Json, settings: ImageSettings): Json {
  const { entrypoint, cmd, env = [], workdir, user, stopSignal, labels = {}, expose, volumes } = settings;
  const merged: Record<string, unknown> = { ...base };
  if (entrypoint !== undefined) {
    merged['Entrypoint'] = entrypoint;
    // The base image's command was meant for its own entrypoint.
    delete merged['Cmd'];
  }
  if (cmd !== undefined) merged['Cmd'] = cmd;
  const environment = mergeEnvironment(base['Env'], env);
  if (environment.length > 0) merged['Env'] = environment;
  if (workdir !== undefined) merged['WorkingDir'] = workdir;
  if (user !== undefined) merged['User'] = user;
  if (stopSignal !== undefined) merged['StopSignal'] = stopSignal;
  const oldLabels = typeof base['Labels'] === 'object' && base['Labels'] !== null ? (base['Labels'] as Json) : {};
  const allLabels = sortedObject({ ...oldLabels, ...labels });
  if (Object.keys(allLabels).length > 0) merged['Labels'] = allLabels;
  const ports = namesAsKeys(base['ExposedPorts'], expose);
  if (Object.keys(ports).length > 0) merged['ExposedPorts'] = ports;
  const allVolumes = namesAsKeys(base['Volumes'], volumes);
  if (Object.keys(allVolumes).length > 0) merged['Volumes'] = allVolumes;
  return sortedObject(merged);
}

/** The base's history, one entry for each of its layers where it does not tell. */
function baseHistory(base: ImageConfig): readonly object[] {
  const layers = base.rootfs.diff_ids.length;
  const isEntry = (entry: unknown): entry is Json => typeof entry === 'object' && entry !== null;
  const told = Array.isArray(base.history) ? (base.history as readonly unknown[]).filter(isEntry) : [];
  const filled = told.filter((entry) => entry['empty_layer'] !== true).length;
  return filled === layers ? told : Array.from({ length: layers }, () => ({ created_by: 'the base image' }));
}

/**
 * @param diffIds of all layers, the base's first
 * @param history of our own layers
 */
export function makeConfig(options: {
  readonly base: ImageConfig | undefined;
  readonly settings: ImageSettings;
  readonly platform: Platform;
  readonly created: string;
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryEntry[];
}): Buffer {
  const { base, settings, platform, created, diffIds, history } = options;
  const old = typeof base?.config === 'object' ? base.config : {};
  const config = {
    architecture: platform.architecture,
    config: containerConfig(old, settings),
    created,
    history: [...(base === undefined ? [] : baseHistory(base)), ...history],
    os: platform.os,
    rootfs: { diff_ids: diffIds, type: 'layers' },
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  };
  return Buffer.from(JSON.stringify(config));
}

/** When images are said to be made: never, in fact. */
export const EPOCH = '1970-01-01T00:00:01Z';

/**
 * `now`, seconds since 1970 or a date; without any SOURCE_DATE_EPOCH, or the beginning of time.
 * @throws UsageError
 */
export function parseCreated(text: string | undefined, sourceDateEpoch: string | undefined): string {
  const fromSeconds = (seconds: string): string => {
    const date = new Date(Number(seconds) * 1000);
    if (!/^[0-9]{1,11}$/.test(seconds) || Number.isNaN(date.getTime())) {
      throw new UsageError(`'${utf8(seconds)}' is not a number of seconds since 1970`);
    }
    return date.toISOString().replace('.000Z', 'Z');
  };
  if (text === undefined) {
    return sourceDateEpoch === undefined || sourceDateEpoch === '' ? EPOCH : fromSeconds(sourceDateEpoch);
  }
  if (text === 'now') return new Date().toISOString().replace(/\.[0-9]+Z$/, 'Z');
  if (/^[0-9]+$/.test(text)) return fromSeconds(text);
  const time = Date.parse(text);
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text) || Number.isNaN(time)) {
    throw new UsageError(`'${utf8(text)}' is not a time: 'now', seconds since 1970, or YYYY-MM-DDTHH:MM:SSZ`);
  }
  return new Date(time).toISOString().replace('.000Z', 'Z');
}
