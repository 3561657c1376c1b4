// NARs, all of it: writing (nar-dump.ts), reading (nar-parse.ts), unpacking (nar-restore.ts).
export { NarDumper, dumpNar, hashFile, hashNar, narChunks, narMaxDepth, narOfContents, narOfText } from './nar-dump.ts';
export type { FileType, NarHash, NarSink, PathFilter } from './nar-dump.ts';
export { NarParser, parseNar } from './nar-parse.ts';
export type { NarVisitor } from './nar-parse.ts';
export { NarRestorer, restoreNar, restoreNarFromFd, restoreNarStream } from './nar-restore.ts';
export type { RestoreOptions } from './nar-restore.ts';
