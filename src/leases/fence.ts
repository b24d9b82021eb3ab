import type { Fault } from '../kernel/faults.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// Before each call whoever holds a post makes sure that it is theirs still. The answer counts for
// half a second by a stopwatch that goes on while the process stands still: one that was stopped
// and is woken asks again before its next call. What a call that was under way does to a node
// after that is mended by its confirm, which finds another epoch and marks again (S2).

/** How old the answer may be, counted from when it was asked for. */
const validMs = 500;

export interface LeaseCheck {
  /** Whether the post is held still. */
  readonly isHeld: () => Promise<boolean>;
  /** What is thrown when it isn't. */
  readonly createFault: () => Fault;
}

export class Fence {
  readonly #leaseCheck: LeaseCheck;
  readonly #elapsedMs = stopwatch();
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #pending: Promise<void> | undefined;

  constructor(leaseCheck: LeaseCheck) {
    this.#leaseCheck = leaseCheck;
  }

  /** @throws Fault `post_lost`, or what the database did */
  async verify(): Promise<void> {
    // Again and again: the process may have stood still while the answer was on its way.
    while (this.#elapsedMs() - this.#verifiedAtMs > validMs) {
      this.#pending ??= this.#check().finally(() => {
        this.#pending = undefined;
      });
      await this.#pending;
    }
  }

  async #check(): Promise<void> {
    const startedAtMs = this.#elapsedMs();
    if (!(await this.#leaseCheck.isHeld())) throw this.#leaseCheck.createFault();
    this.#verifiedAtMs = startedAtMs;
  }
}
