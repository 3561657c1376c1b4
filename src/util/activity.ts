// What Nix tells while it works, as its loggers, its JSON log and its daemons know it: activities that begin and end (a
// build, a copy), inside of one another, and results that belong to them (a line, a phase, counts). Numbers are Nix's.

export const verbosity = {
  error: 0,
  warn: 1,
  notice: 2,
  info: 3,
  talkative: 4,
  chatty: 5,
  debug: 6,
  vomit: 7,
} as const;

export const activityType = {
  unknown: 0,
  copyPath: 100,
  fileTransfer: 101,
  realise: 102,
  copyPaths: 103,
  builds: 104,
  build: 105,
  optimiseStore: 106,
  verifyPaths: 107,
  substitute: 108,
  queryPathInfo: 109,
  postBuildHook: 110,
  buildWaiting: 111,
} as const;

export const resultType = {
  fileLinked: 100,
  buildLogLine: 101,
  untrustedPath: 102,
  corruptedPath: 103,
  setPhase: 104,
  /** done, expected, running, failed */
  progress: 105,
  /** type of activities, how much of it is expected below this one */
  setExpected: 106,
  postBuildLogLine: 107,
  fetchStatus: 108,
} as const;

/** Byte string, or number. */
export type Field = string | number;

/** 64 bits in protocols; ours are safe integers. */
export type ActivityId = number;

export interface Activity {
  readonly id: ActivityId;
  /** From `verbosity`: who wants to know less is not told the text. */
  readonly level: number;
  readonly type: number;
  /** Byte string; may be empty. */
  readonly text: string;
  readonly fields: readonly Field[];
  /** 0: none. */
  readonly parent: ActivityId;
}

/** `FILE:LINE:COLUMN` */
export interface LoggedPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** An error or a warning with its parts. Byte strings. */
export interface LoggedFailure {
  readonly level: number;
  /** As users see it: prefix, trace, excerpts. */
  readonly text: (color: boolean) => string;
  readonly message: string;
  readonly place?: LoggedPlace | undefined;
  /** Innermost first; only where it is to be shown. */
  readonly trace?: readonly { readonly message: string; readonly place?: LoggedPlace | undefined }[];
}

/** Takes what is told. None of these throws. */
export interface ActivityLog {
  message(level: number, text: string): void;
  failure(failure: LoggedFailure): void;
  start(activity: Activity): void;
  stop(id: ActivityId): void;
  result(id: ActivityId, type: number, fields: readonly Field[]): void;
}

let count = 0;

/** Of this process; others' differ, as far as safe integers go. */
export function newActivityId(): ActivityId {
  return (process.pid % (1 << 20)) * 2 ** 32 + count++;
}

/** Begins an activity. @returns its id */
export function startActivity(
  log: ActivityLog,
  type: number,
  about: Partial<Pick<Activity, 'level' | 'text' | 'fields' | 'parent'>> = {},
): ActivityId {
  const id = newActivityId();
  log.start({ level: verbosity.error, text: '', fields: [], parent: 0, ...about, id, type });
  return id;
}
