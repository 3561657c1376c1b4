// Files to damage: this repository's, and those of folders that are named.
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { narWord, type Corpus } from './inputs.ts';

const MAX_BYTES = 100_000;

const TOML = `title = "TOML"
[owner]
name = 'Tom' # comment
dob = 1979-05-27T07:32:00-08:00
[database]
ports = [ 8001, 8_002, 0xdead_beef, [1.5, -inf, nan], ["a", """b
  \\"c" \\u00e9"""] ]
temp.cpu = 79.5
[[products]]
inline = { a.b = 1, c = { } }
[[products]]
[products.more."quoted key"]
text = '''
raw \\ text'''
`;

const DRV =
  'Derive([("out","/nix/store/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-x","",""),("dev","/nix/store/h1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-x-dev","r:sha256","0000000000000000000000000000000000000000000000000000000000000000")],' +
  '[("/nix/store/a1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-y.drv",["dev","out"])],["/nix/store/b1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-z.sh"],"x86_64-linux","/bin/sh",["-e","a\\nb\\"c"],' +
  '[("name","x"),("out","/nix/store/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-x")])';

const DYNAMIC_DRV =
  'DrvWithVersion("xp-dyn-drv",[("out","","","")],[("/nix/store/a1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-y.drv",(["out"],[("a",["b"])]))],[],"s","b",[],[])';

const NAR = (
  'nix-archive-1 ( type directory entry ( name a node ( type regular executable  contents abc ) ) ' +
  'entry ( name b node ( type directory entry ( name c node ( type symlink target ../a ) ) ) ) )'
)
  .split(' ')
  .map(narWord)
  .join('');

const REGEXES = [
  '([a-z]+)-([0-9.]+)(-(rc|beta)[0-9]*)?',
  '[[:space:]]*(.*[^[:space:]])[[:space:]]*',
  '(a|b)*c{2,5}d?',
  '^(.*)/([^/]*)$',
  '([0-9A-Za-z._][0-9A-Za-z+._-]*)?',
  '(a*)*(b+)+((c|d)?e){0,3}',
];

export function readCorpus(folders: readonly string[]): Corpus {
  const root = join(import.meta.dirname, '../../..');
  const own = ['lib/**/*', 'test/**/*', 'src/**/*', '*', 'tools/*/*'].flatMap((pattern) => read(root, pattern));
  const files = [...own, ...folders.flatMap((folder) => read(folder, '**/*'))];
  const named = (...ends: string[]): string[] =>
    files.filter(({ name }) => ends.some((end) => name.endsWith(end))).map(({ text }) => text);
  return {
    nix: named('.nix'),
    json: [...named('.json'), '{"a":[1,2.5e3,-0,true,null,"\\u00e9\\n"],"b":{"c":{}}}'],
    toml: [...named('.toml'), TOML],
    regex: REGEXES,
    drv: [...named('.drv'), DRV, DYNAMIC_DRV],
    nar: [...named('.nar'), NAR],
  };
}

function read(folder: string, pattern: string): { name: string; text: string }[] {
  return globSync(`${pattern}.{nix,json,toml,drv,nar}`, { cwd: folder })
    .filter((name) => !name.includes('node_modules'))
    .sort()
    .map((name) => ({ name, path: join(folder, name) }))
    .filter(({ path }) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat?.isFile() === true && stat.size <= MAX_BYTES;
    })
    .map(({ name, path }) => ({ name, text: readFileSync(path, 'latin1') }));
}
