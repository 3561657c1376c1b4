// Sizes as people read them, in powers of a thousand as images are measured.

export function humanSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  for (; value >= 999.5 && unit < 3; unit++) value /= 1000;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${['kB', 'MB', 'GB', 'TB'][unit]!}`;
}

/** `+1.5 MB`, `-3 B`. */
export function humanDifference(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${humanSize(Math.abs(bytes))}`;
}
