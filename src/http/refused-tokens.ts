import { minuteMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { Log } from '../logging/log.ts';

// A log line for refused tokens: one a minute for each address and token, and at most 20 a minute
// in all. The next line after a minute states how many were left out.

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

  /** @param tokenId the public part of the token; undefined for what is no token of ours */
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
