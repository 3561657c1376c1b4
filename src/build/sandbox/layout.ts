// What the builder sees of the file system, as lists of steps that every backend carries out its own way: the whole
// content of `/` and nothing else. Follows Nix (libstore/linux/build/linux-derivation-builder.cc): input closure at its
// logical paths, /build, /tmp, a minimal /dev, /proc and /etc.
import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { fsPath } from '../../util/bytes.ts';
import { BuildFailure } from '../failure.ts';

export type LayoutStep =
  | { readonly op: 'directory'; readonly path: string; readonly mode: number }
  | { readonly op: 'file'; readonly path: string; readonly mode: number; readonly contents: string }
  | { readonly op: 'symlink'; readonly path: string; readonly target: string }
  /** Recursive; a source that is a symlink is copied as one. */
  | { readonly op: 'bind'; readonly path: string; readonly source: string; readonly readOnly: boolean }
  | { readonly op: 'tmpfs'; readonly path: string; readonly options: string }
  | { readonly op: 'proc'; readonly path: string; readonly mayBind: boolean }
  | { readonly op: 'devpts'; readonly path: string };

/** The store directory that the builder sees: its inputs, read-only, in a directory for its outputs. */
export interface StoreView {
  /** Logical store directory. */
  readonly path: string;
  /** On this machine: becomes the store directory of the sandbox, where outputs appear. */
  readonly outputsDir: string;
  /** On this machine: where the inputs lie. */
  readonly inputsDir: string;
  readonly inputs: readonly StoreInput[];
}

export interface StoreInput {
  /** In both directories. */
  readonly name: string;
  readonly kind: InputKind;
}

export type InputKind = 'directory' | 'file' | 'symlink';

export interface SandboxLayout {
  /** What many builds have in common. */
  readonly frame: readonly LayoutStep[];
  /** Where the builder may write; the store directory may lie below (a store of its own, somewhere in /tmp). */
  readonly scratch: readonly LayoutStep[];
  readonly store: StoreView;
  /** Upon all this. */
  readonly steps: readonly LayoutStep[];
}

/** One entry of `sandbox-paths`: `target=source?`. */
export interface SandboxPath {
  readonly target: string;
  readonly source: string;
  /** A missing source is skipped instead of an error. */
  readonly optional: boolean;
}

export interface LayoutOptions {
  readonly store: StoreView;
  /** On this machine: bound on `buildTop`. */
  readonly buildDir: string;
  /** `/build`, the option sandbox-build-dir. */
  readonly buildTop: string;
  /** On this machine: bound on /tmp. */
  readonly tmpDir: string;
  readonly sandboxPaths: readonly SandboxPath[];
  /** Shown as /bin/sh: a program that needs nothing but `inputs`. */
  readonly shell?: string;
  readonly uid: number;
  readonly gid: number;
  /** With the host's network: its resolver files and certificates are shown. */
  readonly network: boolean;
  /** File of trusted certificates on this machine. */
  readonly caFile?: string;
  readonly kvm?: boolean;
  /** Mode vm: /sys, a placeholder for the disk, a writable /etc. */
  readonly vm?: boolean;
  /** Size option of /dev/shm. */
  readonly shmSize?: string;
}

const devices = ['full', 'null', 'random', 'tty', 'urandom', 'zero'];

/** @throws BuildFailure where a required source of `sandboxPaths` is missing */
export function sandboxLayout(options: LayoutOptions): SandboxLayout {
  const taken = new Set<string>(options.sandboxPaths.map((entry) => entry.target));
  return {
    frame: frameOf(options, taken),
    scratch: [bind(options.buildTop, options.buildDir, false), bind('/tmp', options.tmpDir, false)],
    store: options.store,
    steps: ownSteps(options, taken),
  };
}

/** All as one list, for backends that make everything anew. */
export function allSteps({ frame, scratch, store, steps }: SandboxLayout): LayoutStep[] {
  const { path, outputsDir, inputsDir, inputs } = store;
  return [
    ...frame,
    ...scratch,
    { op: 'bind', path, source: outputsDir, readOnly: false },
    ...inputs.map(({ name }): LayoutStep => {
      return { op: 'bind', path: `${path}/${name}`, source: `${inputsDir}/${name}`, readOnly: true };
    }),
    ...steps,
  ];
}

function bind(path: string, source: string, readOnly: boolean): LayoutStep {
  return { op: 'bind', path, source, readOnly };
}

function frameOf(options: LayoutOptions, taken: ReadonlySet<string>): LayoutStep[] {
  const steps: LayoutStep[] = [];
  const file = (path: string, contents: string): void => {
    steps.push({ op: 'file', path, mode: 0o644, contents });
  };
  if (!taken.has('/dev')) {
    steps.push({ op: 'directory', path: '/dev', mode: 0o755 });
    for (const name of options.kvm === true ? [...devices, 'kvm'] : devices) {
      if (existsSync(`/dev/${name}`)) steps.push(bind(`/dev/${name}`, `/dev/${name}`, false));
    }
    steps.push({ op: 'symlink', path: '/dev/fd', target: '/proc/self/fd' });
    ['stdin', 'stdout', 'stderr'].forEach((name, index) => {
      steps.push({ op: 'symlink', path: `/dev/${name}`, target: `/proc/self/fd/${index}` });
    });
    steps.push({ op: 'tmpfs', path: '/dev/shm', options: `mode=1777,size=${options.shmSize ?? '50%'}` });
    if (!taken.has('/dev/pts')) {
      steps.push({ op: 'devpts', path: '/dev/pts' }, { op: 'symlink', path: '/dev/ptmx', target: '/dev/pts/ptmx' });
    }
    // Mode vm: mount(8) of the sandbox looks for it; the builder's own /dev/vda is a tmpfs of diskSize.
    if (options.vm === true) file('/dev/vda', '');
  }

  file('/etc/passwd', passwd(options));
  file('/etc/group', `root:x:0:\nnixbld:!:${options.gid}:\nnogroup:x:65534:\n`);
  if (options.network) {
    // Names and services only: whatever else the host's nsswitch.conf configures stays out.
    file('/etc/nsswitch.conf', 'hosts: files dns\nservices: files\n');
    for (const path of ['/etc/resolv.conf', '/etc/services', '/etc/hosts']) {
      if (existsSync(path) && !taken.has(path)) steps.push(bind(path, realpathSync(path), true));
    }
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    if (options.caFile !== undefined && existsSync(options.caFile) && !taken.has(certificates)) {
      steps.push(bind(certificates, realpathSync(options.caFile), true));
    }
  } else {
    file('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n');
  }
  steps.push({ op: 'proc', path: '/proc', mayBind: true });
  if (options.vm === true) steps.push({ op: 'directory', path: '/sys', mode: 0o755 });
  else steps.push({ op: 'directory', path: '/etc', mode: 0o555 });
  return steps;
}

function ownSteps(options: LayoutOptions, taken: ReadonlySet<string>): LayoutStep[] {
  const steps: LayoutStep[] = [];
  // The host's own /bin has a shell (and may be a symlink, which nothing can be put below).
  const shellTaken = taken.has('/bin/sh') || taken.has('/bin');
  if (options.shell !== undefined && !shellTaken) steps.push(bind('/bin/sh', options.shell, true));
  for (const entry of options.sandboxPaths) {
    // As in Nix: the sandbox has its own.
    if (entry.source === '/proc' || `${entry.target}/`.startsWith('/proc/')) continue;
    if (lstatSync(fsPath(entry.source), { throwIfNoEntry: false }) === undefined) {
      if (entry.optional) continue;
      throw new BuildFailure('misc', `getting attributes of path '${entry.source}': No such file or directory`);
    }
    steps.push(bind(entry.target, entry.source, false));
  }
  return steps;
}

function passwd(options: LayoutOptions): string {
  return (
    `root:x:0:0:Nix build user:${options.buildTop}:/noshell\n` +
    `nixbld:x:${options.uid}:${options.gid}:Nix build user:${options.buildTop}:/noshell\n` +
    'nobody:x:65534:65534:Nobody:/:/noshell\n'
  );
}

/** Parses words of the settings sandbox-paths and extra-sandbox-paths: `/x`, `/target=/source`, each with `?`. */
export function parseSandboxPaths(words: readonly string[]): SandboxPath[] {
  const byTarget = new Map<string, SandboxPath>();
  for (const word of words) {
    const optional = word.endsWith('?');
    const text = optional ? word.slice(0, -1) : word;
    const equals = text.indexOf('=');
    const target = equals < 0 ? text : text.slice(0, equals);
    const source = equals < 0 ? text : text.slice(equals + 1);
    byTarget.set(target, { target, source, optional });
  }
  return [...byTarget.values()];
}
