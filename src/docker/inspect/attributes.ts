// Modes and times as people read them.

export function printMode(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** ISO 8601, UTC. @param time Unix seconds */
export function printTime(time: number): string {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString().replace('.000Z', 'Z');
}
