// What the evaluator uses of node:crypto, for machines without it: hashes of whole texts. Web Crypto has no md5, and
// is asynchronous, which evaluation is not. RFC 1321, FIPS 180-4.
import { Buffer } from './buffer.ts';

type Algorithm = 'md5' | 'sha1' | 'sha256' | 'sha512';

export function hash(algorithm: Algorithm, bytes: Uint8Array, encoding: 'buffer' | 'hex'): Uint8Array | string {
  const digest = digests[algorithm](bytes);
  return encoding === 'hex' ? digest.toString('hex') : digest;
}

export function createHash(algorithm: Algorithm): { update(chunk: Uint8Array): void; digest(): Uint8Array } {
  const chunks: Uint8Array[] = [];
  return {
    update: (chunk) => {
      chunks.push(chunk.slice());
    },
    digest: () => digests[algorithm](Buffer.concat(chunks)),
  };
}

const digests: Readonly<Record<Algorithm, (bytes: Uint8Array) => Buffer>> = { md5, sha1, sha256, sha512 };

/** The first primes: the constants of SHA-2 are bits of their roots. */
function primes(count: number): bigint[] {
  const out: bigint[] = [];
  for (let n = 2n; out.length < count; n++) if (out.every((p) => n % p !== 0n)) out.push(n);
  return out;
}

/** floor(n^(1/k) * 2^bits) mod 2^bits. */
function rootBits(n: bigint, k: bigint, bits: bigint): bigint {
  const target = n << (k * bits);
  let low = 0n;
  let high = 1n << (bits + 5n);
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** k <= target) low = middle;
    else high = middle - 1n;
  }
  return BigInt.asUintN(Number(bits), low);
}

/** The message, 0x80, zeros, and its length in bits at the end of a block. */
function padded(bytes: Uint8Array, block: 64 | 128, littleEndian: boolean): DataView {
  const lengthBytes = block / 8;
  const out = new Uint8Array(Math.ceil((bytes.length + 1 + lengthBytes) / block) * block);
  out.set(bytes);
  out[bytes.length] = 0x80;
  const view = new DataView(out.buffer);
  view.setBigUint64(out.length - 8, BigInt(bytes.length) * 8n, littleEndian);
  return view;
}

const rotl = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
const rotr = (x: number, n: number): number => rotl(x, 32 - n);

function words(state: readonly number[], littleEndian: boolean): Buffer {
  const out = Buffer.alloc(state.length * 4);
  const view = new DataView(out.buffer);
  state.forEach((word, i) => {
    view.setUint32(4 * i, word, littleEndian);
  });
  return out;
}

const md5Shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

function md5(bytes: Uint8Array): Buffer {
  const view = padded(bytes, 64, true);
  const table = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let at = 0; at < view.byteLength; at += 64) {
    let [a, b, c, d] = state as [number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const f =
        round === 0 ? (b & c) | (~b & d) : round === 1 ? (d & b) | (~d & c) : round === 2 ? b ^ c ^ d : c ^ (b | ~d);
      const g = round === 0 ? i : round === 1 ? (5 * i + 1) & 15 : round === 2 ? (3 * i + 5) & 15 : (7 * i) & 15;
      const sum = (a + f + table[i]! + view.getUint32(at + 4 * g, true)) | 0;
      a = d;
      d = c;
      c = b;
      b = (b + rotl(sum, md5Shifts[round * 4 + (i & 3)]!)) | 0;
    }
    [a, b, c, d].forEach((word, i) => (state[i] = (state[i]! + word) | 0));
  }
  return words(state, true);
}

function sha1(bytes: Uint8Array): Buffer {
  const view = padded(bytes, 64, false);
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const w = new Int32Array(80);
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 80; i++) {
      w[i] = i < 16 ? view.getInt32(at + 4 * i) : rotl(w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!, 1);
    }
    let [a, b, c, d, e] = state as [number, number, number, number, number];
    for (let i = 0; i < 80; i++) {
      const f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
      const k = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6][Math.floor(i / 20)]!;
      const next = (rotl(a, 5) + f + e + k + w[i]!) | 0;
      e = d;
      d = c;
      c = rotl(b, 30);
      b = a;
      a = next;
    }
    [a, b, c, d, e].forEach((word, i) => (state[i] = (state[i]! + word) | 0));
  }
  return words(state, false);
}

let sha256Constants: { readonly k: Int32Array; readonly start: readonly number[] } | undefined;

function sha256(bytes: Uint8Array): Buffer {
  sha256Constants ??= {
    k: Int32Array.from(primes(64), (p) => Number(BigInt.asIntN(32, rootBits(p, 3n, 32n)))),
    start: primes(8).map((p) => Number(rootBits(p, 2n, 32n))),
  };
  const { k, start } = sha256Constants;
  const view = padded(bytes, 64, false);
  const state = [...start];
  const w = new Int32Array(64);
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        w[i] = view.getInt32(at + 4 * i);
        continue;
      }
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = rotr(x, 7) ^ rotr(x, 18) ^ (x >>> 3);
      const s1 = rotr(y, 17) ^ rotr(y, 19) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k[i]! + w[i]!) | 0;
      const t2 = ((rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = (state[i]! + word) | 0));
  }
  return words(state, false);
}

let sha512Constants: { readonly k: readonly bigint[]; readonly start: readonly bigint[] } | undefined;

/** With bigints: slow, and rarely asked for. */
function sha512(bytes: Uint8Array): Buffer {
  sha512Constants ??= {
    k: primes(80).map((p) => rootBits(p, 3n, 64n)),
    start: primes(8).map((p) => rootBits(p, 2n, 64n)),
  };
  const { k, start } = sha512Constants;
  const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
  const turn = (x: bigint, n: bigint): bigint => (x >> n) | u64(x << (64n - n));
  const view = padded(bytes, 128, false);
  const state = [...start];
  const w: bigint[] = [];
  for (let at = 0; at < view.byteLength; at += 128) {
    for (let i = 0; i < 80; i++) {
      if (i < 16) {
        w[i] = view.getBigUint64(at + 8 * i);
        continue;
      }
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = turn(x, 1n) ^ turn(x, 8n) ^ (x >> 7n);
      const s1 = turn(y, 19n) ^ turn(y, 61n) ^ (y >> 6n);
      w[i] = u64(w[i - 16]! + s0 + w[i - 7]! + s1);
    }
    let [a, b, c, d, e, f, g, h] = state as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
    for (let i = 0; i < 80; i++) {
      const s1 = turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n);
      const t1 = h + s1 + ((e & f) ^ (u64(~e) & g)) + k[i]! + w[i]!;
      const t2 = (turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = u64(d + t1);
      d = c;
      c = b;
      b = a;
      a = u64(t1 + t2);
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = u64(state[i]! + word)));
  }
  const out = Buffer.alloc(64);
  state.forEach((word, i) => {
    new DataView(out.buffer).setBigUint64(8 * i, word);
  });
  return out;
}
