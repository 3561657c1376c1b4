// Numbers of Nix's worker protocol that both sides know. See the Nix manual, "Worker Protocol".
export const workerMagic = { client: 0x6e697863, daemon: 0x6478696f } as const;
/** What we speak at most: (major << 8) | minor. */
export const workerVersion = (1 << 8) | 37;
/** Of Nix 2.4. */
export const oldestWorkerVersion = (1 << 8) | 25;

/** What a daemon tells while it works. */
export const frame = {
  last: 0x616c7473,
  next: 0x6f6c6d67,
  error: 0x63787470,
  read: 0x64617461,
  write: 0x64617416,
  startActivity: 0x53545254,
  stopActivity: 0x53544f50,
  result: 0x52534c54,
} as const;

export const operation = {
  isValidPath: 1,
  queryReferrers: 6,
  addToStore: 7,
  buildPaths: 9,
  ensurePath: 10,
  addTempRoot: 11,
  addIndirectRoot: 12,
  findRoots: 14,
  setOptions: 19,
  collectGarbage: 20,
  queryAllValidPaths: 23,
  queryPathInfo: 26,
  queryPathFromHashPart: 29,
  querySubstitutablePathInfos: 30,
  queryValidPaths: 31,
  querySubstitutablePaths: 32,
  queryValidDerivers: 33,
  optimiseStore: 34,
  verifyStore: 35,
  buildDerivation: 36,
  addSignatures: 37,
  narFromPath: 38,
  addToStoreNar: 39,
  queryMissing: 40,
  queryDerivationOutputMap: 41,
  addMultipleToStore: 44,
  addBuildLog: 45,
  buildPathsWithResults: 46,
  /** Between parts of this program only: no Nix has it. */
  queryReferenceGraph: 0x7473_6e69,
  queryBuildTrace: 0x7473_6e6a,
} as const;
