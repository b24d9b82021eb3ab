/** How far long work is, on stderr: in place on a terminal, else a line a second. */
export class ProgressLine {
  readonly #stream = process.stderr;
  readonly #everyMs: number;
  #shownAt = 0;

  constructor() {
    this.#everyMs = this.#stream.isTTY ? 100 : 1_000;
    // Work that is over within the first interval says nothing.
    this.#shownAt = performance.now();
  }

  /** Says it, unless it said something just now. */
  show(text: () => string): void {
    const at = performance.now();
    if (at - this.#shownAt < this.#everyMs) return;
    this.#shownAt = at;
    this.#stream.write(this.#stream.isTTY ? `\r\u001b[K${text()}` : `${text()}\n`);
  }

  /** Clears what stands on the terminal, so that the result has the line. */
  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[K');
  }
}
