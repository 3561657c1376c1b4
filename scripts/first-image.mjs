// What `npm start` says about the image it has built: where it is, how to load and run it.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';

const [file = 'image.tar.gz'] = process.argv.slice(2);
const path = resolve(file);
const megabytes = (statSync(path).size / 1e6).toFixed(1);

console.log(`
An image of this machine's bash and coreutils, built in a sandbox: ${path} (${megabytes} MB)

Load and run it:
  docker load < ${file} && docker run --rm -it bash:latest
  podman load < ${file} && podman run --rm -it localhost/bash:latest

Look into it:
  bin/tsnix image explain ${file}
  skopeo inspect docker-archive:${file}      (after gzip -d, where skopeo is older than 1.10)

Next: bin/tsnix build --help, and lib/images.nix for how the image is written.`);
