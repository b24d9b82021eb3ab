import { minuteMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { Metric } from '../runs/metrics.ts';

/** After a failed read. */
const retryMs = minuteMs;

/**
 * Metrics that cost too much for every scrape. They are read again if they are older than
 * `ageMaxMs`, once for all scrapes that wait. A failed read removes them for a minute, so the other
 * metrics stay, and no value is older than its age.
 */
export class FigureCache {
  readonly #readNow: () => Promise<readonly Metric[]>;
  readonly #ageMaxMs: number;
  readonly #logFailure: (error: unknown) => void;
  #metrics: readonly Metric[] = [];
  #ageMs = () => Number.POSITIVE_INFINITY;
  #dueMs = 0;
  #pending: Promise<void> | undefined;

  constructor(
    readNow: () => Promise<readonly Metric[]>,
    ageMaxMs: number,
    logFailure: (error: unknown) => void,
  ) {
    this.#readNow = readNow;
    this.#ageMaxMs = ageMaxMs;
    this.#logFailure = logFailure;
  }

  async read(): Promise<readonly Metric[]> {
    if (this.#ageMs() >= this.#dueMs) {
      this.#pending ??= this.#refresh();
      await this.#pending;
    }
    return this.#metrics;
  }

  async #refresh(): Promise<void> {
    try {
      this.#metrics = await this.#readNow();
      this.#dueMs = this.#ageMaxMs;
    } catch (error) {
      this.#logFailure(error);
      this.#metrics = [];
      this.#dueMs = retryMs;
    } finally {
      this.#ageMs = stopwatch();
      this.#pending = undefined;
    }
  }
}
