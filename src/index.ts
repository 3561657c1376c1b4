// The library: evaluate Nix from JavaScript. Works without a store and without writing anything: files are read where
// the machine has them (or given as a map), store paths are only computed. docs/api.md is its manual.
export * from './api/library.ts';
export {
  WorkerEvaluator,
  type AbortSource,
  type WorkerEvaluatorOptions,
  type WorkerRequestOptions,
} from './api/worker-evaluator.ts';
