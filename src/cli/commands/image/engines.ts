// Programs of others that keep images and run containers of them, and how each wants to be told to.
import type { RunOptions } from '../../../docker/image/runtime-bundle.ts';
import { StoreError, UsageError } from '../../../util/errors.ts';
import { utf8 } from '../../../util/bytes.ts';
import { findOnPath } from './container-tools.ts';

export interface Engine {
  /** What people call it. */
  readonly name: string;
  readonly program: string;
  /** Arguments that take in the docker-archive `file`. */
  readonly load: (file: string) => string[];
  /** Arguments that run a container of an image that it has; it is gone when it ends. @throws UsageError */
  readonly run: (image: string, container: string, options: RunOptions) => string[];
  readonly remove: (image: string) => string[];
}

/** docker, and what has its command line. */
function likeDocker(name: string, program: string): Engine {
  return {
    name,
    program,
    load: (file) => ['load', '--input', file],
    run: (image, container, { entrypoint, env, workdir, user, binds, terminal, isolatedNetwork, args }) => [
      'run',
      '--rm',
      '--interactive',
      `--name=${container}`,
      ...(terminal ? ['--tty'] : []),
      `--network=${isolatedNetwork ? 'none' : 'host'}`,
      ...(entrypoint === undefined ? [] : [`--entrypoint=${entrypoint[0] ?? ''}`]),
      ...env.map((entry) => `--env=${entry}`),
      ...(workdir === undefined ? [] : [`--workdir=${workdir}`]),
      ...(user === undefined ? [] : [`--user=${user}`]),
      ...binds.map(({ from, to, readOnly }) => `--volume=${from}:${to}${readOnly ? ':ro' : ''}`),
      image,
      ...args,
    ],
    remove: (image) => ['rmi', '--force', image],
  };
}

/** A field of comma-separated values. */
function csv(field: string): string {
  return /[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** containerd's own client. Its address, name space and snapshotter are those of its variables (`CONTAINERD_…`). */
const CTR: Engine = {
  name: 'containerd',
  program: 'ctr',
  load: (file) => ['images', 'import', file],
  run: (image, container, { entrypoint, env, workdir, user, binds, terminal, isolatedNetwork, args }) => {
    if (entrypoint !== undefined) throw new UsageError("containerd's ctr has no '--entrypoint'");
    const mounts = binds.map(({ from, to, readOnly }) =>
      ['type=bind', `src=${from}`, `dst=${to}`, `options=rbind:${readOnly ? 'ro' : 'rw'}`].map(csv).join(','),
    );
    return [
      'run',
      '--rm',
      ...(terminal ? ['--tty'] : []),
      ...(isolatedNetwork ? [] : ['--net-host']),
      ...env.flatMap((entry) => ['--env', entry]),
      ...(workdir === undefined ? [] : ['--cwd', workdir]),
      ...(user === undefined ? [] : ['--user', user]),
      ...mounts.flatMap((mount) => ['--mount', mount]),
      image,
      container,
      ...args,
    ];
  },
  remove: (image) => ['images', 'remove', image],
};

/** The usual one first. */
const ENGINES: readonly Engine[] = [
  likeDocker('docker', 'docker'),
  likeDocker('podman', 'podman'),
  likeDocker('containerd', 'nerdctl'),
  CTR,
];

export const ENGINE_NAMES = [...new Set(ENGINES.map(({ name }) => name))];

/**
 * @param wanted its name; undefined for the first that is there
 * @param others programs that would have done as well, for the message
 * @throws UsageError, StoreError
 */
export function findEngine(wanted: string | undefined, others: readonly string[] = []): Engine {
  const engines = ENGINES.filter(({ name }) => wanted === undefined || name === wanted);
  if (engines.length === 0) throw new UsageError(`'${utf8(wanted!)}' is none of: ${ENGINE_NAMES.join(', ')}`);
  const engine = engines.find(({ program }) => findOnPath(program) !== undefined);
  if (engine === undefined) {
    const programs = [...(wanted === undefined ? others : []), ...engines.map(({ program }) => program)];
    throw new StoreError(`there is no ${programs.join(', ')} on PATH`);
  }
  return engine;
}
