import type { Db } from '../../db/connect.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import type { SendOutcome } from '../../notifications/channels/channel.ts';
import { type CourierLease, writeBackoff } from './lease.ts';
import { isNeutral, toBackoffState } from './rule.ts';

// The state of a gateway in this process: its failures in a row, and its pause.
//
// A pause starts at once and is measured by a stopwatch, so it does not depend on the database.
// Claims happen meanwhile. The row follows as soon as the database is reachable. Other replicas and
// the next courier read the row.
//
// The backoff outlives the couriers of its process. A courier with a lost connection ends, and at
// this moment the row may lack the latest pause.

export class Backoff {
  readonly #elapsedMs = stopwatch();
  #untilMs = 0;
  #failures = 0;
  #error: string | null = null;
  #reason = '';
  /** The number of observations, and how many of them the row contains. */
  #observed = 0;
  #written = 0;
  #writing: Promise<void> | undefined;

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Why the account pauses. */
  get reason(): string {
    return this.#reason;
  }

  /** The rest of the pause; 0: no pause. */
  remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#elapsedMs());
  }

  /**
   * Applies an answer to the state of the gateway.
   * @param failuresBefore the failures in a row when the send began
   * @returns ms that the answer requires as a pause
   */
  observe(outcome: SendOutcome, failuresBefore: number): number {
    if (this.#failures === 0 && isNeutral(outcome)) return 0;
    const next = toBackoffState(failuresBefore, outcome);
    // An answer to an earlier send is older than the known state, so it does not reset that state.
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

  /** Takes the failures of the row, unless an observation is not written yet. */
  restore(failures: number): void {
    if (this.#written === this.#observed) this.#failures = failures;
  }

  /**
   * Writes the rest of the pause by the database clock, if the row lacks it. One write at a time.
   * So 16 answers do not take 16 connections, and an older state does not overwrite a newer one.
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
