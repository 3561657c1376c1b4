// An image made ready for a runtime (crun, runc): its files unpacked, and a config.json that says what to run in them. An
// ordinary user is mapped to root, alone: all files are root's.
// @see OCI runtime specification, "Configuration"
import { chmod, lchown, mkdir, open, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fsPath, utf8 } from '../../util/bytes.ts';
import { StoreError } from '../../util/errors.ts';
import { readSmall } from '../archive.ts';
import { resolveInTree } from '../archive-tree.ts';
import type { DirectoryNode, FileNode } from '../tree.ts';
import { regionChunks } from '../write-file.ts';
import type { ImageConfig } from './documents.ts';

export interface RunOptions {
  /** In place of the image's. */
  readonly args: readonly string[];
  readonly entrypoint: readonly string[] | undefined;
  /** `NAME=VALUE`, over the image's. */
  readonly env: readonly string[];
  readonly workdir: string | undefined;
  readonly user: string | undefined;
  /** Directories of this machine to show. */
  readonly binds: readonly { readonly from: string; readonly to: string; readonly readOnly: boolean }[];
  readonly terminal: boolean;
  /** With a network of its own, which has nothing but a loopback. */
  readonly isolatedNetwork: boolean;
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** As Docker gives them. */
const CAPABILITIES = [
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE',
  'NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT',
].flatMap((line) => line.split(' ').map((name) => `CAP_${name}`));
const MAX_PASSWD_BYTES = 1024 * 1024;

async function writeContents(file: FileNode, path: string): Promise<void> {
  const target = await open(fsPath(path), 'wx', 0o600);
  try {
    const region = { path: file.path, offset: file.offset ?? 0, size: file.size };
    for (const chunk of regionChunks(region)) await target.appendFile(chunk);
  } finally {
    await target.close();
  }
}

/**
 * Writes the files of an image to the new directory `path`: names are those of the tree, nothing is followed.
 * @param owners set them, too: root alone can
 */
async function unpack(tree: DirectoryNode, path: string, owners: boolean, signal?: AbortSignal): Promise<void> {
  await mkdir(fsPath(path), 0o700);
  for (const [name, node] of tree.entries) {
    signal?.throwIfAborted();
    const at = `${path}/${name}`;
    if (node.type === 'directory') await unpack(node, at, owners, signal);
    else if (node.type === 'symlink') await symlink(fsPath(node.target), fsPath(at));
    else if (node.type === 'file') await writeContents(node, at);
    // Device nodes and pipes: a runtime makes those that are needed.
    else continue;
    if (owners) await lchown(fsPath(at), node.uid, node.gid);
    // After the owner, whose change takes setuid away. Directories stay ours to remove.
    if (node.type !== 'symlink') await chmod(fsPath(at), node.type === 'directory' ? node.mode | 0o700 : node.mode);
  }
}

async function readTextFile(tree: DirectoryNode, name: string): Promise<string[][]> {
  const file = resolveInTree(tree, name);
  if (file?.type !== 'file') return [];
  const region = { path: file.path, offset: file.offset ?? 0, size: file.size };
  const text = (await readSmall(region, MAX_PASSWD_BYTES, `'/${name}' of the image`)).toString();
  return text.split('\n').map((line) => line.split(':'));
}

/** `USER[:GROUP]`, names looked up in the image. @throws StoreError where it does not know them */
async function findUser(tree: DirectoryNode, text: string): Promise<{ uid: number; gid: number; home: string }> {
  const [user = '', group] = text.split(':');
  const isNumber = (word: string): boolean => /^[0-9]{1,10}$/.test(word);
  const users = await readTextFile(tree, 'etc/passwd');
  const entry = users.find(([name, , uid]) => (isNumber(user) ? uid === user : name === user));
  if (entry === undefined && !isNumber(user)) throw new StoreError(`the image has no user '${utf8(user)}'`);
  let gid = Number(entry?.[3] ?? 0);
  if (group !== undefined && isNumber(group)) gid = Number(group);
  else if (group !== undefined) {
    const found = (await readTextFile(tree, 'etc/group')).find(([name]) => name === group);
    if (found === undefined) throw new StoreError(`the image has no group '${utf8(group)}'`);
    gid = Number(found[2]);
  }
  const uid = Number(entry?.[2] ?? user);
  if (!Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new StoreError(`the image does not say which numbers its user '${utf8(text)}' has`);
  }
  return { uid, gid, home: entry?.[5] ?? '/' };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function commandOf(config: Readonly<Record<string, unknown>>, options: RunOptions): string[] {
  const entrypoint = options.entrypoint ?? strings(config['Entrypoint']);
  // An entrypoint of the user's has no use for the image's arguments.
  const own = options.args.length > 0 || options.entrypoint !== undefined ? options.args : strings(config['Cmd']);
  const args = [...entrypoint, ...own];
  if (args.length === 0) throw new StoreError('the image does not say what to run: give a command');
  return args;
}

function mounts(options: RunOptions): object[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
    },
    ...options.binds.map(({ from, to, readOnly }) => ({
      destination: to,
      type: 'none',
      source: from,
      options: ['rbind', 'nosuid', 'nodev', ...(readOnly ? ['ro'] : ['rw'])],
    })),
  ];
}

/**
 * Makes the bundle in the directory `dir`.
 * @param tree the image's file system
 */
export async function makeBundle(
  dir: string,
  tree: DirectoryNode,
  image: ImageConfig,
  options: RunOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { config = {} } = image;
  const isRoot = process.geteuid?.() === 0;
  const user = options.user ?? (typeof config['User'] === 'string' ? config['User'] : '');
  const { uid, gid, home } = user === '' ? { uid: 0, gid: 0, home: '/root' } : await findUser(tree, user);
  if (!isRoot && (uid !== 0 || gid !== 0)) {
    throw new StoreError(`the image runs as user ${uid}, which needs root or podman here; '--user 0' runs it as root`);
  }
  const environment = new Map<string, string>();
  const terminal = options.terminal ? [`TERM=${process.env['TERM'] ?? 'xterm'}`] : [];
  for (const entry of [DEFAULT_PATH, `HOME=${home}`, ...terminal, ...strings(config['Env']), ...options.env]) {
    environment.set(entry.split('=', 1)[0]!, entry);
  }
  const workdir = options.workdir ?? (typeof config['WorkingDir'] === 'string' ? config['WorkingDir'] : '');
  const spec = {
    ociVersion: '1.0.2',
    process: {
      terminal: options.terminal,
      user: { uid, gid },
      args: commandOf(config, options),
      env: [...environment.values()],
      cwd: workdir === '' ? '/' : workdir,
      capabilities: Object.fromEntries(['bounding', 'effective', 'permitted'].map((kind) => [kind, CAPABILITIES])),
      noNewPrivileges: false,
    },
    root: { path: 'rootfs', readonly: false },
    hostname: 'tsnix',
    mounts: mounts(options),
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount', ...(options.isolatedNetwork ? ['network'] : [])].map((type) => ({
        type,
      })),
      maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/sched_debug', '/proc/scsi'],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
  await unpack(tree, utf8(join(dir, 'rootfs')), isRoot, signal);
  await chmod(join(dir, 'rootfs'), 0o755);
  await writeFile(join(dir, 'config.json'), JSON.stringify(spec));
}
