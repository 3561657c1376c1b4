// Builds by real Nix that take their tools from this machine's /usr (test/oracle/seed/host-packages.nix).

/** For nix-build and for tsnix. */
export const HOST_PROGRAMS: readonly string[] = [
  ...['--option', 'sandbox', 'true', '--option', 'substitute', 'false'],
  ...['--option', 'sandbox-paths', '/bin /usr /lib /lib64'],
];

/** Besides, for nix-build: no users of its own to build as. */
export const NIX_BUILD: readonly string[] = [...HOST_PROGRAMS, '--option', 'build-users-group', '', '--no-out-link'];
