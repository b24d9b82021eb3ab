/** The progress of long work on stderr: in place on a terminal, else one line per second. */
export class ProgressLine {
  readonly #stream = process.stderr;
  readonly #everyMs: number;
  #shownAt = 0;

  constructor() {
    this.#everyMs = this.#stream.isTTY ? 100 : 1_000;
    // Work that ends within the first interval shows no progress.
    this.#shownAt = performance.now();
  }

  /** Shows the text, at most once per interval. */
  show(text: () => string): void {
    const at = performance.now();
    if (at - this.#shownAt < this.#everyMs) return;
    this.#shownAt = at;
    this.#stream.write(this.#stream.isTTY ? `\r\u001b[K${text()}` : `${text()}\n`);
  }

  /** Clears the line on the terminal for the result. */
  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[K');
  }
}
