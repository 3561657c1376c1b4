// Entry of the start-up snapshot: Node runs this once, when the program is bundled, and keeps the heap. What is loaded
// and warmed here is there at once in every run. Nothing of the machine or the user may be asked for before main().
import { startupSnapshot } from 'node:v8';
import { allBuiltins } from '../builtins/index.ts';
import { Evaluator } from '../eval/evaluator.ts';
import { MemoryEvalIo } from '../eval/memory-io.ts';
import { setPackageRoot } from '../util/program-files.ts';
import { symbolCount } from '../util/symbols.ts';
import { dirname } from 'node:path';
import { run } from './run.ts';
import './session.ts';
import './legacy/nix-instantiate.ts';

// Modules of Node that most commands use, and that are costly to load. node:sqlite cannot be in a snapshot.
for (const name of ['node:crypto', 'node:child_process', 'node:worker_threads']) process.getBuiltinModule(name);

// Builds the parser's tables and compiles the hot paths. Only names that every evaluator has: numbers of symbols
// decide in which order sets are compared.
const before = new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins }) && symbolCount();
const sample = `
  let map = name: { system, args ? [ 1 2.5 ], ... }: with builtins; assert true; if args == [ ] && !false || true then
    name + "x\${toString 1}" + ''
      y \${system}
    '' else rec { inherit name; inherit (args) length; type = head args; value = type // { path = ./a; }; }.value.path or null;
  in [ (map "a" { system = "s"; }) (- 1 * 2 / 3 < 4) (builtins ? name) ] ++ [ ]`;
for (let i = 0; i < 3; i++) {
  const evaluator = new Evaluator({ io: new MemoryEvalIo(), builtins: allBuiltins });
  evaluator.forceDeep(evaluator.evalString(sample, '/', { kind: 'string' }));
}
if (symbolCount() !== before) throw new Error('the sample of the snapshot makes new symbols');

async function main(): Promise<void> {
  setPackageRoot(dirname(dirname(process.argv[1]!)));
  process.exitCode = await run(process.argv.slice(2));
}

startupSnapshot.setDeserializeMainFunction(() => void main());
