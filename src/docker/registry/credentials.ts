// Who we are to a registry: what `docker login`, `podman login` and credential helpers have left. Nothing is ever written.
// @see docker-login(1), containers-auth.json(5), docker/docker-credential-helpers, "Usage"
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { utf8 } from '../../util/bytes.ts';
import { RegistryError } from './http.ts';
import type { Repository } from '../image-reference.ts';
import { homeDir, xdgHome } from '../../util/user-dirs.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token of OAuth, in place of a password. */
  readonly identityToken?: string;
}

export interface CredentialOptions {
  /** `USER:PASSWORD` of the command line. */
  readonly given?: string | undefined;
  /** The one file to look into (--authfile). */
  readonly authFile?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

interface AuthFile {
  readonly auths?: Readonly<Record<string, unknown>>;
  readonly credHelpers?: Readonly<Record<string, unknown>>;
  readonly credsStore?: unknown;
}

/** What Docker Hub goes by in these files. */
const DOCKER_HUB = 'https://index.docker.io/v1/';
const HELPER_MS = 30_000;

/** Files in order of precedence; one that the user names must be there. */
function authFiles({ authFile, environment }: CredentialOptions): { path: string; required: boolean }[] {
  if (authFile !== undefined) return [{ path: authFile, required: true }];
  const named = environment['REGISTRY_AUTH_FILE'];
  if (named !== undefined && named !== '') return [{ path: named, required: false }];
  const run = environment['XDG_RUNTIME_DIR'];
  return [
    ...(run === undefined || run === '' ? [] : [join(run, 'containers/auth.json')]),
    join(xdgHome(environment, 'CONFIG'), 'containers/auth.json'),
    join(environment['DOCKER_CONFIG'] ?? join(homeDir(environment), '.docker'), 'config.json'),
  ].map((path) => ({ path, required: false }));
}

function readAuthFile(path: string, required: boolean): AuthFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!required && (code === 'ENOENT' || code === 'ENOTDIR')) return {};
    throw new RegistryError(`cannot read credentials: ${utf8(message)}`, { cause: error });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // falls through to the error below
  }
  throw new RegistryError(`cannot read credentials: '${utf8(path)}' is not a JSON object`);
}

/** Keys that stand for a repository, the most exact first: `host/a/b`, `host/a`, `host`, and what else a host goes by. */
function keysFor({ domain, path }: Repository): string[] {
  const keys: string[] = [];
  const parts = path.split('/');
  for (let i = parts.length; i > 0; i--) keys.push(`${domain}/${parts.slice(0, i).join('/')}`);
  keys.push(domain, `https://${domain}`, `https://${domain}/`, `https://${domain}/v1/`, `https://${domain}/v2/`);
  if (domain === 'docker.io') keys.push(DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io');
  return keys;
}

function decodeAuth(entry: unknown, path: string): Credentials | undefined {
  const { auth, identitytoken, username, password } = (entry ?? {}) as Record<string, unknown>;
  const identityToken =
    typeof identitytoken === 'string' && identitytoken !== '' ? { identityToken: identitytoken } : {};
  if (typeof auth === 'string' && auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString();
    const colon = decoded.indexOf(':');
    if (colon < 0) throw new RegistryError(`'${utf8(path)}' holds credentials that are not USER:PASSWORD in base64`);
    // docker pads with NULs.
    const secret = decoded.slice(colon + 1).replace(/\0+$/, '');
    return { username: decoded.slice(0, colon), password: secret, ...identityToken };
  }
  if (typeof username === 'string' && typeof password === 'string') return { username, password, ...identityToken };
  return 'identityToken' in identityToken ? { username: '', password: '', ...identityToken } : undefined;
}

/** Asks `docker-credential-NAME`; undefined where it knows nobody. */
async function askHelper(name: string, server: string): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(name))
    throw new RegistryError(`'${utf8(name)}' is not a legal name of a credential helper`);
  const program = `docker-credential-${name}`;
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'pipe'], timeout: HELPER_MS });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (out = (out + chunk).slice(0, 1 << 20)));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (err = (err + chunk).slice(0, 1 << 16)));
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${server}\n`);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => {
      reject(new RegistryError(`cannot run '${program}': ${utf8(error.message)}`, { cause: error }));
    });
    child.once('close', resolve);
  });
  if (status !== 0) {
    // Helpers say so on standard output.
    if (/credentials not found/i.test(out + err)) return undefined;
    throw new RegistryError(`'${program}' failed: ${utf8((err || out).trim().slice(0, 200))}`);
  }
  let answer: { Username?: unknown; Secret?: unknown };
  try {
    answer = JSON.parse(out) as typeof answer;
  } catch {
    throw new RegistryError(`'${program}' answers with something that is not JSON`);
  }
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw new RegistryError(`'${program}' gives no credentials`);
  return username === '<token>'
    ? { username: '', password: '', identityToken: secret }
    : { username, password: secret };
}

/**
 * Credentials for a repository; undefined for nobody in particular.
 * @throws RegistryError where a file or helper that should have them can't be read
 */
export async function findCredentials(
  repository: Repository,
  options: CredentialOptions,
): Promise<Credentials | undefined> {
  if (options.given !== undefined) {
    const colon = options.given.indexOf(':');
    return colon < 0
      ? { username: options.given, password: '' }
      : { username: options.given.slice(0, colon), password: options.given.slice(colon + 1) };
  }
  const keys = keysFor(repository);
  const server = repository.domain === 'docker.io' ? DOCKER_HUB : repository.domain;
  for (const { path, required } of authFiles(options)) {
    const file = readAuthFile(path, required);
    const helper = keys.map((key) => file.credHelpers?.[key]).find((name) => typeof name === 'string' && name !== '');
    if (typeof helper === 'string') return await askHelper(helper, server);
    const key = keys.find((candidate) => file.auths?.[candidate] !== undefined);
    const found = key === undefined ? undefined : decodeAuth(file.auths![key], path);
    if (found !== undefined) return found;
    if (typeof file.credsStore === 'string' && file.credsStore !== '') {
      const stored = await askHelper(file.credsStore, server);
      if (stored !== undefined) return stored;
    }
  }
  return undefined;
}
