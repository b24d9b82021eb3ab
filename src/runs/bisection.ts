import { isRowLocked } from '../db/faults.ts';
import type { Fault } from '../kernel/faults.ts';
import { quarantinedMax } from './quarantine.ts';

// How far a batch that failed is halved.
//
// 1. A batch that failed is halved until the bad item is alone.
// 2. A run puts at most 50 new items into quarantine. More failures have a cause of our own.
// 3. After that a bad item stays as it is, and the run fails at its end. Batches are halved further
//    for the good items. After 64 failed attempts in a row all items fail, so batches stay whole.
// 4. The retries of quarantine are counted separately, and never fail the run.
// 5. A row that another session has locked is no failure of its item. The item is skipped. After 64
//    failed attempts in a row batches stay whole, and the run fails at its end.

/**
 * If a tenth of a batch fails, fewer attempts in a row fail. If all items fail, rule 3 costs this
 * many short transactions once a run.
 */
const failedInRowMax = 64;

export class Bisection {
  #quarantined = 0;
  #failedInRow = 0;
  /** The last fault of an item or batch that stays as it is. */
  unhandledFault: Fault | undefined;

  recordSuccess(): void {
    this.#failedInRow = 0;
  }

  /** Decides about this many items whose transaction failed. */
  recordFailure(items: number, fault: Fault): 'isolate' | 'halve' | 'leave' | 'skip' {
    this.#failedInRow += 1;
    const isLocked = isRowLocked(fault);
    if (items === 1 && isLocked && this.#failedInRow <= failedInRowMax) return 'skip';
    const isFull = isLocked || this.#quarantined >= quarantinedMax;
    if (items > 1 && !(isFull && this.#failedInRow > failedInRowMax)) return 'halve';
    if (items > 1 || isFull) {
      this.unhandledFault = fault;
      return 'leave';
    }
    this.#quarantined += 1;
    if (this.#quarantined === quarantinedMax) this.#failedInRow = 0;
    return 'isolate';
  }
}
