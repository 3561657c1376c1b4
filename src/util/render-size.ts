/** Bytes as Nix shows them: `0.1 KiB`, `3.4 MiB`; with `align` the number is six characters wide. */
export function renderSize(bytes: number, align = false): string {
  let unit = 0;
  for (let rest = Math.abs(bytes); rest > 1024 && unit < 8; rest = Math.trunc(rest / 1024)) unit++;
  unit = Math.max(1, unit);
  return `${(bytes / 1024 ** unit).toFixed(1).padStart(align ? 6 : 0)} ${' KMGTPEZY'[unit]!}iB`;
}
