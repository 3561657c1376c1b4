// Where the command line's own files lie, and how it starts itself again.
import { join } from 'node:path';
import { packageRoot } from '../util/program-files.ts';

declare const TSNIX_BUILD: string | undefined;

/** What this program is, by the hash of its sources: part of what caches are valid for. Undefined from the sources. */
export function buildIdentity(): string | undefined {
  return typeof TSNIX_BUILD === 'undefined' ? undefined : TSNIX_BUILD;
}

/** lib/: the Nix files that ship with tsnix. */
export function embeddedLibrary(): string {
  return join(packageRoot(), 'lib');
}

let self: readonly string[] | undefined;

/** For threads, which do not know how their program was started. */
export function setSelfCommand(command: readonly string[]): void {
  self = command.slice(0, -1);
}

/** A command line that starts this very program again under `name`, with the same Node and stack. */
export function selfCommand(name: string): string[] {
  return [...(self ?? [process.execPath, ...process.execArgv, process.argv[1]!]), name];
}

let environment: NodeJS.ProcessEnv = {};

/** Variables that only this program itself wants when it starts (src/cli/snapshot.ts). */
export function setSelfEnvironment(variables: NodeJS.ProcessEnv): void {
  environment = variables;
}

/** What `selfCommand` is best started with, besides this process's own variables. */
export function selfEnvironment(): NodeJS.ProcessEnv {
  return environment;
}
