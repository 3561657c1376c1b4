// The library for browsers and other runtimes without Node's modules: the same, without files of the machine, stores
// and threads. scripts/build.ts puts this folder's modules in the place of Node's.
export * from '../api/library.ts';
