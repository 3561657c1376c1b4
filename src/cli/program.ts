// Entry of the bundled program: dist/main.cjs has looked at the Node that runs it.
import { run } from './run.ts';

void run(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
