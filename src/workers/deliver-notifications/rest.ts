import type { Db } from '../../db/connect.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import type { Outcome } from '../../notify/channels/channel.ts';
import { type CourierPost, writeResting } from './post.ts';
import { restingOf, saysNothing } from './rule.ts';

// What a gateway said of itself, as this process knows it: how often it failed in a row, and until when
// nothing is sent. Heeded at once and by a stopwatch, whatever the database does: notices are
// claimed meanwhile. The row, by which other replicas and whoever delivers next go, follows as soon
// as the database can. It outlives the couriers of its process: one whose connection is lost ends, and
// that is when the row may not have it yet.

export class Rest {
  readonly #elapsedMs = stopwatch();
  #untilMs = 0;
  #failures = 0;
  #error: string | null = null;
  #reason = '';
  /** How often something was learnt here, and how much of it is in the row. */
  #learnt = 0;
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
  ms(): number {
    return Math.max(0, this.#untilMs - this.#elapsedMs());
  }

  /**
   * What an answer says of the gateway.
   * @param failuresBefore how often it had failed when the send began
   * @returns ms for which the answer wants nothing sent
   */
  heed(outcome: Outcome, failuresBefore: number): number {
    if (this.#failures === 0 && saysNothing(outcome)) return 0;
    const told = restingOf(failuresBefore, outcome);
    // The answer to an earlier send says less than what is known since: it doesn't take that back.
    const isOld = told.error !== null && told.failures < this.#failures;
    if (isOld && told.restMs === 0) return 0;
    if (!isOld) this.#failures = told.failures;
    this.#error = told.error;
    if (told.restMs > 0) {
      this.#reason = told.error ?? '';
      this.#untilMs = Math.max(this.#untilMs, this.#elapsedMs() + told.restMs);
    }
    this.#learnt += 1;
    return told.restMs;
  }

  /** Takes over what the row says, where nothing is known here that it doesn't say. */
  adopt(failures: number): void {
    if (this.#written === this.#learnt) this.#failures = failures;
  }

  /**
   * Writes down what isn't written: what is left of the wait, by the books' clock. One at a time:
   * sixteen answers at once must not want sixteen connections, nor the older one be the last.
   */
  async write(db: Db, post: CourierPost): Promise<void> {
    while (this.#written !== this.#learnt) {
      this.#writing ??= this.#writeOnce(db, post).finally(() => {
        this.#writing = undefined;
      });
      await this.#writing;
    }
  }

  async #writeOnce(db: Db, post: CourierPost): Promise<void> {
    const learnt = this.#learnt;
    const resting = { failures: this.#failures, restMs: this.ms(), error: this.#error };
    await writeResting(db, post, resting);
    this.#written = learnt;
  }
}
