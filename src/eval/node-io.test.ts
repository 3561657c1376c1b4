import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../test/support/evaluate.ts';
import { describeWith } from '../../test/support/requirements.ts';
import { deletePath } from '../store/delete-path.ts';
import { openStore } from '../store/open.ts';
import type { SyncStore } from '../store/store.ts';
import { HashMismatchError, type NixError } from '../util/errors.ts';
import { NodeEvalIo, type NodeEvalIoOptions } from './node-io.ts';

let dir: string;
let store: SyncStore;
const lines: string[] = [];
const opened: NodeEvalIo[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsnix-io-'));
  store = openStore(`local?root=${join(dir, 'root')}`, {});
  mkdirSync(join(dir, 'src/sub'), { recursive: true });
  writeFileSync(join(dir, 'src/a.txt'), 'text a');
  writeFileSync(join(dir, 'src/sub/b.nix'), '{ v = ./../a.txt; }');
  symlinkSync('a.txt', join(dir, 'src/link'));
  symlinkSync('sub', join(dir, 'src/dirlink'));
  symlinkSync('/nowhere', join(dir, 'src/dangling'));
  execFileSync('mkfifo', [join(dir, 'pipe')]);
});

afterAll(async () => {
  for (const io of opened) io.close();
  await store.close();
  deletePath(dir); // a store's directories are read-only
});

function newIo(options: Partial<NodeEvalIoOptions> = {}): NodeEvalIo {
  lines.length = 0;
  const io = new NodeEvalIo({ store, system: 'x86_64-linux', log: (line) => lines.push(line), ...options });
  opened.push(io);
  return io;
}
const run = (source: string, options: Partial<NodeEvalIoOptions> = {}, settings = {}): string =>
  evaluate(source.replaceAll('@', dir), { io: newIo(options), settings });

describe('NodeEvalIo', () => {
  it.each([
    ['builtins.readFile @/src/link', '"text a"'],
    ['builtins.readFile @/src/dirlink/../a.txt', '"text a"'],
    [
      'map builtins.readFileType [ @/src/link @/src/dirlink @/src @/src/a.txt ]',
      '[ "symlink" "symlink" "directory" "regular" ]',
    ],
    ['map builtins.pathExists [ @/src/dangling "@/src/dangling/" @/src/a.txt/x ]', '[ true false false ]'],
    ['builtins.attrNames (builtins.readDir @/src/dirlink)', '[ "b.nix" ]'],
    ['builtins.readFile (import @/src/dirlink/b.nix).v', '"text a"'],
    ['builtins.readFileType @/pipe', '"unknown"'],
  ])('%s', (source, value) => {
    expect(run(source)).toBe(value);
  });

  it.each(['builtins.readFile @/pipe', 'import @/pipe', 'builtins.hashFile "md5" /dev/zero', 'builtins.readFile @'])(
    '%s neither waits nor reads without end',
    (source) => {
      expect(() => run(source)).toThrow(/^file '.*' is not a regular file$/);
    },
  );

  it('takes files as unchanging within an evaluation, unless told that they change, or after it ran a program', () => {
    const changing = join(dir, 'changing');
    mkdirSync(changing);
    const look = (io: NodeEvalIo): unknown => [io.readDir(changing), io.fileType(join(changing, 'new'))];
    const [once, interactive, running] = [newIo(), newIo({ filesChange: true }), newIo()];
    const ios = [once, interactive, running];
    const before = ios.map(look);
    expect(before).toEqual(Array(3).fill([[], null]));
    running.exec(['touch', join(changing, 'new')]);
    const after = [[['new', 'regular']], 'regular'];
    expect(ios.map(look)).toEqual([before[0], after, after]);
    expect(once.readDir(changing)).toBe(once.readDir(changing));
  });

  it('does not take what others put into the store as unchanging', () => {
    const io = newIo();
    const path = join(store.storeDir, `${'1'.repeat(32)}-late`);
    expect(io.fileType(path)).toBeNull();
    const real = store.realPath(path);
    mkdirSync(real, { recursive: true });
    try {
      expect(io.fileType(path)).toBe('directory');
      expect(io.readDir(path)).toEqual([]);
      writeFileSync(join(real, 'x'), '');
      expect(io.readDir(path)).toEqual([['x', 'regular']]);
    } finally {
      rmSync(real, { recursive: true });
    }
  });

  it('what was copied to the store can be read back at its store path', () => {
    const source =
      'let s = "${@/src}"; in [ (builtins.readFile "${s}/a.txt") (builtins.readFile "${s}/link") (import "${s}/sub/b.nix" ? v) ]';
    expect(run(source)).toBe('[ "text a" "text a" true ]');
    const filtered = 'builtins.attrNames (builtins.readDir (builtins.filterSource (p: t: t == "regular") @/src))';
    expect(run(filtered)).toBe('[ "a.txt" ]');
  });

  it('the same paths in read-only mode, with and without a store', () => {
    const source =
      '[ "${@/src}" (builtins.toFile "x" "y") (builtins.path { path = @/src/a.txt; recursive = false; }) ]';
    const written = run(source);
    expect(run(source, { readOnly: true })).toBe(written);
    expect(evaluate(source.replaceAll('@', dir), { io: new NodeEvalIo({ system: 's', log: () => undefined }) })).toBe(
      written,
    );
  });

  it('read-only mode writes nothing', () => {
    const source =
      'builtins.unsafeDiscardStringContext (derivation { name = "ro"; system = "s"; builder = "b"; src = @/src; }).drvPath';
    const drvPath = JSON.parse(run(source, { readOnly: true })) as string;
    expect(existsSync(store.realPath(drvPath))).toBe(false);
    expect(() => run('import (derivation { name = "ro"; system = "s"; builder = "b"; })', { readOnly: true })).toThrow(
      /is not valid$/,
    );
  });

  it.each([
    ['system = "a\\"b"', "expected string ','"],
    ['system = "a\\\\b"', 'has incorrect output'],
    [
      's = builtins.appendContext "x" { ${builtins.unsafeDiscardStringContext d.drvPath}.outputs = [ "a\\"b" ]; }',
      'error parsing derivation',
    ],
  ])('a derivation whose text says something else is refused: %s', (attrs, message) => {
    const source = `let
      make = attrs: derivation ({ name = "odd"; system = "s"; builder = "b"; } // attrs);
      d = make { };
    in (make { ${attrs}; }).drvPath`;
    expect(() => run(source)).toThrow(message);
  });

  it('builtins.path checks sha256', () => {
    const good =
      'builtins.path { path = @/src/a.txt; recursive = false; sha256 = builtins.hashString "sha256" "text a"; }';
    expect(run(good)).toMatch(/-a\.txt"$/);
    expect(() => run(good.replace('"text a"', '"other"'))).toThrow(
      'store path mismatch in (possibly filtered) path added from',
    );
  });

  it('files of other kinds cannot be copied', () => {
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    expect(() => run('"${@/fifo}"')).toThrow('has an unsupported type');
  });

  it('what may not be read says so', () => {
    if (process.getuid?.() === 0) return; // root may read everything
    writeFileSync(join(dir, 'secret'), '');
    chmodSync(join(dir, 'secret'), 0);
    expect(() => run('builtins.readFile @/secret')).toThrow('Permission denied');
  });

  it('restricted mode reads what is allowed, and nothing else', () => {
    const options = { restrict: { pure: false, allowed: [join(dir, 'src/sub')] } };
    expect(run('import @/src/sub/b.nix ? v', options)).toBe('true');
    expect(run('builtins.attrNames (builtins.readDir @/src)', options)).toBe('[ "sub" ]');
    expect(() => run('builtins.readFile @/src/a.txt', options)).toThrow(
      `access to absolute path '${dir}/src/a.txt' is forbidden in restricted mode`,
    );
    expect(run('builtins.pathExists @/src/a.txt', options)).toBe('false');
    expect(() => run('"${@/src/a.txt}"', options)).toThrow('is forbidden in restricted mode');
    expect(run('builtins.readFile (builtins.toFile "x" "y")', options)).toBe('"y"');
  });

  it('pure mode says how to get out', () => {
    expect(() =>
      run('builtins.readFile @/src/a.txt', { restrict: { pure: true, allowed: [] } }, { pureEval: true }),
    ).toThrow("is forbidden in pure evaluation mode (use '--impure' to override)");
  });
});

describe('fetching', () => {
  let server: Server;
  let base: string;

  beforeAll(async () => {
    const archive = gzipSync(execFileSync('tar', ['-C', dir, '-c', 'src']));
    server = createServer((request, response) => {
      if (request.url === '/file.txt') response.end('served');
      else if (request.url === '/moved') response.writeHead(302, { location: '/file.txt' }).end();
      else if (request.url === '/src.tar.gz') response.end(archive);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
  });
  /** Evaluation blocks this thread, which serves: so evaluate elsewhere. Values, or messages and exit status. */
  const elsewhere = async (...sources: readonly string[]): Promise<string[]> => {
    const script = `
      import { evaluate } from ${JSON.stringify(join(import.meta.dirname, '../../test/support/evaluate.ts'))};
      import { NodeEvalIo } from ${JSON.stringify(join(import.meta.dirname, 'node-io.ts'))};
      import { openStore } from ${JSON.stringify(join(import.meta.dirname, '../store/open.ts'))};
      const store = openStore('local?root=${join(dir, 'fetched')}', {});
      const io = new NodeEvalIo({ store, system: 's', log: () => undefined });
      console.log(JSON.stringify(${JSON.stringify(sources)}.map((source) => {
        try { return evaluate(source, { io }); } catch (error) { return error.message + ' ' + error.exitStatus; }
      })));
      await store.close();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    for await (const chunk of child.stdout) out += String(chunk);
    return JSON.parse(out) as string[];
  };

  it('over HTTP: files, redirects, tarballs, errors, hashes', async () => {
    const [files, gone, mismatch, tree, known] = await elsewhere(
      `map builtins.readFile [ (builtins.fetchurl "${base}/file.txt") (builtins.fetchurl { url = "${base}/moved"; name = "x"; }) ]`,
      `builtins.fetchurl "${base}/gone"`,
      `builtins.fetchurl { url = "${base}/file.txt"; sha256 = builtins.hashString "sha256" "other"; }`,
      `let t = builtins.fetchTarball "${base}/src.tar.gz"; in [ (builtins.readFile (t + "/a.txt")) t ]`,
      // In the store by now: no server is asked.
      `builtins.fetchurl { url = "http://127.0.0.1:1/file.txt"; sha256 = builtins.hashString "sha256" "served"; }`,
    );
    expect(files).toBe('[ "served" "served" ]');
    expect(gone).toBe(`unable to download '${base}/gone': HTTP error 404 (Not Found) 1`);
    expect(mismatch).toMatch(
      /^hash mismatch in file downloaded from '.*':\n {2}specified: sha256:\w{52}\n {2}got: {7}sha256:\w{52} 102$/,
    );
    expect(tree).toBe(`[ "text a" ${run('builtins.path { path = @/src; name = "source"; }')} ]`);
    expect(known).toMatch(/-file\.txt"$/);
  });

  it('file: URLs', () => {
    expect(run('builtins.readFile (builtins.fetchurl "file://@/src/a.txt")')).toBe('"text a"');
    expect(() => run('builtins.fetchurl "file://@/src/none"')).toThrow('unable to download');
    writeFileSync(join(dir, 'src.tar'), execFileSync('tar', ['-C', dir, '-c', 'src']));
    expect(run('builtins.attrNames (builtins.readDir (builtins.fetchTarball "file://@/src.tar"))')).toBe(
      '[ "a.txt" "dangling" "dirlink" "link" "sub" ]',
    );
    const readOnly = 'builtins.readFile ((builtins.fetchTarball "file://@/src.tar") + "/a.txt")';
    expect(run(readOnly, { readOnly: true })).toBe('"text a"');
    let caught: unknown;
    try {
      run('builtins.fetchTarball { url = "file://@/src.tar"; sha256 = builtins.hashString "sha256" ""; }');
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(HashMismatchError);
    expect((caught as NixError).exitStatus).toBe(102);
    expect((caught as NixError).message).toMatch(
      /^NAR hash mismatch in input '.*', expected 'sha256-.*=' but got 'sha256-.*='$/,
    );
  });
});

describeWith(['git'], 'builtins.fetchGit', () => {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', join(dir, 'repo'), '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
      encoding: 'utf8',
      env: { ...process.env, GIT_AUTHOR_DATE: '2020-01-02T03:04:05Z', GIT_COMMITTER_DATE: '2020-01-02T03:04:05Z' },
    }).trim();
  let first: string;
  let second: string;

  beforeAll(() => {
    mkdirSync(join(dir, 'repo/sub'), { recursive: true });
    git('init', '--quiet', '--initial-branch=main');
    writeFileSync(join(dir, 'repo/a'), 'first\r\n');
    writeFileSync(join(dir, 'repo/sub/run'), '#!/bin/sh\n', { mode: 0o755 });
    symlinkSync('a', join(dir, 'repo/link'));
    writeFileSync(join(dir, 'repo/.gitattributes'), 'ignored export-ignore\n* text=auto\n');
    mkdirSync(join(dir, 'repo/ignored'));
    writeFileSync(join(dir, 'repo/ignored/x'), '');
    git('add', '--all');
    git('commit', '--quiet', '-m', 'one');
    first = git('rev-parse', 'HEAD');
    git('tag', 'v1');
    writeFileSync(join(dir, 'repo/b'), 'second');
    git('add', 'b');
    git('commit', '--quiet', '-m', 'two');
    second = git('rev-parse', 'HEAD');
    writeFileSync(join(dir, 'repo/untracked'), '');
  });

  it('a clean work tree is its commit', () => {
    const source =
      'let r = builtins.fetchGit @/repo; in removeAttrs r [ "outPath" "narHash" ] // { names = builtins.attrNames (builtins.readDir r.outPath); }';
    expect(run(source)).toBe(
      `{ lastModified = 1577934245; lastModifiedDate = "20200102030405"; names = [ ".gitattributes" "a" "b" "link" "sub" ]; rev = "${second}"; revCount = 2; shortRev = "${second.slice(0, 7)}"; submodules = false; }`,
    );
  });

  it('revisions, branches and tags', () => {
    const names = (args: string): string =>
      run(`builtins.attrNames (builtins.readDir (builtins.fetchGit { url = "file://@/repo"; ${args} }).outPath)`);
    expect(names(`rev = "${first}";`)).toBe('[ ".gitattributes" "a" "link" "sub" ]');
    expect(names('ref = "main";')).toContain('"b"');
    expect(names('ref = "refs/tags/v1";')).not.toContain('"b"');
    expect(names('ref = "refs/tags/v1"; exportIgnore = false;')).toContain('"ignored"');
    expect(() => names('ref = "nothing";')).toThrow("resolving Git reference 'nothing'");
    expect(() => names(`rev = "${'0'.repeat(40)}";`)).toThrow('Cannot find Git revision');
  });

  it('a shallow clone has no number of revisions', () => {
    execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${dir}/repo`, join(dir, 'shallow')]);
    const revCount = (args: string): string =>
      run(`(builtins.fetchGit { url = "file://@/shallow"; ${args} }).revCount`);
    expect(() => revCount('')).toThrow(`'${dir}/shallow' is a shallow Git repository, so 'revCount' is not available`);
    expect(revCount('shallow = true;')).toBe('0');
    expect(run('(builtins.fetchGit @/shallow).lastModified')).toBe('1577934245');
  });

  it('contents are as git stores them', () => {
    expect(run('builtins.readFile ((builtins.fetchGit { url = @/repo; ref = "main"; }) + "/a")')).toBe('"first\\n"');
  });

  it('uncommitted changes count, untracked files do not', () => {
    writeFileSync(join(dir, 'repo/b'), 'changed');
    const source =
      'let r = builtins.fetchGit @/repo; in [ (builtins.readFile (r + "/b")) (builtins.pathExists (r + "/untracked")) r.rev r.revCount r.dirtyRev ]';
    expect(run(source)).toBe(`[ "changed" false "${'0'.repeat(40)}" 0 "${second}-dirty" ]`);
    expect(lines).toEqual([`warning: Git tree '${dir}/repo' is dirty`]);
    git('checkout', '--quiet', 'b');
  });

  it('submodules, and submodules of these', () => {
    const at = (name: string, ...args: string[]): string =>
      execFileSync(
        'git',
        [
          '-C',
          join(dir, name),
          '-c',
          'user.name=t',
          '-c',
          'user.email=t@t',
          '-c',
          'protocol.file.allow=always',
          ...args,
        ],
        { encoding: 'utf8', stdio: 'pipe' },
      ).trim();
    for (const name of ['inner', 'middle', 'outer']) {
      mkdirSync(join(dir, name));
      at(name, 'init', '--quiet', '--initial-branch=main');
      writeFileSync(join(dir, name, `of-${name}`), '');
      at(name, 'add', '--all');
      at(name, 'commit', '--quiet', '-m', 'files');
    }
    at('middle', 'submodule', '--quiet', 'add', '../inner', 'in');
    at('middle', 'commit', '--quiet', '-m', 'inner');
    at('outer', 'submodule', '--quiet', 'add', '../middle', 'lib/mid');
    at('outer', 'submodule', '--quiet', 'update', '--init', '--recursive');
    at('outer', 'commit', '--quiet', '-m', 'middle');
    const tree = (args: string): string =>
      run(`let
        r = builtins.fetchGit { url = "file://@/outer"; ${args} };
        list = dir: builtins.concatMap (n: let p = dir + "/\${n}"; in
          if (builtins.readDir dir).\${n} == "directory" then [ "\${n}/" ] ++ list p else [ n ]) (builtins.attrNames (builtins.readDir dir));
        in toString (builtins.filter (n: n != ".gitmodules") (list r.outPath)) + (if r.rev == "${'0'.repeat(40)}" then " dirty" else "")`);
    const all = '"lib/ mid/ in/ of-inner of-middle of-outer"';
    expect(tree('submodules = true;')).toBe(all);
    expect(tree('submodules = true; ref = "main";')).toBe(all);
    expect(tree('')).toBe('"of-outer"');
    expect(tree('ref = "main";')).toBe('"lib/ mid/ of-outer"');
    // A submodule that was changed changes the whole, if it takes part.
    writeFileSync(join(dir, 'outer/lib/mid/in/more'), '');
    at('outer/lib/mid/in', 'add', 'more');
    expect(tree('submodules = true;')).toBe('"lib/ mid/ in/ more of-inner of-middle of-outer dirty"');
    expect(tree('submodules = true; ref = "main";')).toBe(all);
    expect(tree('')).toBe('"of-outer"');
    expect(() => tree('submodules = true; exportIgnore = true;')).toThrow(
      'exportIgnore and submodules are not supported together yet',
    );
  });

  it('pure evaluation wants a revision', () => {
    expect(() => run('builtins.fetchGit "@/repo"', {}, { pureEval: true })).toThrow(
      "in pure evaluation mode, 'fetchGit' doesn't fetch unlocked input",
    );
  });

  it('fetchTree of a path and of git', () => {
    const settings = { experimentalFeatures: new Set(['fetch-tree', 'flakes']) };
    const path = JSON.parse(run('builtins.path { path = @/src; name = "source"; }')) as string;
    expect(run('(builtins.fetchTree { type = "path"; path = "@/src"; }).outPath', {}, settings)).toBe(`"${path}"`);
    expect(run('(builtins.fetchTree { type = "git"; url = "file://@/repo"; }).rev', {}, settings)).toBe(`"${second}"`);
    expect(() =>
      run(
        'builtins.fetchTree { type = "path"; path = "@/src"; narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }',
        {},
        settings,
      ),
    ).toThrow('NAR hash mismatch in input');
    expect(() => run('builtins.fetchTree { type = "odd"; }', {}, settings)).toThrow(
      'cannot show unsupported input \'{"type":"odd"}\'',
    );
    const without = { experimentalFeatures: new Set(['fetch-tree']) };
    expect(() => run('builtins.fetchTree { type = "path"; path = "@/src"; }', {}, without)).toThrow(
      "experimental Nix feature 'flakes' is disabled",
    );
  });
});
