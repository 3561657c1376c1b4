// The folder that this program was started in, where it works in another one: what it runs for the user runs there.
let folder: string | undefined;

/** Paths are relative to `other` from now on. */
export function workIn(other: string): void {
  folder ??= process.cwd();
  process.chdir(other);
}

export function callersFolder(): string {
  return folder ?? process.cwd();
}
