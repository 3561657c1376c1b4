const units = ' KMGTPEZY';

/** As Nix cuts it: `K` also below 1 KiB. */
function unitIndex(bytes: number): number {
  let unit = 0;
  for (let rest = Math.abs(bytes); rest > 1024 && unit < 8; rest = Math.trunc(rest / 1024)) unit++;
  return Math.max(1, unit);
}

/** `K`, `M` … */
export function sizeUnit(bytes: number): string {
  return units[unitIndex(bytes)]!;
}

/** `3.4`, of such units. */
export function sizeInUnit(bytes: number, unit: string): string {
  return (bytes / 1024 ** units.indexOf(unit)).toFixed(1);
}

/** Bytes as Nix shows them: `0.1 KiB`, `3.4 MiB`; with `align` the number is six characters wide. */
export function renderSize(bytes: number, align = false): string {
  const unit = sizeUnit(bytes);
  return `${sizeInUnit(bytes, unit).padStart(align ? 6 : 0)} ${unit}iB`;
}
