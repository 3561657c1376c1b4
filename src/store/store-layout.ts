// Where a local store keeps what, and how it is first made: directories, modes and files as Nix makes them.
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { StoreError } from '../util/errors.ts';
import { fsPath } from '../util/bytes.ts';
import { makeDirs } from '../util/make-dirs.ts';
import { readSchemaVersion, schemaVersion } from './database.ts';
import { ioError, systemErrorText } from './nar-dump.ts';

export interface StoreLayout {
  /** The logical store directory: part of every hash. */
  readonly storeDir: string;
  /** Where it lies on this machine. */
  readonly realStoreDir: string;
  readonly stateDir: string;
  readonly logDir: string;
}

/** Disk space that a full disk's garbage collection can set free first. */
const reservedBytes = 8 * 1024 * 1024;

/** Id of the group of build users, where the machine has one. */
function buildGroup(): number | undefined {
  try {
    const match = /^nixbld:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'latin1'));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined; // no such file: no such group
  }
}

function makeDir(path: string): void {
  makeDirs(path, 0o755);
}

/** Containers run as ids that have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? String(process.geteuid?.() ?? 'user');
  }
}

/** Nix refuses symlinks in the way to the store: two names of one store would make two hashes of one thing. */
function refuseSymlinks(path: string): void {
  if (process.env['NIX_IGNORE_SYMLINK_STORE'] === '1') return;
  for (let at = path; at !== '/' && at !== '.'; at = dirname(at)) {
    if (lstatSync(fsPath(at)).isSymbolicLink()) {
      throw new StoreError(
        `the path '${at}' is a symlink; this is not allowed for the Nix store and its parent directories`,
      );
    }
  }
}

function reserveSpace(file: string): void {
  if (existsSync(fsPath(file))) return;
  try {
    const fd = openSync(fsPath(file), 'w', 0o600);
    try {
      const block = Buffer.alloc(1024 * 1024, 'X');
      for (let done = 0; done < reservedBytes; done += block.length) writeSync(fd, block);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Only a convenience for a later garbage collection.
  }
}

function linkProfiles(stateDir: string): void {
  try {
    symlinkSync(fsPath(`${stateDir}/profiles`), fsPath(`${stateDir}/gcroots/profiles`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was faster
  }
}

/**
 * Makes what is missing, and checks that the database is of a version we know.
 * @returns whether the database must still be made (then writeSchemaVersion() after it)
 * @throws StoreError where the place cannot be written, or holds a store we do not know
 */
export function prepareLayout(layout: StoreLayout): boolean {
  const { realStoreDir, stateDir } = layout;
  const dbDir = `${stateDir}/db`;
  const version = readSchemaVersion(`${dbDir}/schema`);
  if (version > schemaVersion) {
    throw new StoreError(
      `current Nix store schema is version ${String(version)}, but I only support ${String(schemaVersion)}`,
    );
  }
  if (version !== 0 && version < schemaVersion) {
    throw new StoreError(
      `the Nix store in '${stateDir}' has schema version ${String(version)}; let Nix itself upgrade it to ${String(schemaVersion)} first`,
    );
  }
  try {
    const isNew = version === 0;
    if (isNew || !existsSync(fsPath(realStoreDir))) {
      makeDir(realStoreDir);
      makeDir(`${realStoreDir}/.links`);
      const group = process.geteuid?.() === 0 ? buildGroup() : undefined;
      if (group !== undefined) {
        const stat = statSync(fsPath(realStoreDir));
        if (stat.uid !== 0 || stat.gid !== group || (stat.mode & 0o7777) !== 0o1775) {
          try {
            chownSync(fsPath(realStoreDir), 0, group);
            chmodSync(fsPath(realStoreDir), 0o1775);
          } catch (error) {
            // Root of a user namespace that lacks the group's id.
            if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
          }
        }
      }
    }
    refuseSymlinks(realStoreDir);
    if (isNew) {
      const user = userName();
      makeDir(`${stateDir}/profiles/per-user/${user}`);
      makeDir(`${stateDir}/temproots`);
      makeDir(dbDir);
      if (!existsSync(fsPath(`${stateDir}/gcroots`))) {
        makeDir(`${stateDir}/gcroots`);
        linkProfiles(stateDir);
      }
      makeDir(`${stateDir}/gcroots/per-user/${user}`);
      reserveSpace(`${dbDir}/reserved`);
    }
    accessSync(fsPath(dbDir), constants.R_OK | constants.W_OK);
    return isNew;
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const path = (error as NodeJS.ErrnoException).path;
    if ((error as NodeJS.ErrnoException).syscall === 'access') {
      throw new StoreError(
        `Nix database directory '${dbDir}' is not writable: ${systemErrorText(error)}\n` +
          'This command may have been run as non-root in a single-user Nix installation,\n' +
          'or the Nix daemon may have crashed.',
        { cause: error },
      );
    }
    throw new StoreError(
      `cannot make a store in '${realStoreDir}': ${path === undefined ? '' : `'${path}': `}${systemErrorText(error)}`,
      { cause: error },
    );
  }
}

/** Why nothing can be added to a store that was opened read-only, in the words of what would fail. */
export function readOnlyError(uri: string, realStoreDir: string, exists: boolean): StoreError {
  if (!exists) {
    return new StoreError(`store '${uri}': database does not exist, and cannot be created in read-only mode`);
  }
  try {
    accessSync(fsPath(realStoreDir), constants.W_OK);
  } catch (error) {
    return new StoreError(`cannot write to '${realStoreDir}': ${systemErrorText(error)}`, { cause: error });
  }
  return new StoreError(`store '${uri}' is read-only: attempt to write a readonly database`);
}

/** Says that the database is made. */
export function writeSchemaVersion(layout: StoreLayout): void {
  const file = `${layout.stateDir}/db/schema`;
  const temporary = `${file}.tmp-${String(process.pid)}`;
  try {
    writeFileSync(fsPath(temporary), String(schemaVersion), { mode: 0o644, flush: true });
    renameSync(fsPath(temporary), fsPath(file));
  } catch (error) {
    throw ioError('writing file', file, error);
  }
}
