import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// A count of requests for each key, in windows of a minute. The window follows a monotonic clock,
// so that a corrected wall clock neither extends nor ends it.

export interface RateLimitResult {
  readonly isExceeded: boolean;
  readonly remaining: number;
  /** Seconds until the window ends. */
  readonly resetS: number;
}

/** 100,000 addresses and tokens take about 20 MB. Beyond that the oldest count is dropped. */
const keysMax = 100_000;

export class RateLimiter {
  readonly #elapsedMs: () => number;
  readonly #counts = new Map<string, number>();
  #windowMs = 0;

  /** @param elapsedMs milliseconds on a monotonic clock */
  constructor(elapsedMs: () => number = stopwatch()) {
    this.#elapsedMs = elapsedMs;
  }

  /** Counts one request of `key`. */
  count(key: string, max: number): RateLimitResult {
    const now = this.#elapsedMs();
    if (now - this.#windowMs >= minuteMs) {
      this.#counts.clear();
      this.#windowMs = now;
    }
    const requests = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, requests);
    if (this.#counts.size > keysMax) this.#dropOldest();
    return {
      isExceeded: requests > max,
      remaining: Math.max(0, max - requests),
      resetS: Math.ceil((this.#windowMs + minuteMs - now) / secondMs),
    };
  }

  #dropOldest(): void {
    for (const key of this.#counts.keys()) {
      this.#counts.delete(key);
      return;
    }
  }
}
