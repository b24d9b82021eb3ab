import { minuteMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { Log } from '../logging/log.ts';

// Logs refused tokens: one line per minute for each address and token, and at most 20 per minute in
// total. The first line after a minute states the number of skipped lines.

const linesMax = 20;

export class RefusedTokens {
  readonly #log: Pick<Log, 'warn'>;
  readonly #elapsedMs: () => number;
  readonly #seen = new Set<string>();
  #windowMs = 0;
  #leftOut = 0;

  constructor(log: Pick<Log, 'warn'>, elapsedMs: () => number = stopwatch()) {
    this.#log = log;
    this.#elapsedMs = elapsedMs;
  }

  /** @param tokenId the public part of the token; undefined if the text is not a token */
  add(address: string, tokenId: string | undefined, route: string): void {
    const now = this.#elapsedMs();
    if (now - this.#windowMs >= minuteMs) {
      this.#seen.clear();
      this.#windowMs = now;
    }
    const key = `${address} ${tokenId ?? ''}`;
    if (this.#seen.has(key) || this.#seen.size >= linesMax) {
      this.#leftOut += 1;
      return;
    }
    this.#seen.add(key);
    const about = { address, tokenId: tokenId ?? null, route, leftOut: this.#leftOut };
    this.#log.warn(about, 'token refused');
    this.#leftOut = 0;
  }
}
