import { Fault } from '../kernel/faults.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// The fence of a lease: the holder verifies its epoch before each call to a node or a gateway.
//
// A verification is valid for 500 ms by a stopwatch that also runs while the process is stopped. A
// process that was stopped therefore verifies again before its next call. A call that was in
// progress meanwhile is corrected by its confirmation, which finds another epoch and marks again
// (S2).

/** The limit for the age of a verification, counted from its start. */
const validMs = 500;

/** The code of a fault that ends the task of a lease. */
export const leaseLostCode = 'lease_lost';

export const createLeaseFault = (sentence: string): Fault =>
  new Fault('transient', leaseLostCode, sentence);

export interface LeaseCheck {
  readonly isHeld: () => Promise<boolean>;
  /** The fault of a lost lease. */
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

  /** @throws Fault `lease_lost`, or a fault of the database */
  async verify(): Promise<void> {
    // Repeats, because the process may have been stopped while the answer was in transit.
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
