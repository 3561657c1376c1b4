// A real registry (Debian's docker-registry) on loopback, with a port and a directory of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export class TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly #child: ChildProcess;

  private constructor(host: string, child: ChildProcess) {
    this.host = host;
    this.#child = child;
  }

  /** @param more further settings, of its `http` section first */
  static async start(dir: string, more = ''): Promise<TestRegistry> {
    mkdirSync(dir, { recursive: true });
    const host = `127.0.0.1:${await freePort()}`;
    const config = join(dir, 'config.yml');
    writeFileSync(
      config,
      `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${join(dir, 'data')}\nhttp:\n  addr: ${host}\n${more}`,
    );
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    const registry = new TestRegistry(host, child);
    for (let attempt = 0; attempt < 200; attempt++) {
      if (child.exitCode !== null) throw new Error('docker-registry did not start');
      try {
        await fetch(`http://${host}/v2/`);
        return registry;
      } catch {
        // not yet: it opens its port when it is ready
        await setTimeout(50);
      }
    }
    registry.stop();
    throw new Error('docker-registry does not answer');
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
