import { type Instant, secondMs } from '../kernel/instant.ts';
import type { NextDue } from '../runs/worker.ts';

// Wakes a worker at the time when work becomes due by itself, such as the end of a subscription.
//
// The next slot of the worker may be a minute away. Each replica watches, so no wake-up is lost
// with a replica. A run too many finds nothing.

export interface DueWatch {
  readonly signal: AbortSignal;
  /**
   * @param after undefined: after now
   * @returns undefined: the query failed, and the failure was logged
   */
  readNextDue(after: Instant | undefined): Promise<NextDue | undefined>;
  wake(): void;
  sleep(ms: number): Promise<void>;
}

/** New ends, and a clock that was set, are noticed within this time. */
const pollMs = 2 * secondMs;
/**
 * If ends follow each other, one run each second handles them. Also the pause after a failed query.
 */
const gapMs = secondMs;

/** Watches until the signal. Ends that passed before the start belong to the first slot. */
export async function watchDue({ signal, readNextDue, wake, sleep }: DueWatch): Promise<void> {
  let after: Instant | undefined;
  while (!signal.aborted) {
    const nextDue = await readNextDue(after);
    if (nextDue === undefined) {
      await sleep(gapMs);
      continue;
    }
    const { now, at } = nextDue;
    after = now;
    if (at !== undefined && at <= now) {
      wake();
      await sleep(gapMs);
    } else await sleep(at === undefined ? pollMs : Math.min(pollMs, at - now));
  }
}
