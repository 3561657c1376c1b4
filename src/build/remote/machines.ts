// Machines that build for this one, as the setting `builders` names them: `URI SYSTEMS KEY JOBS SPEED FEATURES
// MANDATORY HOSTKEY`, one a line or between semicolons, `-` for what stays at its default, `@FILE` for a file of them.
// See the Nix manual, "Distributed builds".
import { readFileSync } from 'node:fs';
import { StoreError } from '../../util/errors.ts';
import { fromUtf8 } from '../../util/bytes.ts';

export interface Machine {
  /** Its store: `ssh-ng://HOST`, `ssh://HOST`, `/DIR` … */
  readonly uri: string;
  /** The same for messages: without parameters. */
  readonly label: string;
  readonly systems: readonly string[];
  /** Builds at a time. */
  readonly maxJobs: number;
  readonly speedFactor: number;
  readonly supportedFeatures: readonly string[];
  /** It builds only what asks for all of these. */
  readonly mandatoryFeatures: readonly string[];
}

/** Other words without a scheme are hosts. */
const storeWords = new Set(['auto', 'daemon', 'local']);

/**
 * @param system of machines that do not say theirs
 * @throws StoreError
 */
export function parseMachines(text: string, system: string): Machine[] {
  const machines: Machine[] = [];
  for (const rawLine of text.split('\n')) {
    for (const raw of rawLine.replace(/#.*/, '').split(';')) {
      const line = raw.trim();
      if (line === '') continue;
      if (line.startsWith('@')) machines.push(...parseMachines(readMachines(line.slice(1).trim()), system));
      else machines.push(parseMachine(line, system));
    }
  }
  return machines;
}

/** As Nix: a file that is not there names no machines. @throws StoreError */
function readMachines(file: string): string {
  try {
    return readFileSync(fromUtf8(file), 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new StoreError(`cannot read the machines in '${file}'`, { cause: error });
  }
}

function parseMachine(line: string, system: string): Machine {
  const fields = line.split(/[ \t]+/);
  const field = (index: number): string | undefined => (fields[index] === '-' ? undefined : fields[index]);
  const list = (index: number): string[] => (field(index) ?? '').split(',').filter((word) => word !== '');
  const bad = (what: string): StoreError => new StoreError(`bad machine specification: ${what} in column '${line}'`);
  const uri = field(0);
  if (uri === undefined) throw bad('store URL was not found');
  const jobs = field(3) ?? '1';
  if (!/^\d{1,9}$/.test(jobs)) throw bad('failed to convert the number of jobs');
  const speed = Number(field(4) ?? '1');
  if (!(speed >= 0)) throw bad('failed to convert the speed factor');
  const systems = list(1);
  const mandatoryFeatures = list(6);
  const supportedFeatures = list(5);
  const store = storeUri(uri, {
    ...(field(2) === undefined ? {} : { 'ssh-key': field(2)! }),
    ...(field(7) === undefined ? {} : { 'base64-ssh-public-host-key': field(7)! }),
    // What the machine's own store is to take for what it can.
    'system-features': [...supportedFeatures, ...mandatoryFeatures].join(' '),
  });
  return {
    uri: store,
    label: store.replace(/\?.*/s, ''),
    systems: systems.length === 0 ? [system] : systems,
    maxJobs: Number(jobs),
    speedFactor: speed === 0 ? 1 : speed,
    supportedFeatures,
    mandatoryFeatures,
  };
}

function storeUri(text: string, params: Readonly<Record<string, string>>): string {
  const question = text.indexOf('?');
  const base = question < 0 ? text : text.slice(0, question);
  const plain = base.includes('://') || base.startsWith('/') || base.startsWith('.') || storeWords.has(base);
  const given = Object.entries(params).filter(([, value]) => value !== '');
  const query = given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `${plain ? '' : 'ssh://'}${text}${query.length === 0 ? '' : `${question < 0 ? '?' : '&'}${query.join('&')}`}`;
}

/** Whether a machine takes what is of a system and asks for features. */
export function takes(machine: Machine, system: string, features: readonly string[]): boolean {
  const has = [...machine.supportedFeatures, ...machine.mandatoryFeatures];
  return (
    (system === 'builtin' || machine.systems.includes(system)) &&
    features.every((feature) => has.includes(feature)) &&
    machine.mandatoryFeatures.every((feature) => features.includes(feature))
  );
}
