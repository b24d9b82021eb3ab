import type { Fault } from '../kernel/faults.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// Before each call whoever holds a post makes sure that it is theirs still. The answer counts for
// half a second by a stopwatch that goes on while the process stands still: one that was stopped
// and is woken asks again before its next call. What a call that was under way does to a node
// after that is mended by its confirm, which finds another epoch and marks again (S2).

/** How old the answer may be, counted from when it was asked for. */
const freshMs = 500;

export interface Asking {
  /** Whether the post is held still. */
  readonly holds: () => Promise<boolean>;
  /** What is thrown when it isn't. */
  readonly lost: () => Fault;
}

export class Fence {
  readonly #asking: Asking;
  readonly #elapsedMs = stopwatch();
  #heldAtMs = Number.NEGATIVE_INFINITY;
  #asked: Promise<void> | undefined;

  constructor(asking: Asking) {
    this.#asking = asking;
  }

  /** @throws Fault `post_lost`, or what the database did */
  async hold(): Promise<void> {
    // Again and again: the process may have stood still while the answer was on its way.
    while (this.#elapsedMs() - this.#heldAtMs > freshMs) {
      this.#asked ??= this.#ask().finally(() => {
        this.#asked = undefined;
      });
      await this.#asked;
    }
  }

  async #ask(): Promise<void> {
    const askedAtMs = this.#elapsedMs();
    if (!(await this.#asking.holds())) throw this.#asking.lost();
    this.#heldAtMs = askedAtMs;
  }
}
