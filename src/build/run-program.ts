// Runs a derivation's builder program, in a sandbox of the first backend that can make one or outside of any, and
// turns its end into Nix's words.
import { chownSync, lstatSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { fsPath, toBuffer, utf8 } from '../util/bytes.ts';
import { mayReachOut } from '../store/derivation.ts';
import { resolveInStore } from '../store/resolve-in-store.ts';
import { baseName, canonPath, isInStore, splitStorePath } from '../store/store-path.ts';
import type { StorePath } from '../store/store.ts';
import type { BuildContext } from './build-derivation.ts';
import type { BuildStore } from './build-store.ts';
import { BuildFailure } from './failure.ts';
import { runPreBuildHook } from './hooks.ts';
import { runBuilder } from './run-builder.ts';
import { requireFeature, vmFeature } from './settings.ts';
import type { BuildSettings } from './settings.ts';
import { addressNoRandomize, linux32 } from './sandbox/backend.ts';
import type { BuilderExit, SandboxRequest } from './sandbox/backend.ts';
import { backendWorked, isolatingBackends, openBackend } from './sandbox/detect.ts';
import { sandboxLayout } from './sandbox/layout.ts';
import type { SandboxLayout, SandboxPath } from './sandbox/layout.ts';
import { seccompFilter } from './sandbox/seccomp.ts';
import { vmIds } from './sandbox/vm-ids.ts';

/** Ids of the builder inside a sandbox. */
const insideIds = { uid: 1000, gid: 100 };

/** No backend could make a sandbox. */
export class NoSandbox extends Error {
  readonly reasons: readonly string[];
  constructor(reasons: readonly string[]) {
    super('no sandbox');
    this.reasons = reasons;
  }
  explained(store: BuildStore): BuildFailure {
    const needed =
      store.realStoreDir === store.storeDir
        ? "; use '--no-sandbox' to disable sandboxing"
        : ', which is required for building in a diverted store';
    return new BuildFailure(
      'misc',
      `this system does not support the kernel namespaces that are required for sandboxing${needed}` +
        this.reasons.map((reason) => `\n  ${reason}`).join('') +
        '\nUnprivileged user namespaces may be switched off (sysctl user.max_user_namespaces, ' +
        'kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), ' +
        "or a container's system call filter may forbid them",
    );
  }
}

/**
 * @returns whether a system call filter was in force
 * @throws BuildFailure, NoSandbox, or the signal's reason
 */
export async function runProgram(context: BuildContext, sandboxed: boolean): Promise<boolean> {
  writeBuildFiles(context);
  const vm = context.options.requiredSystemFeatures.includes(vmFeature);
  const request = baseRequest(context);
  if (!sandboxed) {
    if (vm) throw new BuildFailure('inputRejected', `feature '${vmFeature}' is only supported in sandboxed builds`);
    const backend = openBackend();
    conclude(context, await runBuilder(context, backend, { ...request, layout: undefined }));
    return backend.filters && request.seccomp !== undefined;
  }
  refuseCgroups(context.settings);
  const layout = layoutOf(context, vm);
  const reasons: string[] = [];
  for (const backend of isolatingBackends(context.inputs.size, context.settings.backend)) {
    if (vm && !backend.vm) continue;
    const full: SandboxRequest = {
      ...request,
      ...(backend.name === 'perl' ? {} : { root: context.space.ownRoot() }),
      layout,
      ...(vm
        ? {
            vm: vmIds(context.ids),
            seccomp: undefined,
            reclaim: [context.space.outputsDir, context.space.buildDir, context.space.tmpDir],
          }
        : {}),
    };
    const exit = await runBuilder(context, backend, full);
    if (exit.kind === 'setupFailed') {
      reasons.push(`${backend.name}: ${exit.message}`);
      continue;
    }
    backendWorked(backend.name);
    conclude(context, exit);
    return vm || (backend.filters && request.seccomp !== undefined);
  }
  if (reasons.length === 0)
    reasons.push('none of the programs perl, bwrap and unshare that can make a sandbox is here');
  throw new NoSandbox(reasons);
}

/** As Nix, which makes one in sandboxes only. @throws BuildFailure */
function refuseCgroups(settings: BuildSettings): void {
  if (!settings.useCgroups) return;
  requireFeature(settings, 'cgroups');
  throw new BuildFailure(
    'misc',
    "tsnix cannot execute builds inside cgroups (setting 'use-cgroups'); run it in one as a whole, as by 'systemd-run --scope'",
  );
}

function writeBuildFiles(context: BuildContext): void {
  for (const [name, contents] of context.environment.files) {
    const path = fsPath(`${context.space.buildDir}/${name}`);
    writeFileSync(path, toBuffer(contents), { flag: 'wx', mode: 0o644 });
    if (context.ids !== undefined) chownSync(path, context.ids.uid, context.ids.gid);
  }
}

function baseRequest(context: BuildContext): Omit<SandboxRequest, 'layout'> {
  const { drv, settings, environment, space, ids } = context;
  refuseNull([drv.builder, ...environment.args, ...environment.variables.flat()]);
  const foreign = settings.system === 'x86_64-linux' && drv.system === 'i686-linux';
  return {
    root: space.root,
    helpers: context.resources.helpers,
    more: context.more(),
    user: { ...insideIds, ...(ids === undefined ? {} : { host: { uid: ids.uid, gid: ids.gid } }) },
    network: mayReachOut(drv),
    program: drv.builder,
    args: [basename(drv.builder), ...environment.args],
    env: environment.variables,
    cwd: environment.buildTop,
    seccomp: settings.filterSyscalls ? seccompFilter() : undefined,
    personality: addressNoRandomize | (foreign ? linux32 : 0),
  };
}

/**
 * Neither arguments nor variables can hold a null byte, and backends separate by it what they are told: a derivation
 * must not be able to say something to them.
 */
function refuseNull(words: readonly string[]): void {
  for (const word of words) {
    if (!word.includes('\0')) continue;
    const shown = word.replaceAll('\0', utf8('␀'));
    throw new BuildFailure(
      'misc',
      `input string '${shown}' cannot be represented as Nix string because it contains null bytes`,
    );
  }
}

function layoutOf(context: BuildContext, vm: boolean): SandboxLayout {
  const { settings, store, space, drv } = context;
  if (`${store.storeDir}/`.startsWith(`${settings.sandboxBuildDir}/`)) {
    throw new BuildFailure('misc', '`sandbox-build-dir` must not contain the storeDir');
  }
  const sandboxPaths = [...settings.sandboxPaths, ...impureHostDeps(context)];
  if (settings.preBuildHook !== undefined) {
    sandboxPaths.push(...runPreBuildHook(settings.preBuildHook, context.drvPath, space.root));
  }
  const shown = new Set<StorePath>(context.inputs);
  for (const path of settings.shell?.closure ?? []) shown.add(path);
  // Store paths among the sandbox paths come with their closures, as in Nix.
  const extra = sandboxPaths
    .filter(({ source }) => isInStore(source, store.storeDir))
    .map(({ source }) => splitStorePath(source, store.storeDir).storePath)
    .filter((path) => store.isValidPath(path));
  for (const path of store.closure(extra)) shown.add(path);
  // Through links: what is bound must be the program itself.
  const shell = settings.shell === undefined ? undefined : resolveInStore(store, settings.shell.path);
  return sandboxLayout({
    store: {
      path: store.storeDir,
      outputsDir: space.outputsDir,
      inputsDir: store.realStoreDir,
      inputs: [...shown].sort().map((path) => ({ name: baseName(path), kind: context.resources.kindOf(path) })),
    },
    buildDir: space.buildDir,
    buildTop: settings.sandboxBuildDir,
    tmpDir: space.tmpDir,
    sandboxPaths: sandboxPaths.map((entry) =>
      isInStore(entry.source, store.storeDir) ? { ...entry, source: store.realPath(entry.source) } : entry,
    ),
    ...(shell === undefined ? {} : { shell: store.realPath(shell) }),
    ...insideIds,
    network: mayReachOut(drv),
    ...(settings.caFile === undefined ? {} : { caFile: settings.caFile }),
    kvm: settings.systemFeatures.includes('kvm'),
    vm,
    shmSize: settings.shmSize,
  });
}

/** @throws BuildFailure for a path of this machine that the settings don't allow */
function impureHostDeps({ drvPath, options, settings }: BuildContext): SandboxPath[] {
  return options.impureHostDeps.map((path) => {
    const wanted = canonPath(path);
    const allowed = settings.allowedImpureHostDeps
      .map(canonPath)
      .some((prefix) => wanted === prefix || wanted.startsWith(prefix === '/' ? '/' : `${prefix}/`));
    if (!allowed) {
      throw new BuildFailure(
        'misc',
        `derivation '${drvPath}' requested impure path '${path}', but it was not in allowed-impure-host-deps`,
      );
    }
    return { target: path, source: path, optional: true };
  });
}

/** @throws BuildFailure unless the builder ended well */
function conclude(context: BuildContext, exit: BuilderExit): void {
  if (exit.kind === 'exited' && exit.code === 0) return;
  const { drv, drvPath, log } = context;
  if (exit.kind === 'notStarted') {
    const line = `executing '${drv.builder}': ${exit.message}`;
    log.write(`${line}${missingInterpreter(context, exit.message)}\n`);
    context.logFile?.write(toBuffer(`${line}\n`));
  }
  // Fixed outputs come from the network, which may be back tomorrow.
  throw new BuildFailure(
    mayReachOut(drv) ? 'transient' : 'permanent',
    `Cannot build '${drvPath}'.\nReason: builder ${describeExit(exit)}.${knownOutputs(context.finalPaths)}${logTail(context)}`,
  );
}

/** A file that is there but "not found" names an interpreter that the sandbox lacks. */
function missingInterpreter(context: BuildContext, message: string): string {
  const { drv, store } = context;
  if (message !== 'No such file or directory' || !isInStore(drv.builder, store.storeDir)) return '';
  try {
    lstatSync(fsPath(store.realPath(drv.builder)));
  } catch {
    return '';
  }
  return ' (the file exists: its interpreter or dynamic loader is not in the sandbox)';
}

function describeExit(exit: BuilderExit): string {
  switch (exit.kind) {
    case 'exited':
      return `failed with exit code ${exit.code}`;
    case 'signalled': {
      const name = signalDescription(exit.signal);
      return name === undefined
        ? `failed due to signal ${exit.signal}`
        : `failed due to signal ${exit.signal} (${name})`;
    }
    case 'notStarted':
      return 'failed with exit code 1';
    case 'setupFailed':
      return `could not be started: ${exit.message}`;
  }
}

/** strsignal()'s words for those that builders meet. */
function signalDescription(signal: number): string | undefined {
  const words: Partial<Record<NodeJS.Signals, string>> = {
    SIGHUP: 'Hangup',
    SIGINT: 'Interrupt',
    SIGQUIT: 'Quit',
    SIGILL: 'Illegal instruction',
    SIGTRAP: 'Trace/breakpoint trap',
    SIGABRT: 'Aborted',
    SIGBUS: 'Bus error',
    SIGFPE: 'Floating point exception',
    SIGKILL: 'Killed',
    SIGUSR1: 'User defined signal 1',
    SIGSEGV: 'Segmentation fault',
    SIGUSR2: 'User defined signal 2',
    SIGPIPE: 'Broken pipe',
    SIGALRM: 'Alarm clock',
    SIGTERM: 'Terminated',
    SIGXCPU: 'CPU time limit exceeded',
    SIGXFSZ: 'File size limit exceeded',
    SIGSYS: 'Bad system call',
  };
  for (const [name, number] of Object.entries(constants.signals)) {
    if (number === signal && words[name as NodeJS.Signals] !== undefined) return words[name as NodeJS.Signals];
  }
  return undefined;
}

/** "Output paths:" of a message, from the second line on. */
export function knownOutputs(paths: ReadonlyMap<string, StorePath>): string {
  return `\nOutput paths:${[...paths.values()]
    .sort()
    .map((path) => `\n  ${path}`)
    .join('')}`;
}

export function logTail(context: Pick<BuildContext, 'log' | 'drvPath' | 'settings'>): string {
  const { tail } = context.log;
  if (tail.length === 0) return '';
  const lines = tail.map((line) => `> ${line}\n`).join('');
  return `\nLast ${tail.length} log lines:\n${lines}For full logs, run:\n  ${context.settings.logCommand} ${context.drvPath}`;
}
