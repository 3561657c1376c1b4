// Random edits of a project, and expressions that look at all of it.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** mulberry32 */
export class Random {
  private state: number;
  constructor(from: number) {
    this.state = from;
  }
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

export const MAIN = `{ n ? 1 }:
let
  try = x: (builtins.tryEval x).value;
  there = p: if builtins.pathExists p then p else null;
  read = p: if builtins.pathExists p && builtins.readFileType p == "regular" then builtins.readFile p else null;
  list = p: if builtins.pathExists (toString p + "/") then builtins.readDir p else null;
in
{
  inherit n;
  files = map read [ ./a ./b ./d/a ./l ./l/a ];
  lists = map list [ ./d ./l ./e ];
  exist = map builtins.pathExists [ ./a ./c ./d/c ./l ./l/c ./e/a/b ];
  code = if builtins.pathExists ./code.nix then try (import ./code.nix) else null;
  home = [ (builtins.pathExists ~/a) (toString ~/a) ];
  up = builtins.attrNames (builtins.readDir ./..);
  kinds = map (p: if builtins.pathExists p then builtins.readFileType p else null) [ ./a ./l ./e/a ];
  part = if list ./d == null then null else "\${builtins.path { path = ./d; name = "part"; filter = p: t: t == "regular"; }}";
  env = map builtins.getEnv [ "TSNIX_TEST_A" "TSNIX_TEST_B" ];
  path = try (import <found.nix>);
  tree = if list ./d == null then null else "\${./d}";
  some = if list ./d == null then null else "\${builtins.filterSource (p: t: t != "symlink" && baseNameOf p != "b") ./d}";
  hash = if read ./b == null then null else builtins.hashFile "sha256" ./b;
  said = builtins.trace "n is \${toString n}" null;
}`;

/** What an evaluation leaves in code when it is done with it: caches by key set, positions, generated code, errors. */
const CODE = [
  '1',
  '[ 1 2 ]',
  'let x = 1; in { inherit x; y = rec { b = a; a = 3; }; }',
  'import ./code2.nix',
  'let set = { a = 1.5; b = ./b; }; in [ set.a (toString set.b) (builtins.unsafeGetAttrPos "b" set) __curPos ]',
  'let k = import ./code2.nix; in builtins.foldl\' (s: n: s + n + builtins.stringLength "${toString k}") 0 (builtins.genList (x: x) 900)',
  'let f = { x ? 1, y ? x, ... }@all: all // { inherit y; }; in map f [ { } { z = 3; } { x = 2; y = 1; } ] ++ [ (builtins.functionArgs f) ]',
  'builtins.trace "code" (with { a = 2; }; a)',
  '{ a = 1; }.b',
  'let f = x: x + { }; in f 1',
];

export const DERIVATION = `{ n ? 1 }:
let main = import ./main.nix { inherit n; }; in
derivation {
  name = "d"; system = "x"; builder = "/b"; inherit n;
  inherit (main) tree some files;
  text = builtins.toFile "text" (builtins.toJSON main.exist);
}`;

export interface EditedProject {
  /** Holds everything. */
  readonly dir: string;
  readonly project: string;
  /** Collects all garbage of the store. */
  collect(): void;
}

export class Edits {
  readonly project: EditedProject;
  readonly random: Random;
  readonly env: Record<string, string | undefined>;
  args: string[] = [];
  /** @param env variables that edits set */
  constructor(project: EditedProject, random: Random, env: Record<string, string | undefined>) {
    this.project = project;
    this.random = random;
    this.env = env;
  }

  private path(name: string): string {
    return join(this.project.project, name);
  }
  private write(name: string, text: string): void {
    const file = this.path(name);
    if (!existsSync(dirname(file))) return;
    if (lstatSync(file, { throwIfNoEntry: false })?.isDirectory() === true) rmSync(file, { recursive: true });
    writeFileSync(file, text);
  }

  /** One change, or none; what it was. */
  edit(): string {
    try {
      return this.tryEdit();
    } catch (error) {
      // The file system has its rules: a file below a file is no edit.
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      return 'none';
    }
  }

  private tryEdit(): string {
    const { random } = this;
    const name = random.of(['a', 'b', 'c', 'd/a', 'd/b', 'd/c', 'e', 'e/a', 'e/a/b', 'l']);
    const other = random.of(['a', 'b', 'd', 'd/a', 'e', 'v']);
    const file = this.path(name);
    const stat = lstatSync(file, { throwIfNoEntry: false });
    const kind = random.of([
      'write',
      'write',
      'same',
      'code',
      'remove',
      'mkdir',
      'link',
      'swap',
      'touch',
      'old',
      'mode',
      'env',
      'path',
      'arg',
      'retype',
      'home',
      'nothing',
      'nothing',
      'collect',
    ]);
    switch (kind) {
      case 'write':
        this.write(name, String(random.below(3)));
        break;
      case 'same': {
        // Other contents with the old times.
        if (stat?.isFile() !== true) break;
        writeFileSync(file, String(random.below(3)));
        utimesSync(file, stat.atime, stat.mtime);
        break;
      }
      case 'code':
        this.write('code.nix', `${random.of(['', '\n', ' \n '])}${random.of(CODE)}`);
        this.write('code2.nix', random.of(['"2"', '{ z = { x ? 1, y ? 2 }: x; }.z { }']));
        break;
      case 'remove':
        rmSync(file, { recursive: true, force: true });
        break;
      case 'mkdir':
        if (stat === undefined && existsSync(dirname(file))) mkdirSync(file);
        break;
      case 'link':
        if (!existsSync(dirname(file))) break;
        rmSync(file, { recursive: true, force: true });
        symlinkSync(random.of([other, `../${other}`, this.path(other)]), file);
        break;
      case 'swap': {
        const second = this.path(other);
        if (
          !existsSync(second) ||
          stat === undefined ||
          `${file}/`.startsWith(`${second}/`) ||
          `${second}/`.startsWith(`${file}/`)
        )
          break;
        renameSync(file, this.path('tmp'));
        renameSync(second, file);
        renameSync(this.path('tmp'), second);
        break;
      }
      case 'touch':
        if (stat?.isFile() === true) utimesSync(file, new Date(), new Date());
        break;
      case 'old':
        if (stat !== undefined && !stat.isSymbolicLink()) utimesSync(file, 1000, 1000 + random.below(2));
        break;
      case 'mode':
        if (stat?.isFile() === true) chmodSync(file, random.of([0o644, 0o755]));
        break;
      case 'env':
        this.env[random.of(['TSNIX_TEST_A', 'TSNIX_TEST_B', 'TSNIX_TEST_C'])] = random.of(['', 'x', 'y']);
        break;
      case 'path':
        this.env['NIX_PATH'] = random.of([this.project.project, this.path('d'), this.path('e')]);
        this.write('found.nix', String(random.below(3)));
        this.write('d/found.nix', String(random.below(3)));
        break;
      case 'arg':
        this.args = random.of([
          ...[[], ['--arg', 'n', '2'], ['--arg', 'n', '3'], ['--argstr', 'n', '2']],
          ...[
            ['-I', `found.nix=${this.path('d/found.nix')}`],
            ['--option', 'nix-path', this.path('d')],
          ],
        ]);
        break;
      case 'retype':
        // A file becomes a folder or a link, and the other way round.
        rmSync(this.path('code.nix'), { recursive: true, force: true });
        if (random.below(2) === 0) {
          mkdirSync(this.path('code.nix'));
          this.write('code.nix/default.nix', String(random.below(3)));
        } else symlinkSync(random.of(['code2.nix', 'd/found.nix', 'd', 'nothing']), this.path('code.nix'));
        break;
      case 'home':
        this.env['HOME'] = random.of([this.project.dir, this.project.project, this.path('d')]);
        break;
      case 'collect':
        this.project.collect();
        break;
    }
    return `${kind} ${name} ${other}`;
  }
}
