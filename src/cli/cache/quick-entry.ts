// Writes an answer for src/cli/quick-answer.pl, which compares all of it and knows nothing of Nix. Only what lay still for
// a while before the run began is told by a stamp: then it is also what the run has seen.
//
//   header    magic (8 bytes), sum of the 32-bit words that follow (64 bits), length of the body (64 bits)
//   body      strings, each after its length (32 bits), in the order of encode(); lists are separated by NUL
//
// All numbers are little-endian. A stamp is 68 bytes cut from the kernel's `struct statx`: owner, mode, inode, size, times of
// change and modification to the nanosecond, device.
import { randomInt } from 'node:crypto';
import { accessSync, constants, fstatSync, lstatSync, readlinkSync, statSync, type BigIntStats } from 'node:fs';
import { machine } from 'node:os';
import { dirname, join } from 'node:path';
import { RECENT_MS } from '../../eval/file-stamp.ts';
import { linksOfRoot } from '../../store/gc-roots.ts';
import { LocalStore } from '../../store/local-store.ts';
import { daemonSocketPath, chrootStoreDir, stateDirOf } from '../../store/open.ts';
import { signature } from '../../build/host/host-files.ts';
import { fsPath, utf8 } from '../../util/bytes.ts';
import { packageRoot } from '../../util/program-files.ts';
import { isTerminal } from '../output.ts';
import { storeUri, type Session } from '../session.ts';
import { STAMPED, TYPES, TYPE_MASK, type FileFacts } from './facts.ts';
import { limitFolder } from './limit-folder.ts';
import { see } from './looks.ts';
import { isOwnFolder, writeOwnFile } from './own-files.ts';
import type { QuickAnswer } from './quick-answer.ts';
import type { Inputs } from './recorder.ts';

/** Of Linux: statx, getcwd, uname, faccessat. */
const SYSTEM_CALLS: Readonly<Record<string, string>> = { x64: '332 79 63 269', arm64: '291 17 160 48' };

/** Variables that change from shell to shell, and that nothing here reads. */
export const UNREAD: readonly string[] = [
  '_',
  'GPG_TTY',
  'OLDPWD',
  'PERL_BADLANG',
  'SHLVL',
  'SSH_CLIENT',
  'SSH_CONNECTION',
  'SSH_TTY',
  'STY',
  'TERM_SESSION_ID',
  'TMUX',
  'TMUX_PANE',
  'TSNIX_STACK_LIMIT',
  'WINDOW',
  'WINDOWID',
  'XDG_SESSION_ID',
];
/** From bin/tsnix, behind the place where it looks for an answer. */
const FROM_START = 'TSNIX_STACK_LIMIT';

/** Flags with which a run does more, or tells of itself. */
const NO_ANSWER_WITH = ['explain-cache', 'watch', 'arg-from-stdin', 'verbose', 'debug', 'log-format'];

const MAGIC = 'tsnixqa1';
const HEADER_BYTES = 24;
const STAMP_BYTES = 68;
const SECOND_NS = 1_000_000_000n;
const MAX_BYTES = 1 << 23;
const MAX_NAME = 255;
const MAX_ENTRIES = 500;
const MAX_TOTAL_BYTES = 64 << 20;

/** There can be no such answer, or not yet. */
class Unfit extends Error {}

/** Whether an answer was written. Never throws. */
export function writeQuickEntry(answer: QuickAnswer, answered: NonNullable<QuickAnswer['answered']>): boolean {
  const dir = dirname(answer.file);
  try {
    if (!isOwnFolder(dir, true)) return false;
    // The file's own name may have no room for more.
    writeOwnFile(answer.file, join(dir, `.${process.pid}.new`), new Entry(answer, answered).encode());
    if (Math.random() < 1 / 20) limitFolder(dir, { maxBytes: MAX_TOTAL_BYTES, maxFiles: MAX_ENTRIES });
    return true;
  } catch {
    return false;
  }
}

/** Paths, and what is expected of each. */
class Column {
  readonly paths: string[] = [];
  readonly values: Buffer[] = [];
  private readonly known = new Set<string>();

  add(path: string, value: Buffer): void {
    if (this.known.has(path)) return;
    if (path.includes('\0')) throw new Unfit();
    this.known.add(path);
    this.values.push(value);
    this.paths.push(path);
  }

  encode(): [string, Buffer] {
    return [this.paths.join('\0'), Buffer.concat(this.values)];
  }
}

class Entry {
  private readonly answer: QuickAnswer;
  private readonly session: Session;
  private readonly inputs: readonly Inputs[];
  /** Of programs' files, by their names beside the program in perl. */
  private readonly programs = new Column();
  private readonly stamps = new Column();
  private readonly followedStamps = new Column();
  private readonly types = new Column();
  private readonly followedTypes = new Column();
  private readonly access = new Column();
  private readonly links: string[] = [];
  private readonly empty: string[] = [];
  private lock = '';
  /** What is younger is told by no stamp. */
  private readonly limitNs: bigint;

  /** @throws Unfit, or the file system's errors */
  constructor(answer: QuickAnswer, { session, inputs }: NonNullable<QuickAnswer['answered']>) {
    this.answer = answer;
    this.session = session;
    this.limitNs = BigInt(answer.startMs - RECENT_MS) * 1_000_000n;
    const since = session.askedSince();
    if (since === null) throw new Unfit();
    const more = since.finish();
    if (since.doubt !== null) throw new Unfit();
    this.inputs = [inputs, more];
    this.check();
    // What is most often too young comes first.
    this.addStore();
    this.addPrograms();
    this.addLooks();
    for (const { files, host } of this.inputs) {
      this.addFacts(files);
      for (const [request] of host) this.addHostTool(request);
    }
  }

  private check(): void {
    const { session, answer } = this;
    const home = answer.env['HOME'];
    if (
      SYSTEM_CALLS[process.arch] === undefined ||
      process.platform !== 'linux' ||
      home === undefined ||
      home === '' ||
      Buffer.byteLength(answer.file.slice(dirname(answer.file).length + 1)) > MAX_NAME ||
      answer.looks.contradiction ||
      NO_ANSWER_WITH.some((name) => session.flags.has(name)) ||
      session.config.string('json-log-path') !== '' ||
      session.config.logFormat === 'internal-json' ||
      session.config.makeDebugHost !== undefined ||
      this.inputs.some(({ env }) => env.some(([name]) => UNREAD.includes(name)))
    ) {
      throw new Unfit();
    }
  }

  private stamp({ mtimeNs, ctimeNs, uid, gid, mode, ino, size, dev }: BigIntStats): Buffer {
    if (mtimeNs > this.limitNs || ctimeNs > this.limitNs || mtimeNs < 0n || ctimeNs < 0n) throw new Unfit();
    const bytes = Buffer.alloc(STAMP_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(0, Number(uid), true);
    view.setUint32(4, Number(gid), true);
    view.setUint16(8, Number(mode), true);
    view.setBigUint64(12, ino, true);
    view.setBigUint64(20, size, true);
    view.setBigUint64(28, ctimeNs / SECOND_NS, true);
    view.setUint32(36, Number(ctimeNs % SECOND_NS), true);
    view.setBigUint64(44, mtimeNs / SECOND_NS, true);
    view.setUint32(52, Number(mtimeNs % SECOND_NS), true);
    // As glibc's makedev() puts them together.
    const number = Number(dev);
    view.setUint32(60, (Math.floor(number / 2 ** 32) & 0xfffff000) | ((number >>> 8) & 0xfff), true);
    view.setUint32(64, ((number >>> 12) & 0xffffff00) | (number & 0xff), true);
    return bytes;
  }

  /** The program as it runs: what lies there must not be another one by now. */
  private addPrograms(): void {
    const { path, fd } = this.answer.program;
    const dist = join(packageRoot(), 'dist');
    const names = ['quick-answer.pl', 'main.cjs', 'tsnix.cjs', path.slice(dirname(path).length + 1)];
    for (const name of [...names, 'tsnix.blob', '../bin/tsnix']) {
      const stat = statSync(`${dist}/${name}`, { bigint: true, throwIfNoEntry: false });
      if (stat !== undefined) this.programs.add(name, this.stamp(stat));
      else if (name !== 'tsnix.blob') throw new Unfit();
    }
    const [now, then] = [statSync(path), fstatSync(fd)];
    if (now.ino !== then.ino || now.dev !== then.dev) throw new Unfit();
    this.addFile(utf8(process.execPath));
  }

  /** A file that was read, links followed. */
  private addFile(path: string): void {
    this.followedStamps.add(path, this.stamp(statSync(fsPath(path), { bigint: true })));
  }

  private addLooks(): void {
    const { seen, read } = this.answer.looks;
    for (const [path, what] of seen) {
      if (see(path) !== what) throw new Unfit();
      const stat = statSync(path, { throwIfNoEntry: false });
      this.followedTypes.add(utf8(path), typeLetter(what === 'nothing' ? undefined : stat));
    }
    for (const path of read) this.addFile(utf8(path));
  }

  private addFacts({ paths, kinds, parents, details }: FileFacts): void {
    paths.forEach((path, i) => {
      const kind = kinds[i]!;
      const type = TYPES[kind & TYPE_MASK];
      if (type === 'unknown') throw new Unfit();
      if ((kind & STAMPED) === 0) {
        const parent = parents[i]!;
        // Of an unchanged folder the names and types are what they were.
        if (parent >= 0 && (kinds[parent]! & STAMPED) !== 0) return;
        if (type === 'symlink' && details[i] !== '') this.addLink(path, details[i]!);
        else this.addType(path, type);
        return;
      }
      const stat = lstatSync(fsPath(path), { bigint: true });
      if (type !== (stat.isFile() ? 'regular' : stat.isDirectory() ? 'directory' : 'other')) throw new Unfit();
      this.stamps.add(path, this.stamp(stat));
    });
  }

  private addType(path: string, type: 'regular' | 'directory' | 'symlink' | null | undefined): void {
    const stat = lstatSync(fsPath(path), { throwIfNoEntry: false });
    const now =
      stat === undefined
        ? null
        : stat.isFile()
          ? 'regular'
          : stat.isDirectory()
            ? 'directory'
            : stat.isSymbolicLink()
              ? 'symlink'
              : 'other';
    if (type !== undefined && now !== type) throw new Unfit();
    this.types.add(path, typeLetter(stat));
  }

  private addLink(path: string, target: string): void {
    if (readlinkSync(fsPath(path), 'latin1') !== target) throw new Unfit();
    this.links.push(path, target);
  }

  private addHostTool(request: string): void {
    const looks = this.session.looksOfHostTool(request);
    if (looks === undefined) throw new Unfit();
    for (const [path, how, was] of looks) {
      const stat = (how === 'F' ? statSync : lstatSync)(fsPath(path), { bigint: true, throwIfNoEntry: false });
      if (signature(stat) !== was) throw new Unfit();
      if (stat !== undefined) (how === 'F' ? this.followedStamps : this.stamps).add(path, this.stamp(stat));
      else (how === 'F' ? this.followedTypes : this.types).add(path, typeLetter(undefined));
    }
  }

  /** Which store it is, that its database says what it said, and that what it has is there. */
  private addStore(): void {
    const { session, answer } = this;
    const { store } = session;
    if (!(store instanceof LocalStore)) throw new Unfit();
    this.addChoice(store);
    const { roots, storePaths } = answer;
    const named = [...storePaths, ...roots.map(({ target }) => target)];
    for (const { valid, added } of this.inputs) {
      named.push(
        ...[...valid.filter(([, is]) => is).map(([path]) => path), ...added].map((p) => session.asStorePath(p)),
      );
    }
    if (store.wasAsked) this.addDatabase(store);
    else if (named.length > 0) throw new Unfit();
    for (const path of named) {
      const real = store.realStoreDir + path.slice(store.storeDir.length);
      lstatSync(fsPath(real));
      this.addType(real, undefined);
    }
    for (const { link, target } of roots) {
      for (const [path, to] of linksOfRoot(store, link, target)) this.addLink(path, to);
    }
  }

  /** What Nix's rule `auto` looks at. */
  private addChoice(store: LocalStore): void {
    const uri = storeUri(this.session.config) ?? '';
    if (!/^(auto)?(\?|$)/.test(uri) || process.geteuid!() === 0) return;
    const stateDir = stateDirOf(process.env);
    const writable = this.addAccess(stateDir);
    if (writable === (store.uri === 'local')) {
      if (writable) return;
    } else throw new Unfit();
    for (const path of [daemonSocketPath(process.env), chrootStoreDir(process.env)]) {
      const stat = statSync(fsPath(path), { throwIfNoEntry: false });
      this.followedTypes.add(path, typeLetter(stat));
    }
    if (statSync(fsPath(daemonSocketPath(process.env)), { throwIfNoEntry: false }) !== undefined) throw new Unfit();
  }

  /** Whether a folder can be read and written now. */
  private addAccess(path: string): boolean {
    let can = true;
    try {
      accessSync(fsPath(path), constants.R_OK | constants.W_OK);
    } catch {
      can = false;
    }
    this.access.add(path, Buffer.from(can ? '1' : '0'));
    return can;
  }

  private addDatabase(store: LocalStore): void {
    const { stateDir, realStoreDir, readOnly } = store;
    const file = `${stateDir}/db/db.sqlite`;
    if (lstatSync(fsPath(file), { throwIfNoEntry: false }) === undefined) {
      this.addType(file, null);
      return;
    }
    // Without a log of its own beside it, the database is all in this file.
    this.stamps.add(file, this.stamp(lstatSync(fsPath(file), { bigint: true })));
    for (const log of [`${file}-wal`, `${file}-journal`]) {
      if ((statSync(fsPath(log), { throwIfNoEntry: false })?.size ?? 0) > 0) throw new Unfit();
      this.empty.push(log);
    }
    this.addFile(`${stateDir}/db/schema`);
    if (!readOnly && !this.addAccess(`${stateDir}/db`)) throw new Unfit();
    for (let at = realStoreDir; at !== '/'; at = dirname(at)) this.addType(at, undefined);
    const lock = `${stateDir}/gc.lock`;
    if (lstatSync(fsPath(lock), { throwIfNoEntry: false }) === undefined) this.addType(lock, null);
    else this.lock = lock;
  }

  encode(): Buffer {
    const { answer } = this;
    const { env } = answer;
    const names = Object.keys(env).filter((name) => !UNREAD.includes(name));
    const variables = names.map((name) => utf8(`${name}=${env[name]!}`));
    const words = process.argv.slice(2);
    const cwd = process.cwd();
    const texts = [cwd, ...words];
    // What is no text was read as such.
    if (texts.some((text) => text.includes('\ufffd'))) throw new Unfit();
    const parts: (string | Buffer)[] = [
      SYSTEM_CALLS[process.arch]!,
      [process.getuid!(), process.geteuid!(), process.getgid!(), process.getegid!()].join(' '),
      machine(),
      utf8(cwd),
      [String(words.length), ...words.map(utf8)].join('\0'),
      UNREAD.filter((name) => name !== FROM_START).join('\0'),
      saltedSums(sortedByName(variables).join('\0')),
      `${Number(isTerminal(1))}${Number(isTerminal(2))}`,
    ];
    for (const column of [
      this.programs,
      this.stamps,
      this.followedStamps,
      this.types,
      this.followedTypes,
      this.access,
    ]) {
      parts.push(...column.encode());
    }
    parts.push(this.links.join('\0'), this.empty.join('\0'), this.lock, ...joined(answer.output));
    const body = Buffer.concat(
      parts.flatMap((part) => {
        const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        return [length, bytes];
      }),
    );
    const padded = Buffer.alloc(HEADER_BYTES + ((body.length + 3) & ~3)); // aligned: no slice of a pool
    if (padded.length > MAX_BYTES) throw new Unfit();
    body.copy(padded, HEADER_BYTES);
    padded.writeBigUInt64LE(BigInt(body.length), 16);
    const numbers = new Uint32Array(padded.buffer, padded.byteOffset + 16, (padded.length - 16) >> 2);
    let sum = 0;
    for (let i = 0; i < numbers.length; i++) sum += numbers[i]!;
    padded.write(MAGIC, 'latin1');
    padded.writeBigUInt64LE(BigInt(sum), 8);
    return padded;
  }
}

/** What is summed modulo this. */
const PRIME = 4294967291n;

/**
 * The environment may hold secrets, which stay where they are: three polynomials at random places tell it from any other
 * (of the same length in words: by a chance of 10^-19).
 */
function saltedSums(text: string): string {
  const bytes = Buffer.from(text.padEnd((text.length + 3) & ~3, '\0'), 'latin1');
  const words = [BigInt(text.length)];
  for (let at = 0; at < bytes.length; at += 4) words.push(BigInt(bytes.readUInt32LE(at)));
  return Array.from({ length: 3 }, () => {
    const place = BigInt(randomInt(1 << 24, 2 ** 32 - 6));
    return `${place} ${words.reduce((sum, word) => (sum * place + word) % PRIME, 0n)}`;
  }).join(' ');
}

function sortedByName(variables: readonly string[]): string[] {
  const name = (variable: string): string => variable.slice(0, variable.indexOf('='));
  return variables.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
}

/** `a` for nothing, else a letter for the bits of the mode. */
function typeLetter(stat: { readonly mode: number } | undefined): Buffer {
  return Buffer.from([97 + (stat === undefined ? 0 : (stat.mode >> 12) & 0xf)]);
}

/** Pieces for one descriptor after the other become one. */
function joined(output: readonly Buffer[]): Buffer[] {
  const out: Buffer[][] = [];
  for (let i = 0; i < output.length; i += 2) {
    const last = out.at(-1);
    if (last !== undefined && last[0]!.equals(output[i]!)) last.push(output[i + 1]!);
    else out.push([output[i]!, output[i + 1]!]);
  }
  return out.map((pieces) => Buffer.concat(pieces));
}
