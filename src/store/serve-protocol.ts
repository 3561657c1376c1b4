// Nix's serve protocol: what `ssh HOST nix-store --serve` speaks, and what nix-copy-closure and `ssh://` stores ask it.
// Version 2.7. Requests are a number and its arguments; a failure has no form but the end of the connection.
export const serveMagic = { client: 0x390c9deb, server: 0x5452eecb } as const;
export const serveVersion = (2 << 8) | 7;

export const serveCommand = {
  queryValidPaths: 1,
  queryPathInfos: 2,
  dumpStorePath: 3,
  importPaths: 4,
  buildPaths: 6,
  queryClosure: 7,
  buildDerivation: 8,
  addToStoreNar: 9,
} as const;
