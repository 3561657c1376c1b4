// Entry of the bundle. Must parse, and speak, on an old Node: so it imports nothing before it has looked.
const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(`tsnix: needs Node >= 24, but this is Node ${process.versions.node}\n`);
  process.exit(1);
}
const { enableCompileCache } = await import('node:module');
const { cacheDir } = await import('./cache-dir.ts');
enableCompileCache?.(`${cacheDir()}/compile`);
const { run } = await import('./run.ts');
process.exitCode = await run(process.argv.slice(2));

export {};
