// A child process of evaluation: fetches Git LFS objects into a folder, each under its hash. Standard input: LfsRequest;
// prints LfsReply. (API: git-lfs's docs/api/batch.md.)
import { createHash } from 'node:crypto';
import { createWriteStream, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { toBuffer, utf8 } from '../util/bytes.ts';
import { NixError, StoreError } from '../util/errors.ts';
import { HttpClient } from './http-client.ts';
import type { DownloadSettings } from './http-settings.ts';

export interface LfsRequest {
  readonly url: string;
  readonly authorization?: string;
  readonly objects: readonly { readonly oid: string; readonly size: number }[];
  /** The folder. */
  readonly cache: string;
  readonly settings: DownloadSettings;
}

/** Texts are byte strings. */
export interface LfsReply {
  readonly warnings: readonly string[];
  readonly failure?: string;
}

/** What a server says of one object. */
interface Answer {
  readonly oid?: unknown;
  readonly size?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown };
  readonly actions?: {
    readonly download?: { readonly href?: unknown; readonly header?: Readonly<Record<string, string>> };
  };
}

/** Objects in one question; servers refuse more. */
const BATCH = 100;
const TYPE = 'application/vnd.git-lfs+json';
const MAX_ANSWER = 1 << 24;

async function fetchAll({ url, authorization, objects, cache }: LfsRequest, client: HttpClient): Promise<void> {
  for (let i = 0; i < objects.length; i += BATCH) {
    const some = objects.slice(i, i + BATCH);
    const answers = await ask(`${url}/objects/batch`, authorization, some, client);
    for (const object of some) {
      await fetchObject(
        answers.find(({ oid }) => oid === object.oid),
        object,
        cache,
        client,
      );
    }
  }
}

async function ask(
  url: string,
  authorization: string | undefined,
  objects: LfsRequest['objects'],
  client: HttpClient,
): Promise<readonly Answer[]> {
  const body = Buffer.from(JSON.stringify({ objects, operation: 'download', transfers: ['basic'] }));
  const response = await client.request(url, {
    method: 'POST',
    headers: { 'content-type': TYPE, accept: TYPE, 'content-length': String(body.length) },
    ...(authorization === undefined ? {} : { secretHeaders: { authorization } }),
    body: () => [body],
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if ((size += chunk.length) > MAX_ANSWER) throw new StoreError(`the answer of '${url}' is too large`);
    chunks.push(chunk);
  }
  let answer: { objects?: unknown } | null;
  try {
    answer = JSON.parse(Buffer.concat(chunks).toString()) as typeof answer;
  } catch (error) {
    throw new StoreError(`response did not parse as json: ${utf8((error as Error).message)}`);
  }
  if (!Array.isArray(answer?.objects)) throw new StoreError("response does not contain 'objects'");
  return answer.objects as Answer[];
}

async function fetchObject(
  answer: Answer | undefined,
  { oid, size }: LfsRequest['objects'][number],
  cache: string,
  client: HttpClient,
): Promise<void> {
  if (answer?.size !== size) {
    const got = `got oid=${String(answer?.oid)} size=${String(answer?.size)}`;
    throw new StoreError(`LFS server returned mismatched oid/size (${got}, expected oid=${oid} size=${size})`);
  }
  const { href, header } = answer.actions?.download ?? {};
  if (typeof href !== 'string') {
    const { code, message } = answer.error ?? {};
    throw new StoreError(
      answer.error === undefined
        ? `bad json from /info/lfs/objects/batch: ${utf8(JSON.stringify(answer))}`
        : `the LFS server has no object '${oid}': ${utf8(String(message))} (${String(code)})`,
    );
  }
  const authorization = header?.['Authorization'];
  const temporary = join(cache, `.${oid}-${process.pid}`);
  const hash = createHash('sha256');
  let received = 0;
  try {
    const stream = client.stream(utf8(href), {
      ...(authorization === undefined ? {} : { secretHeaders: { authorization } }),
    });
    const counted = async function* (): AsyncGenerator<Buffer, void> {
      for await (const chunk of stream) {
        received += chunk.length;
        if (received > size) break;
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(Readable.from(counted()), createWriteStream(temporary, { flags: 'wx', mode: 0o644 }));
    if (received !== size) {
      const got = received > size ? 'more' : String(received);
      throw new StoreError(`size mismatch while fetching ${utf8(href)}: expected ${size} but got ${got}`);
    }
    const actual = hash.digest('hex');
    if (actual !== oid) {
      throw new StoreError(
        `hash mismatch while fetching ${utf8(href)}: expected sha256:${oid} but got sha256:${actual}`,
      );
    }
    renameSync(temporary, join(cache, oid));
  } finally {
    rmSync(temporary, { force: true });
  }
}

async function main(): Promise<void> {
  const request = JSON.parse(readFileSync(0, 'utf8')) as LfsRequest;
  const warnings: string[] = [];
  const client = new HttpClient({ ...request.settings, warn: (message) => void warnings.push(message) });
  let reply: LfsReply = { warnings };
  try {
    await fetchAll(request, client);
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    reply = { warnings, failure: error.message };
  } finally {
    client.close();
  }
  process.stdout.write(JSON.stringify(reply));
}

try {
  await main();
} catch (error) {
  process.stderr.write(toBuffer(`${utf8((error as Error).message)}\n`));
  process.exitCode = 1;
}
