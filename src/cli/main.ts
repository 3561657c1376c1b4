// Entry of the bundle. Must parse, and speak, on an old Node: so it imports nothing that one lacks before it has looked.
import { enableCompileCache } from 'node:module';
import { cacheDir } from './cache-dir.ts';

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(`tsnix: needs Node >= 24, but this is Node ${process.versions.node}\n`);
  process.exit(1);
}
enableCompileCache(`${cacheDir()}/compile`);
const { run } = await import('./run.ts');
process.exitCode = await run(process.argv.slice(2));
