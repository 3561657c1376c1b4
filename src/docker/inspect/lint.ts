// The known traps of images: what works where it was made and not where it runs, what makes an image larger or less
// reproducible than it need be, what hands out more rights than it should.
import { fromUtf8 } from '../../util/bytes.ts';
import { humanSize } from '../../util/human-size.ts';
import { hashRegion } from '../write-file.ts';
import { MAX_DOCKER_LAYERS } from '../image/archive-destinations.ts';
import type { ImageContents, ImageFile } from './image-contents.ts';
import { printMode } from './attributes.ts';
import type { StoreGraph } from './store-graph.ts';

export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  /** Stable, for scripts: `no-tmp`. */
  readonly rule: string;
  readonly severity: Severity;
  /** Text. */
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
  /** Paths of the image that it is about; text. At most some. */
  readonly paths: readonly string[];
}

/** What each rule is about, for `--help` and the manual. */
export const RULES: Readonly<Record<string, string>> = {
  'missing-store-path': 'something refers to a store path that the image lacks',
  'missing-command': 'the command that the image runs is not in it',
  'too-many-layers': 'more layers than Docker takes',
  'unknown-user': 'the user is a name that no /etc/passwd tells the number of',
  'root-user': 'the command runs as root',
  'created-now': 'the time of creation is that of the build: each build is another image',
  'hash-tag': 'the tag is a hash of Nix (tag = null), which changes with everything',
  'no-tmp': 'there is no /tmp that all may write to',
  'rewritten-link': 'a link that only leads somewhere with `./` before it: tar --transform took that away',
  'dangling-link': 'a link leads nowhere',
  'duplicate-contents': 'the same contents are in several files that could be one',
  'overwritten-file': 'a layer replaces or deletes large files of layers below, which stay in the image',
  'setuid-file': 'a program that runs with the rights of its owner',
  'world-writable': 'a file that anybody may change',
  'no-path': 'the command has no slash and the environment no PATH',
};

/** Files from this size on are worth a word. */
const LARGE_BYTES = 64 * 1024;
const SHOWN = 10;

interface Subject {
  readonly image: ImageContents;
  readonly graph: StoreGraph;
  /** Tags of the image, where they are known. */
  readonly tags: readonly string[];
}

type Rule = (subject: Subject) => Finding[] | Promise<Finding[]>;

function finding(
  rule: string,
  severity: Severity,
  message: string,
  advice: string,
  paths: readonly string[] = [],
): Finding {
  return { rule, severity, message, advice, paths: paths.slice(0, SHOWN).map(fromUtf8) };
}

function count(paths: readonly unknown[], one: string, many: string): string {
  return paths.length === 1 ? `1 ${one}` : `${paths.length} ${many}`;
}

function setting({ image }: Subject, name: string): unknown {
  return image.config.config?.[name];
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** The file at a path, links followed; undefined where that leads nowhere. Paths are byte strings. */
export function followLinks({ files }: ImageContents, path: string): ImageFile | undefined {
  const parts = path.split('/').reverse();
  let at: string[] = [];
  for (let budget = 400; parts.length > 0; budget--) {
    if (budget === 0) return undefined;
    const part = parts.pop()!;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at = at.slice(0, -1);
      continue;
    }
    const file = files.get(`/${[...at, part].join('/')}`);
    if (file?.type !== 'symlink') {
      // Directories need no entry of their own.
      at = [...at, part];
      continue;
    }
    if (file.target.startsWith('/')) at = [];
    parts.push(...file.target.split('/').reverse());
  }
  const found = `/${at.join('/')}`;
  return files.get(found);
}

/** A directory that has no entry of its own is there all the same. */
function isThere(image: ImageContents, path: string): boolean {
  if (followLinks(image, path) !== undefined) return true;
  const prefix = `${path}/`;
  for (const other of image.files.keys()) if (other.startsWith(prefix)) return true;
  return false;
}

/** These are made by whoever runs the image. */
const RUNTIME_DIRS = /^\/(?:proc|dev|sys|run|etc\/(?:hosts|hostname|resolv\.conf|mtab))(?:\/|$)/;

const rules: readonly Rule[] = [
  ({ graph }) =>
    graph.missing.size === 0
      ? []
      : [
          finding(
            'missing-store-path',
            'error',
            `${count([...graph.missing.keys()], 'store path', 'store paths')} that the image refers to ${graph.missing.size === 1 ? 'is' : 'are'} not in it`,
            'put the package into contents, or keep its path out of the configuration',
            [...graph.missing].map(([path, who]) => `${path} (mentioned by ${who})`),
          ),
        ],
  (subject) => {
    const command = [...strings(setting(subject, 'Entrypoint')), ...strings(setting(subject, 'Cmd'))][0];
    if (command === undefined) return [];
    const { image } = subject;
    if (command.startsWith('/')) {
      return isThere(image, command)
        ? []
        : [
            finding(
              'missing-command',
              'error',
              `the command '${command}' is not in the image`,
              'see Cmd and Entrypoint',
            ),
          ];
    }
    const path = strings(setting(subject, 'Env')).find((entry) => entry.startsWith('PATH='));
    if (command.includes('/')) return [];
    if (path === undefined) {
      return [
        finding(
          'no-path',
          'warning',
          `the command '${command}' is looked for in PATH, which is not set`,
          'set PATH in Env, or give the whole path',
        ),
      ];
    }
    const dirs = path.slice('PATH='.length).split(':');
    return dirs.some((dir) => isThere(image, `${dir}/${command}`))
      ? []
      : [
          finding(
            'missing-command',
            'error',
            `the command '${command}' is in no directory of PATH`,
            'see Cmd, Entrypoint and Env',
          ),
        ];
  },
  ({ image }) =>
    image.layers.length <= MAX_DOCKER_LAYERS
      ? []
      : [
          finding(
            'too-many-layers',
            'error',
            `${image.layers.length} layers; Docker takes ${MAX_DOCKER_LAYERS}`,
            'lower maxLayers',
          ),
        ],
  (subject) => {
    const user = setting(subject, 'User');
    const [name = ''] = typeof user === 'string' ? user.split(':') : [];
    if (name === '' || name === '0' || name === 'root') {
      return [finding('root-user', 'warning', 'the command runs as root', 'set User, or say why not')];
    }
    if (/^\d+$/.test(name) || isThere(subject.image, '/etc/passwd')) return [];
    return [
      finding(
        'unknown-user',
        'error',
        `the user '${name}' is a name, and there is no /etc/passwd`,
        'use a number, or add fakeNss',
      ),
    ];
  },
  ({ image }) => {
    const time = typeof image.config.created === 'string' ? Date.parse(image.config.created) : Number.NaN;
    // What is reproducible says the epoch, or the time of a commit: to guess is enough for a note.
    return Number.isNaN(time) || time < Date.now() - 2 * 86_400_000
      ? []
      : [
          finding(
            'created-now',
            'note',
            `the image says that it was created at ${image.config.created!}`,
            'a fixed `created` makes the same image each time',
          ),
        ];
  },
  ({ tags }) =>
    tags
      .filter((tag) => /:[0-9a-df-np-sv-z]{32}$/.test(tag))
      .map((tag) => finding('hash-tag', 'note', `the tag of '${tag}' is a hash`, 'give a tag')),
  ({ image }) => {
    const tmp = followLinks(image, '/tmp');
    if (tmp?.type === 'directory' && (tmp.mode & 0o1777) === 0o1777) return [];
    return [
      finding(
        'no-tmp',
        'warning',
        tmp === undefined ? 'there is no /tmp' : `/tmp has mode ${printMode(tmp.mode)}`,
        'extraCommands = "mkdir -m 1777 tmp"',
      ),
    ];
  },
  ({ image }) => {
    const dangling: string[] = [];
    const rewritten: string[] = [];
    for (const file of image.files.values()) {
      if (file.type !== 'symlink' || RUNTIME_DIRS.test(file.target)) continue;
      const dir = file.path.slice(0, file.path.lastIndexOf('/'));
      const target = file.target.startsWith('/') ? file.target : `${dir}/${file.target}`;
      if (isThere(image, target) || file.target.startsWith('/nix/store/')) continue;
      // Below the root, but not here: what './x' becomes where a program rewrites members' names.
      if (!file.target.startsWith('/') && isThere(image, `/${file.target}`)) rewritten.push(file.path);
      else dangling.push(`${file.path} -> ${file.target}`);
    }
    return [
      ...(rewritten.length === 0
        ? []
        : [
            finding(
              'rewritten-link',
              'warning',
              `${count(rewritten, 'link leads', 'links lead')} nowhere from where it is, but somewhere from the root`,
              'make the layer with a dockerTools that leaves links alone',
              rewritten,
            ),
          ]),
      ...(dangling.length === 0
        ? []
        : [
            finding(
              'dangling-link',
              'note',
              `${count(dangling, 'link leads', 'links lead')} nowhere`,
              'remove them, or add what they want',
              dangling,
            ),
          ]),
    ];
  },
  async ({ image }) => {
    const bySize = new Map<number, ImageFile[]>();
    const places = new Set<string>();
    for (const file of image.files.values()) {
      if (file.contents === undefined || file.size < LARGE_BYTES) continue;
      // Names of one file are no copies.
      const place = `${file.contents.path}:${file.contents.offset}`;
      if (places.has(place)) continue;
      places.add(place);
      const list = bySize.get(file.size);
      if (list === undefined) bySize.set(file.size, [file]);
      else list.push(file);
    }
    let wasted = 0;
    const paths: string[] = [];
    for (const files of bySize.values()) {
      if (files.length < 2) continue;
      const byHash = new Map<string, ImageFile[]>();
      for (const file of files) {
        const hash = await hashRegion(file.contents!);
        byHash.set(hash, [...(byHash.get(hash) ?? []), file]);
      }
      for (const same of byHash.values()) {
        if (same.length < 2) continue;
        wasted += same[0]!.size * (same.length - 1);
        paths.push(same.map(({ path }) => path).join(' = '));
      }
    }
    return wasted === 0
      ? []
      : [
          finding(
            'duplicate-contents',
            'note',
            `${humanSize(wasted)} are copies of other files in the image`,
            'two versions of a package, or contents copied out of the store?',
            paths,
          ),
        ];
  },
  ({ image }) => {
    let wasted = 0;
    const paths: string[] = [];
    for (const layer of image.layers) {
      for (const file of layer.files) {
        if (file.size < LARGE_BYTES || image.files.get(file.path) === file) continue;
        wasted += file.size;
        paths.push(file.path);
      }
    }
    return wasted === 0
      ? []
      : [
          finding(
            'overwritten-file',
            'warning',
            `${humanSize(wasted)} of lower layers are hidden by upper ones, and are sent all the same`,
            'leave them out below',
            paths,
          ),
        ];
  },
  ({ image }) => {
    const files = [...image.files.values()].filter(({ type, mode }) => type === 'file' && (mode & 0o6000) !== 0);
    return files.length === 0
      ? []
      : [
          finding(
            'setuid-file',
            'warning',
            `${count(files, 'program runs', 'programs run')} with the rights of its owner`,
            'run the container with no-new-privileges, or drop the bit',
            files.map(({ path, mode }) => `${path} (${printMode(mode)})`),
          ),
        ];
  },
  ({ image }) => {
    const files = [...image.files.values()].filter(
      ({ type, mode }) =>
        (type === 'file' && (mode & 0o002) !== 0) || (type === 'directory' && (mode & 0o1002) === 0o002),
    );
    return files.length === 0
      ? []
      : [
          finding(
            'world-writable',
            'warning',
            `${count(files, 'file', 'files')} that anybody may change`,
            'chmod o-w, or +t for directories',
            files.map(({ path, mode }) => `${path} (${printMode(mode)})`),
          ),
        ];
  },
];

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** Findings, the most severe first. */
export async function lintImage(
  image: ImageContents,
  graph: StoreGraph,
  tags: readonly string[] = [],
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const rule of rules) found.push(...(await rule({ image, graph, tags })));
  return found.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}
