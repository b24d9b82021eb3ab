// Telegram's limits: one message per second to a chat, and 30 per second in total. A sender that
// does not wait is refused again. A request may arrive slightly early, because networks bunch
// requests.

export interface RateLimits {
  /** The largest number of messages within a second. */
  readonly perSecond: number;
  /** Milliseconds between two messages to a chat. */
  readonly gapMs: number;
}

const earlyShare = 0.1;

export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #taken: number[] = [];
  readonly #byChat = new Map<string, number>();
  #closedUntilMs = 0;

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  /** Counts the message if it may be sent. @returns the seconds to wait, or 0 */
  reserve(chat: string, nowMs: number): number {
    if (nowMs < this.#closedUntilMs) return wholeSeconds(this.#closedUntilMs - nowMs);
    const { perSecond, gapMs } = this.#limits;
    while ((this.#taken[0] ?? nowMs) <= nowMs - 1_000) this.#taken.shift();
    const last = this.#byChat.get(chat) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - last < gapMs * (1 - earlyShare)) return this.block(wholeSeconds(gapMs), nowMs);
    if (this.#taken.length >= perSecond) return this.block(1, nowMs);
    this.#taken.push(nowMs);
    this.#byChat.set(chat, nowMs);
    return 0;
  }

  /** Refuses all messages for this time. @returns the seconds */
  block(seconds: number, nowMs: number): number {
    this.#closedUntilMs = Math.max(this.#closedUntilMs, nowMs + seconds * 1_000);
    return seconds;
  }
}

const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000));
