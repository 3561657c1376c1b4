// Entry from the sources (scripts/dev). The bundle has one of its own, dist/main.cjs, which scripts/build.ts writes.
import { run } from './run.ts';

process.exitCode = await run(process.argv.slice(2));
