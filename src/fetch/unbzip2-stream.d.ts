// The parts of unbzip2-stream that decompress.ts uses: it has no types of its own.
declare module 'unbzip2-stream/lib/bit_iterator.js' {
  /** Reads `n` bits; null skips to the next byte. `bytesRead` counts bytes begun. */
  export type BitReader = ((n: number | null) => number) & { bytesRead: number };
  const bitIterator: (nextBuffer: () => Uint8Array) => BitReader;
  export default bitIterator;
}
declare module 'unbzip2-stream/lib/bzip2.js' {
  import type { BitReader } from 'unbzip2-stream/lib/bit_iterator.js';
  const bzip2: {
    /** Block size in units of 100,000 bytes. */
    header(bits: BitReader): number;
    /** One block; the stream's checksum so far, or null at its end. */
    decompress(
      bits: BitReader,
      write: (byte: number) => void,
      buffer: Int32Array,
      bufferSize: number,
      checksum: number,
    ): number | null;
  };
  export default bzip2;
}
