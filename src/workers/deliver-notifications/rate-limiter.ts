import { secondMs } from '../../kernel/instant.ts';

// How fast a courier may send, by a clock that only goes forward: so many a second in all, and one
// in a while for each recipient. A send that comes late by a little (a timer, a busy machine) is
// made up for by the next ones, else every late timer would cost its share of the pace; so a few messages
// may follow each other closely, and no second holds more than the pace and those.

export interface RateSettings {
  readonly perSecond: number;
  /** Between two messages to one recipient. */
  readonly gapMs: number;
  /** Sends that may be made up for. */
  readonly catchUp: number;
}

export class SendRateLimiter {
  readonly #everyMs: number;
  readonly #gapMs: number;
  readonly #catchUpMs: number;
  /** When the next one would go if each had gone in its time. */
  #dueMs: number;
  readonly #busyUntilMs = new Map<string, number>();

  /**
   * @param nowMs a courier before this one may have sent just now: for the first gap nobody is sent
   *   to, lest somebody gets two messages at once
   */
  constructor({ perSecond, gapMs, catchUp }: RateSettings, nowMs: number) {
    this.#everyMs = secondMs / perSecond;
    this.#gapMs = gapMs;
    this.#catchUpMs = catchUp * this.#everyMs;
    this.#dueMs = nowMs + gapMs + this.#catchUpMs;
  }

  /** How long until anything may be sent; 0: now. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#dueMs - this.#catchUpMs - nowMs);
  }

  /** How long until this recipient may be sent to; 0: now, as far as it is the recipient's. */
  recipientWaitMs(recipient: string, nowMs: number): number {
    return Math.max(0, (this.#busyUntilMs.get(recipient) ?? nowMs) - nowMs);
  }

  /** It is sent now. */
  recordSend(recipient: string, nowMs: number): void {
    this.#dueMs = Math.max(this.#dueMs, nowMs) + this.#everyMs;
    if (this.#gapMs === 0) return;
    // Entered in the order of their ends: the oldest are first.
    for (const [name, untilMs] of this.#busyUntilMs) {
      if (untilMs > nowMs) break;
      this.#busyUntilMs.delete(name);
    }
    this.#busyUntilMs.delete(recipient);
    this.#busyUntilMs.set(recipient, nowMs + this.#gapMs);
  }
}
