// A long text in the making. V8 keeps `a += b` as a tree until somebody reads it, 32 bytes a piece, which a text of
// millions of pieces pays for in every garbage collection; here the tree stays small.

/** Text is made flat in pieces of this many characters. */
const CHUNK = 1 << 13;

export class TextBuilder {
  private readonly chunks: string[] = [];
  private chunked = 0;
  private text = '';

  add(piece: string): void {
    this.text += piece;
    if (this.text.length >= CHUNK) this.flatten();
  }

  private flatten(): void {
    const { text } = this;
    text.charCodeAt(text.length - 1); // V8 makes a tree flat where it has to look into it
    this.chunks.push(text);
    this.chunked += text.length;
    this.text = '';
  }

  get length(): number {
    return this.chunked + this.text.length;
  }

  /** What was added so far. */
  get(): string {
    return this.chunks.length === 0 ? this.text : this.chunks.join('') + this.text;
  }
}
