// Machines as images name them: `linux/amd64`, `linux/arm/v7`.
import { StoreError, UsageError } from '../../util/errors.ts';
import { utf8 } from '../../util/bytes.ts';
import { table } from '../../util/table.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const ALIASES = table({
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i686: '386',
  i386: '386',
  armhf: 'arm/v7',
  armv7l: 'arm/v7',
  armv6l: 'arm/v6',
});

/** Nix's systems for Go's names of machines. */
const SYSTEMS = table({
  amd64: 'x86_64-linux',
  arm64: 'aarch64-linux',
  386: 'i686-linux',
  'arm/v7': 'armv7l-linux',
  'arm/v6': 'armv6l-linux',
  ppc64le: 'powerpc64le-linux',
  riscv64: 'riscv64-linux',
  s390x: 's390x-linux',
});

/** `OS/ARCH[/VARIANT]`, or ARCH alone. @throws UsageError */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const [os, ...machine] = parts.length === 1 || ALIASES[parts[0]!] !== undefined ? ['linux', ...parts] : parts;
  const [architecture = '', variant] = (ALIASES[machine.join('/')] ?? machine.join('/')).split('/');
  if (machine.length > 2 || ![os, architecture, variant ?? 'x'].every((part) => /^[a-z0-9_.-]+$/.test(part!))) {
    throw new UsageError(`'${utf8(text)}' is not a platform: OS/ARCHITECTURE, such as linux/arm64`);
  }
  return { os: os!, architecture, ...(variant === undefined ? {} : { variant }) };
}

export function printPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}

/** The platform of a Nix system. */
export function platformOfSystem(system: string): Platform {
  const dash = system.indexOf('-');
  const cpu = dash < 0 ? system : system.slice(0, dash);
  const known = ALIASES[cpu] ?? (cpu === 'powerpc64le' ? 'ppc64le' : cpu);
  const [architecture = '', variant] = known.split('/');
  return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The Nix system of a platform. @throws UsageError where Nix has none */
export function systemOfPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  const system =
    os === 'linux'
      ? (SYSTEMS[variant === undefined ? architecture : `${architecture}/${variant}`] ?? SYSTEMS[architecture])
      : undefined;
  if (system === undefined)
    throw new UsageError(`there is no system of Nix for the platform '${printPlatform(platform)}'`);
  return system;
}

/** How well an image of `offered` runs on `wanted`; 0 not at all. */
function fitness(offered: Platform, wanted: Platform): number {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return 0;
  if (offered.variant === wanted.variant) return 3;
  // v8 goes without saying on arm64; who wants no variant takes any.
  return wanted.variant === undefined || (offered.variant ?? 'v8') === wanted.variant ? 2 : 0;
}

/**
 * What an index has for a machine.
 * @throws StoreError with what there is
 */
export function choosePlatform<T extends { readonly platform?: Platform }>(
  entries: readonly T[],
  wanted: Platform,
  what: string,
): T {
  let best: T | undefined;
  let bestFitness = 0;
  for (const entry of entries) {
    const fits = entry.platform === undefined ? 0 : fitness(entry.platform, wanted);
    if (fits > bestFitness) {
      best = entry;
      bestFitness = fits;
    }
  }
  if (best !== undefined) return best;
  // Nothing says for which machine it is: there is no choice.
  if (entries.length === 1 && entries[0]!.platform === undefined) return entries[0]!;
  const offered = entries.flatMap(({ platform }) => (platform === undefined ? [] : [printPlatform(platform)]));
  throw new StoreError(
    `${what} has no image for ${printPlatform(wanted)}, only for: ${utf8([...new Set(offered)].join(', ') || 'nothing')}`,
  );
}
