// Sizes and times as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 MiB`. */
export function printSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${UNITS[unit]!}`;
}

/** `+1.5 MiB`, `-3 B`. */
export function printDifference(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${printSize(Math.abs(bytes))}`;
}

export function printMode(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** ISO 8601, UTC. @param time Unix seconds */
export function printTime(time: number): string {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString().replace('.000Z', 'Z');
}
