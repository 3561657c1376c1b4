// `tsnix image run`: a container of an image, in the foreground, gone when it ends. crun and runc need nothing but
// namespaces (an ordinary user's, too); podman and docker keep the image meanwhile.
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageFor } from '../../../docker/image/copy.ts';
import { configOf, imageFileSystem } from '../../../docker/image/image-files.ts';
import { makeBundle } from '../../../docker/image/runtime-bundle.ts';
import type { RunOptions } from '../../../docker/image/runtime-bundle.ts';
import type { ImageSource } from '../../../docker/image/source.ts';
import { utf8 } from '../../../util/bytes.ts';
import { StoreError, UsageError } from '../../../util/errors.ts';
import type { Config } from '../../config.ts';
import { COMMON_FLAGS, flag } from '../../flags.ts';
import type { ParsedFlags } from '../../flags.ts';
import { isTerminal } from '../../output.ts';
import { findOnPath, runInForeground } from './container-tools.ts';
import { copyQuietly, wantedPlatform } from './deliver.ts';
import { findEngine } from './engines.ts';
import type { Engine } from './engines.ts';
import { imageArgument } from './image-argument.ts';
import type { ImageCommand } from './index.ts';
import { interruptible } from './interruptible.ts';
import { PLATFORM_FLAG, SELECT_FLAGS } from './made-image.ts';
import { REGISTRY_FLAGS, keyValues, registrySettings } from './registry-flags.ts';

/** These need an unpacked image, no more. */
const BUNDLE_RUNTIMES = ['crun', 'runc'];
const RUNTIMES = [...BUNDLE_RUNTIMES, 'podman', 'docker', 'containerd'];

/** crun wants control groups of the second version, which not every machine has where it looks for them. */
const SCRIPT = 'umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null; exec "$@"';

function parseBind(text: string): RunOptions['binds'][number] {
  const [from = '', to = '', mode, ...more] = text.split(':');
  if (from === '' || !to.startsWith('/') || more.length > 0 || (mode !== undefined && mode !== 'ro' && mode !== 'rw')) {
    throw new UsageError(`'${utf8(text)}' of '--volume' is not DIR:DIR-INSIDE[:ro]`);
  }
  try {
    return { from: realpathSync(from), to, readOnly: mode === 'ro' };
  } catch {
    throw new UsageError(`'${utf8(from)}' of '--volume' does not exist`);
  }
}

function runOptions(flags: ParsedFlags, args: readonly string[]): RunOptions {
  const network = flags.get('network') ?? 'host';
  if (network !== 'host' && network !== 'none') {
    throw new UsageError(`'${utf8(network)}' of '--network' is none of: host, none`);
  }
  const entrypoint = flags.get('entrypoint');
  return {
    args,
    entrypoint: entrypoint === undefined ? undefined : entrypoint === '' ? [] : [entrypoint],
    env: Object.entries(keyValues(flags, 'env')).map(([name, value]) => `${name}=${value}`),
    workdir: flags.get('workdir'),
    user: flags.get('user'),
    binds: flags.list('volume').map(parseBind),
    terminal: isTerminal(0) && isTerminal(1),
    isolatedNetwork: network === 'none',
  };
}

async function runBundle(
  runtime: string,
  source: ImageSource,
  flags: ParsedFlags,
  config: Config,
  options: RunOptions,
  signal: AbortSignal,
): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'tsnix-run-'));
  try {
    const image = await imageFor(await source.open(), wantedPlatform(flags, config));
    const imageConfig = configOf(image);
    const tree = await imageFileSystem(image, dir, signal);
    await makeBundle(dir, tree, imageConfig, options, signal);
    const name = `tsnix-${process.pid}-${randomBytes(4).toString('hex')}`;
    const cgroups = runtime === 'crun' ? ['--cgroup-manager=disabled'] : [];
    const command = [runtime, ...cgroups, '--root', join(dir, 'state'), 'run', '--bundle', dir, name];
    // Who is not root may mount control groups only in a namespace of his own of them.
    const namespaces = process.geteuid?.() === 0 ? ['-m'] : ['-rmC'];
    return await runInForeground('unshare', [...namespaces, 'sh', '-c', SCRIPT, 'sh', ...command], signal);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runByEngine(
  engine: Engine,
  source: ImageSource,
  flags: ParsedFlags,
  config: Config,
  options: RunOptions,
  signal: AbortSignal,
): Promise<number> {
  const id = randomBytes(6).toString('hex');
  const name = `localhost/tsnix-run:${id}`;
  const words = engine.run(name, `tsnix-${process.pid}-${id}`, options);
  const dir = await mkdtemp(join(tmpdir(), 'tsnix-run-'));
  const path = join(dir, 'image.tar');
  try {
    const platforms = [wantedPlatform(flags, config)];
    const registry = registrySettings(flags, signal);
    await copyQuietly(source, { transport: 'docker-archive', path, name }, { flags, signal, platforms, registry });
    const loaded = spawnSync(engine.program, engine.load(path), { encoding: 'utf8' });
    if (loaded.status !== 0) {
      throw new StoreError(`'${engine.program}' could not load the image: ${utf8(loaded.stderr.trim())}`);
    }
    await rm(path);
    return await runInForeground(engine.program, words, signal);
  } finally {
    spawnSync(engine.program, engine.remove(name), { stdio: 'ignore' });
    await rm(dir, { recursive: true, force: true });
  }
}

/** @throws UsageError, StoreError */
function findRuntime(wanted: string | undefined): string | Engine {
  if (wanted !== undefined && !RUNTIMES.includes(wanted)) {
    throw new UsageError(`'${utf8(wanted)}' is none of: ${RUNTIMES.join(', ')}`);
  }
  const bundles = BUNDLE_RUNTIMES.filter((name) => wanted === undefined || name === wanted);
  const there = bundles.find((name) => findOnPath(name) !== undefined);
  if (there !== undefined) return there;
  if (bundles.length > 0 && wanted !== undefined) throw new StoreError(`there is no ${wanted} on PATH`);
  return findEngine(wanted, BUNDLE_RUNTIMES);
}

export const run: ImageCommand = {
  usage: 'run [FLAGS] IMAGE [COMMAND [ARG]...]',
  describe:
    'Run a container of an image\nIn the foreground, by crun, runc, podman, docker or containerd. IMAGE may be an expression: -A, -E, FILE.nix.',
  stopsAtPositional: true,
  flags: [
    flag('runtime', `${RUNTIMES.join(', ')} (default: the first that is there)`, { args: ['RUNTIME'] }),
    flag('entrypoint', "program in place of the image's", { args: ['PROGRAM'] }),
    flag('env', 'set an environment variable', { short: 'e', args: ['NAME=VALUE'] }),
    flag('workdir', 'working directory', { short: 'w', args: ['DIR'] }),
    flag('user', 'user (and group) to run as', { short: 'u', args: ['USER[:GROUP]'] }),
    flag('volume', 'show a directory of this machine', { args: ['DIR:DIR-INSIDE[:ro]'] }),
    flag('network', "host: this machine's (the default); none", { args: ['NETWORK'] }),
    PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
    ...SELECT_FLAGS,
    ...COMMON_FLAGS,
  ],
  run: async (flags, config) => {
    const built = ['expr', 'file', 'attr'].some((name) => flags.has(name));
    const word = built ? undefined : flags.positionals[0];
    const given = flags.positionals.slice(built ? 0 : 1);
    // Behind the image, too, it only says that what follows is no flag of ours.
    const args = given[0] === '--' ? given.slice(1) : given;
    if (word === undefined && !built) throw new UsageError('usage: tsnix image run IMAGE [COMMAND [ARG]...]');
    const options = runOptions(flags, args);
    const wanted = flags.get('runtime');
    const runtime = findRuntime(wanted);
    return await interruptible(async (signal) => {
      const source = await imageArgument(flags, config, word, signal, { settings: false });
      try {
        return typeof runtime === 'string'
          ? await runBundle(runtime, source, flags, config, options, signal)
          : await runByEngine(runtime, source, flags, config, options, signal);
      } finally {
        await source.close();
      }
    });
  },
};
