import { secondMs } from '../../kernel/instant.ts';

// The pace of a courier, by a clock that only goes forward.
//
// 1. At most `perSecond` sends per second in total, and one send per `gapMs` to a recipient.
// 2. The next sends make up for a send that was a little late. Otherwise each late timer would
//    reduce the pace.
// 3. So up to `catchUp` sends may follow each other closely, and no second contains more than the
//    pace and these.

export interface RateSettings {
  readonly perSecond: number;
  /** Between two messages to one recipient. */
  readonly gapMs: number;
  /** Late sends that the next ones may make up for. */
  readonly catchUp: number;
}

export class SendRateLimiter {
  readonly #everyMs: number;
  readonly #gapMs: number;
  readonly #catchUpMs: number;
  /** The time of the next send if each send had been on time. */
  #dueMs: number;
  readonly #busyUntilMs = new Map<string, number>();

  /**
   * @param nowMs an earlier courier may have sent a moment ago, so the first gap has no send.
   * Otherwise a recipient could get two messages at once.
   */
  constructor({ perSecond, gapMs, catchUp }: RateSettings, nowMs: number) {
    this.#everyMs = secondMs / perSecond;
    this.#gapMs = gapMs;
    this.#catchUpMs = catchUp * this.#everyMs;
    this.#dueMs = nowMs + gapMs + this.#catchUpMs;
  }

  /** ms until the next send; 0: now. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#dueMs - this.#catchUpMs - nowMs);
  }

  /** ms until this recipient is free; 0: now. */
  recipientWaitMs(recipient: string, nowMs: number): number {
    return Math.max(0, (this.#busyUntilMs.get(recipient) ?? nowMs) - nowMs);
  }

  /** Records a send at this moment. */
  recordSend(recipient: string, nowMs: number): void {
    this.#dueMs = Math.max(this.#dueMs, nowMs) + this.#everyMs;
    if (this.#gapMs === 0) return;
    // The entries are in the order of their ends, so the oldest are first.
    for (const [name, untilMs] of this.#busyUntilMs) {
      if (untilMs > nowMs) break;
      this.#busyUntilMs.delete(name);
    }
    this.#busyUntilMs.delete(recipient);
    this.#busyUntilMs.set(recipient, nowMs + this.#gapMs);
  }
}
