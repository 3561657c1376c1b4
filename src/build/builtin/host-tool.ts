// builtin:tsnix-host-tool: copies programs of the host into a store path where they run by themselves: ELF files get
// another loader and library path, scripts another interpreter. It is the one builder whose purpose is to read the
// host; every byte that it reads must have the sha256 that the derivation names.
import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { dirname, join } from 'node:path';
import { fsPath, toBuffer } from '../../util/bytes.ts';
import { BuildError } from '../../util/errors.ts';
import type { BuiltinJob } from '../builtin-builder.ts';
import { patchElf } from '../host/elf-patch.ts';
import { ElfError } from '../host/elf.ts';
import { HostFiles, sha256Hex } from '../host/host-files.ts';
import { hashTreeEntry, listTree } from '../host/tree.ts';

/** How a file differs from the host's; all absent (or null): not at all. */
interface Change {
  readonly loader?: string | null;
  readonly rpath?: string;
  /** New `#!` program; the script's own argument stays, unless it was run through env. */
  readonly interpreter?: string;
}

interface Manifest {
  readonly files: readonly (Change & { to: string; from: string; sha256: string; executable: boolean })[];
  readonly trees: readonly {
    to: string;
    from: string;
    sha256: string;
    exclude: readonly string[];
    changes: Readonly<Record<string, Change>>;
  }[];
  /** Written files; `@out@` is the output's store path. */
  readonly texts: readonly { to: string; text: string; executable: boolean }[];
  /** Symbolic links; made last, so that nothing is written through them. */
  readonly links: Readonly<Record<string, string>>;
}

function changed(path: string): BuildError {
  return new BuildError(`'${path}' of the host has changed since the evaluation; evaluate again`);
}

function withInterpreter(bytes: Buffer, interpreter: string): Buffer {
  const end = bytes.indexOf(0x0a);
  const line = bytes.toString('latin1', 2, end < 0 ? bytes.length : end).trim();
  const [old, ...rest] = line.split(/[ \t]+/);
  const words = old?.endsWith('/env') === true ? [] : rest;
  const head = Buffer.from(`#!${[interpreter, ...words].join(' ')}`, 'latin1');
  return Buffer.concat([head, end < 0 ? Buffer.from('\n') : bytes.subarray(end)]);
}

function apply(bytes: Buffer, change: Change, path: string): Buffer {
  if (change.interpreter !== undefined) return withInterpreter(bytes, change.interpreter);
  const loader = change.loader ?? undefined;
  if (loader === undefined && change.rpath === undefined) return bytes;
  try {
    return patchElf(bytes, {
      ...(loader === undefined ? {} : { interpreter: loader }),
      ...(change.rpath === undefined ? {} : { rpath: change.rpath }),
    });
  } catch (error) {
    throw error instanceof ElfError ? new BuildError(`${path}: ${error.message}`) : error;
  }
}

export async function hostToolBuilder(job: BuiltinJob): Promise<void> {
  const manifest = JSON.parse(job.env.get('manifest') ?? '{}') as Manifest;
  const out = job.outputs.get('out');
  const outPath = job.outputPaths.get('out');
  if (out === undefined || outPath === undefined) throw new BuildError("a host tool has just the output 'out'");
  const place = (to: string): string => {
    if (to.split('/').some((name) => name === '' || name === '.' || name === '..')) {
      throw new BuildError(`'${to}' is not a path inside the output`);
    }
    return join(out, to);
  };
  // Synchronous: a tree has thousands of small files, and a promise for each costs more than the file.
  const write = (to: string, bytes: Buffer, executable: boolean): void => {
    const path = place(to);
    mkdirSync(fsPath(dirname(path)), { recursive: true });
    writeFileSync(fsPath(path), bytes, { flag: 'wx', mode: executable ? 0o755 : 0o644 });
  };

  mkdirSync(out);
  const host = new HostFiles();
  for (const file of manifest.files) {
    job.signal.throwIfAborted();
    const bytes = host.read(file.from);
    if (sha256Hex(bytes) !== file.sha256) throw changed(file.from);
    write(file.to, apply(bytes, file, file.from), file.executable);
  }
  for (const { to, text, executable } of manifest.texts) {
    write(to, toBuffer(text.replaceAll('@out@', () => outPath)), executable);
  }
  for (const tree of manifest.trees) {
    mkdirSync(fsPath(place(tree.to)), { recursive: true });
    // Hashed while it is copied: the files are read once. What does not match is thrown away with the output.
    const hash = createHash('sha256');
    for (const [i, entry] of listTree(host, tree.from, tree.exclude).entries()) {
      // Other builds run in this process too.
      if (i % 64 === 0) await setImmediate();
      job.signal.throwIfAborted();
      const to = `${tree.to}/${entry.path}`;
      if (entry.kind === 'directory') {
        mkdirSync(fsPath(place(to)), { recursive: true });
        hashTreeEntry(hash, entry, '');
      } else if (entry.kind === 'link') {
        symlinkSync(fsPath(entry.target), fsPath(place(to)));
        hashTreeEntry(hash, entry, '');
      } else {
        const bytes = host.read(entry.source);
        hashTreeEntry(hash, entry, sha256Hex(bytes));
        write(to, apply(bytes, tree.changes[entry.path] ?? {}, entry.source), entry.executable);
      }
    }
    if (hash.digest('hex') !== tree.sha256) throw changed(tree.from);
  }
  for (const [to, target] of Object.entries(manifest.links)) {
    mkdirSync(fsPath(dirname(place(to))), { recursive: true });
    symlinkSync(fsPath(target), fsPath(place(to)));
  }
}
