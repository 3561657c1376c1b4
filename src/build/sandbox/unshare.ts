// The last resort: util-linux's unshare and mount, and a shell script that puts the sandbox together. Slow (a process
// for every mount) and without a system call filter, but there on nearly every machine.
import { lstatSync, readlinkSync, writeFileSync } from 'node:fs';
import { fsPath, toBuffer } from '../../util/bytes.ts';
import type { BuilderExit, RunningBuilder, SandboxBackend, SandboxRequest } from './backend.ts';
import { allSteps } from './layout.ts';
import type { LayoutStep } from './layout.ts';
import { killQuietly, startPiped } from './piped-command.ts';

export interface UnsharePrograms {
  readonly unshare: string;
  readonly setpriv: string;
}

export function unshareBackend(programs: UnsharePrograms): SandboxBackend {
  return {
    name: 'unshare',
    filters: false,
    vm: false,
    start: (request) => start(programs, request),
  };
}

function start(programs: UnsharePrograms, request: SandboxRequest): RunningBuilder {
  const { unshare, setpriv } = programs;
  // In the mount point of the new root: the shell has opened it before it is covered.
  const script = `${request.root}/setup.sh`;
  writeFileSync(fsPath(script), toBuffer(setupScript(programs, request)), { mode: 0o755 });
  const command = [
    unshare,
    '--user',
    '--map-root-user',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child=KILL',
    '--ipc',
    '--uts',
  ];
  if (!request.network) command.push('--net');
  const running = startPiped([...command, '/bin/sh', script], [], request.user, setpriv);
  let killed = false;
  let first = '';
  const listen = (chunk: Buffer): void => {
    if (first.length < 1000) first += chunk.toString('latin1');
    else running.output.off('data', listen);
  };
  running.output.on('data', listen);
  return {
    output: running.output,
    exit: running.ended.then(() => exitOf(running.reports(), first, killed)),
    kill() {
      killed = true;
      const pid = /^outer (\d+)$/m.exec(running.reports())?.[1];
      // `unshare --kill-child` passes its death on to the first process of the namespace.
      if (pid === undefined) running.killGroup();
      else killQuietly(Number(pid));
    },
  };
}

function exitOf(reports: string, output: string, killed: boolean): BuilderExit {
  if (killed) return { kind: 'signalled', signal: 9 };
  const status = /^status (\d+)$/m.exec(reports)?.[1];
  if (!/^ready$/m.test(reports) || status === undefined) {
    return { kind: 'setupFailed', message: output.trim() || reports.trim() || 'it ended without a word' };
  }
  const missing = /^unshare: failed to execute .*: (.*)$/m.exec(output)?.[1];
  if (missing !== undefined) return { kind: 'notStarted', message: missing };
  return { kind: 'exited', code: Number(status) };
}

function setupScript(programs: UnsharePrograms, request: SandboxRequest): string {
  const { root } = request;
  const lines = [
    'set -e',
    // The parent of this shell is the outer unshare; seen from here it has no number, so it is asked from /proc.
    'while read -r key value rest; do case $key in PPid:) echo "outer $value" >&3;; esac; done </proc/self/status',
    `root=${quote(root)}`,
    'mount --make-rprivate /',
    'mount -t tmpfs -o mode=755,nosuid,nodev none "$root"',
    'parent() { mkdir -p "${1%/*}"; }',
    'readonly_mount() {',
    '  for flags in nosuid nosuid,nodev nosuid,nodev,noexec; do',
    '    mount -o "remount,bind,ro,$flags" "$1" 2>/dev/null && return',
    '  done',
    '  echo "cannot make $1 read-only"; return 1',
    '}',
    ...allSteps(request.layout!).flatMap((step) => scriptOf(step)),
    'hostname localhost 2>/dev/null || :',
    request.network ? ':' : 'ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || :',
    '{ echo 1 >"$root/proc/sys/user/max_user_namespaces"; } 2>/dev/null || :',
    'mount -o remount,bind,ro,nosuid,nodev "$root"',
    'echo ready >&3',
    `set -- ${[request.program, ...request.args.slice(1)].map(quote).join(' ')}`,
    `exec 3>&- env -i ${request.env.map(([name, value]) => quote(`${name}=${value}`)).join(' ')} ` +
      `${quote(programs.setpriv)} --no-new-privs ${quote(programs.unshare)} --user ` +
      `--map-user=${request.user.uid} --map-group=${request.user.gid} --root="$root" --wd=${quote(request.cwd)} -- "$@"`,
  ];
  return `${lines.join('\n')}\n`;
}

function scriptOf(step: LayoutStep): string[] {
  const target = `"$root"${quote(step.path)}`;
  switch (step.op) {
    case 'directory':
      return [`mkdir -p ${target}`, `chmod ${step.mode.toString(8)} ${target}`];
    case 'file':
      return [
        `parent ${target}`,
        `printf %s ${quote(step.contents)} >${target}`,
        `chmod ${step.mode.toString(8)} ${target}`,
      ];
    case 'symlink':
      return [`parent ${target}`, `ln -s ${quote(step.target)} ${target}`];
    case 'bind': {
      const stat = lstatSync(fsPath(step.source));
      if (stat.isSymbolicLink()) {
        return [
          `parent ${target}`,
          `ln -s ${quote(readlinkSync(fsPath(step.source), { encoding: 'latin1' }))} ${target}`,
        ];
      }
      return [
        stat.isDirectory() ? `mkdir -p ${target}` : `parent ${target}; [ -e ${target} ] || : >${target}`,
        `mount --rbind ${quote(step.source)} ${target}`,
        ...(step.readOnly ? [`readonly_mount ${target}`] : []),
      ];
    }
    case 'tmpfs':
      return [`mkdir -p ${target}`, `mount -t tmpfs -o ${quote(`nosuid,nodev,${step.options}`)} none ${target}`];
    case 'proc':
      return [`mkdir -p ${target}`, `mount -t proc -o nosuid,nodev,noexec none ${target}`];
    case 'devpts':
      return [
        `mkdir -p ${target}`,
        `mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620 devpts ${target}`,
      ];
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
