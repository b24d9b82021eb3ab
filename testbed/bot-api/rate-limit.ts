// How strict Telegram is: one message a second for a chat, thirty a second in all. Who is told to
// wait and doesn't is told again. A request may come a little early: networks bunch what was apart.

export interface RateLimits {
  /** Messages in any second. */
  readonly perSecond: number;
  /** Between two messages to a chat. */
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

  /** Seconds that the sender has to wait; 0: it may. Counts the message if it may. */
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

  /** Nothing is taken for so long. @returns the seconds */
  block(seconds: number, nowMs: number): number {
    this.#closedUntilMs = Math.max(this.#closedUntilMs, nowMs + seconds * 1_000);
    return seconds;
  }
}

const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000));
