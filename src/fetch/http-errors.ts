// What goes wrong with HTTP, as data: who asks decides whether to try again, to do without, or to give up.
import { StoreError } from '../util/errors.ts';
import { utf8 } from '../util/bytes.ts';

/** unreachable: no server there; transient: may pass; missing: the server has not got it; refused: it won't give it. */
export type DownloadFailure = 'unreachable' | 'transient' | 'missing' | 'refused';

export class DownloadError extends StoreError {
  override readonly code = 'DOWNLOAD';
  readonly failure: DownloadFailure;
  constructor(message: string, failure: DownloadFailure, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.failure = failure;
  }
}

/** By status; caches on S3 say 403 for what they have not got. */
export function statusFailure(status: number): DownloadFailure {
  if (status === 404 || status === 410 || status === 403) return 'missing';
  if (status === 408 || status === 429 || status >= 500)
    return status === 501 || status === 505 ? 'refused' : 'transient';
  return 'refused';
}

/* Words and numbers of curl, which Nix's messages show. */
const reasons: Readonly<Record<string, readonly [text: string, failure: DownloadFailure]>> = {
  ENOTFOUND: ['Could not resolve hostname (6)', 'unreachable'],
  EAI_AGAIN: ['Could not resolve hostname (6)', 'unreachable'],
  ECONNREFUSED: ['Could not connect to server (7)', 'unreachable'],
  EHOSTUNREACH: ['Could not connect to server (7)', 'unreachable'],
  ENETUNREACH: ['Could not connect to server (7)', 'unreachable'],
  EADDRNOTAVAIL: ['Could not connect to server (7)', 'unreachable'],
  ETIMEDOUT: ['Timeout was reached (28)', 'unreachable'],
  ESTALLED: ['Timeout was reached (28): no data came for too long', 'transient'],
  ECONNRESET: ['Failure when receiving data from the peer (56)', 'transient'],
  EPIPE: ['Failed sending data to the peer (55)', 'transient'],
};

/** @param action `download`, `upload` */
export function transportError(action: string, url: string, error: unknown): DownloadError {
  if (error instanceof DownloadError) return error;
  // Several addresses of one name: an AggregateError, whose code is the first one's.
  const { code = '', message } = error as NodeJS.ErrnoException;
  const known = reasons[code];
  const [text, failure] =
    known ?? (isCertificateError(code) ? certificateFailure(message) : [utf8(message), 'transient']);
  return new DownloadError(`unable to ${action} '${url}': ${text}`, failure, error);
}

/** OpenSSL's and Node's codes for certificates that won't do. */
function isCertificateError(code: string): boolean {
  return /^ERR_(TLS|SSL)|CERT|SSL|UNABLE_TO_VERIFY|SELF_SIGNED|INVALID_(CA|PURPOSE)|PATH_LENGTH|HOSTNAME_MISMATCH/.test(
    code,
  );
}

function certificateFailure(message: string): readonly [string, DownloadFailure] {
  if (message.startsWith('Problem with the SSL CA cert')) return [utf8(message), 'refused'];
  // Node's advice is for who runs Node.
  const detail = message.replace(/; if the root CA is installed locally.*$/, '');
  return [`SSL peer certificate or SSH remote key was not OK (60): ${utf8(detail)}`, 'refused'];
}
