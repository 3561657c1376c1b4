// Lines of what comes in pieces.

/** Splits bytes that come in chunks into lines. */
export class LineSplitter {
  private rest = '';

  /** Whole lines, without their ends. */
  push(chunk: string): string[] {
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop()!;
    return lines;
  }

  /** What came after the last end of a line. */
  end(): string {
    const { rest } = this;
    this.rest = '';
    return rest;
  }
}
