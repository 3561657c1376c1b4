// Answers a registry's challenges: Basic with credentials, Bearer with a token that its realm gives for them (or for
// nobody in particular). Credentials are asked for once, when they are first needed.
// @see Docker registry v2 authentication, "Token" and "OAuth2"
import { utf8 } from '../../util/bytes.ts';
import type { Credentials } from './credentials.ts';
import { RegistryError, isLoopback, parseUrl, quoteAnswer, shownUrl } from './http.ts';
import type { HttpClient } from './http.ts';

interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Parameters of a `WWW-Authenticate` header: `Bearer realm="…",service="…",scope="…"`. */
export function parseChallenge(header: string): Challenge {
  const scheme = /^\s*([A-Za-z]+)/.exec(header)?.[1]?.toLowerCase() ?? '';
  const parameters = new Map<string, string>();
  for (const [, key, quoted, bare] of header.matchAll(/([a-zA-Z_]+)=(?:"([^"]*)"|([^",\s]+))/g)) {
    parameters.set(key!.toLowerCase(), quoted ?? bare ?? '');
  }
  return { scheme, parameters };
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

export interface AuthenticatorOptions {
  readonly http: HttpClient;
  /** For messages. */
  readonly domain: string;
  /** What tokens must allow: `repository:NAME:pull,push`. */
  readonly scopes: readonly string[];
  readonly credentials: () => Promise<Credentials | undefined>;
  /** Plain HTTP is fine for secrets, too. */
  readonly insecure: boolean;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  #credentials: Promise<Credentials | undefined> | undefined;
  /** Value of the header that the registry has last been content with, we hope. */
  #authorization: string | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** For the next request; nothing before the first challenge. */
  get header(): Readonly<Record<string, string>> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** @throws RegistryError where there is no answer to the challenge */
  async answer(header: string, registry: URL): Promise<void> {
    const { scheme, parameters } = parseChallenge(header);
    const { domain } = this.#options;
    const credentials = await (this.#credentials ??= this.#options.credentials());
    const unsafe = (url: URL): boolean => url.protocol === 'http:' && !isLoopback(url.host) && !this.#options.insecure;
    if (scheme === 'basic' && credentials !== undefined) {
      if (unsafe(registry)) throw new RegistryError(`credentials are not sent to '${domain}' over plain HTTP`);
      this.#authorization = basic(credentials);
      return;
    }
    const realm = parameters.get('realm');
    if (scheme !== 'bearer' || realm === undefined) {
      throw new RegistryError(`the registry '${domain}' wants credentials (${utf8(scheme) || 'no scheme'})`);
    }
    const url = parseUrl(realm);
    if (credentials !== undefined && unsafe(url)) {
      throw new RegistryError(`credentials are not sent to '${shownUrl(url)}' over plain HTTP`);
    }
    this.#authorization = `Bearer ${await this.#token(url, parameters, credentials)}`;
  }

  async #token(
    url: URL,
    parameters: ReadonlyMap<string, string>,
    credentials: Credentials | undefined,
  ): Promise<string> {
    const service = parameters.get('service');
    const asked = parameters.get('scope');
    const scopes = [...new Set([...this.#options.scopes, ...(asked === undefined ? [] : asked.split(' '))])];
    const { http } = this.#options;
    let response;
    if (credentials?.identityToken !== undefined) {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: credentials.identityToken,
        client_id: 'tsnix',
        scope: scopes.join(' '),
        ...(service === undefined ? {} : { service }),
      });
      response = await http.request({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(form.toString()),
      });
    } else {
      if (service !== undefined) url.searchParams.set('service', service);
      for (const scope of scopes) url.searchParams.append('scope', scope);
      const headers = credentials === undefined ? {} : { authorization: basic(credentials) };
      response = await http.request({ method: 'GET', url, headers });
    }
    const bytes = await response.bytes();
    if (response.status !== 200) {
      throw new RegistryError(`'${utf8(url.origin)}' gives no token: ${response.status} ${quoteAnswer(bytes)}`);
    }
    let answer: { token?: unknown; access_token?: unknown };
    try {
      answer = JSON.parse(bytes.toString()) as typeof answer;
    } catch {
      throw new RegistryError(`'${utf8(url.origin)}' gives no token: its answer is not JSON`);
    }
    const token = answer.token ?? answer.access_token;
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
      throw new RegistryError(`'${utf8(url.origin)}' gives no token`);
    }
    return token;
  }
}
