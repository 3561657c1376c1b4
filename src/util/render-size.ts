// Sizes for people, as Nix prints them: one decimal, binary units, KiB at least.

const units = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/** `1.5 MiB`; with `align` the number is six characters wide. */
export function renderSize(bytes: number, align = false): string {
  let unit = 0;
  for (let rest = Math.abs(bytes); rest > 1024 && unit < units.length - 1; rest = Math.floor(rest / 1024)) unit++;
  const power = Math.max(1, unit);
  return `${(bytes / 1024 ** power).toFixed(1).padStart(align ? 6 : 0)} ${units[power]!}iB`;
}
