import type { Db } from '../../db/connect.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import type { SendOutcome } from '../../notifications/channels/channel.ts';
import { type CourierLease, writeBackoff } from './lease.ts';
import { isNeutral, toBackoffState } from './rule.ts';

// What a gateway said of itself, as this process knows it: how often it failed in a row, and until when
// nothing is sent. Heeded at once and by a stopwatch, whatever the database does: notices are
// claimed meanwhile. The row, by which other replicas and whoever delivers next go, follows as soon
// as the database can. It outlives the couriers of its process: one whose connection is lost ends, and
// that is when the row may not have it yet.

export class Backoff {
  readonly #elapsedMs = stopwatch();
  #untilMs = 0;
  #failures = 0;
  #error: string | null = null;
  #reason = '';
  /** How often something was learnt here, and how much of it is in the row. */
  #observed = 0;
  #written = 0;
  #writing: Promise<void> | undefined;

  /** In a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Why nothing is sent. */
  get reason(): string {
    return this.#reason;
  }

  /** For how long nothing is sent; 0: anything may be. */
  remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#elapsedMs());
  }

  /**
   * What an answer says of the gateway.
   * @param failuresBefore how often it had failed when the send began
   * @returns ms for which the answer wants nothing sent
   */
  observe(outcome: SendOutcome, failuresBefore: number): number {
    if (this.#failures === 0 && isNeutral(outcome)) return 0;
    const next = toBackoffState(failuresBefore, outcome);
    // The answer to an earlier send says less than what is known since: it doesn't take that back.
    const isOutdated = next.error !== null && next.failures < this.#failures;
    if (isOutdated && next.pauseMs === 0) return 0;
    if (!isOutdated) this.#failures = next.failures;
    this.#error = next.error;
    if (next.pauseMs > 0) {
      this.#reason = next.error ?? '';
      this.#untilMs = Math.max(this.#untilMs, this.#elapsedMs() + next.pauseMs);
    }
    this.#observed += 1;
    return next.pauseMs;
  }

  /** Takes over what the row says, where nothing is known here that it doesn't say. */
  restore(failures: number): void {
    if (this.#written === this.#observed) this.#failures = failures;
  }

  /**
   * Writes down what isn't written: what is left of the wait, by the books' clock. One at a time:
   * sixteen answers at once must not want sixteen connections, nor the older one be the last.
   */
  async write(db: Db, lease: CourierLease): Promise<void> {
    while (this.#written !== this.#observed) {
      this.#writing ??= this.#writeOnce(db, lease).finally(() => {
        this.#writing = undefined;
      });
      await this.#writing;
    }
  }

  async #writeOnce(db: Db, lease: CourierLease): Promise<void> {
    const observed = this.#observed;
    const state = { failures: this.#failures, pauseMs: this.remainingMs(), error: this.#error };
    await writeBackoff(db, lease, state);
    this.#written = observed;
  }
}
