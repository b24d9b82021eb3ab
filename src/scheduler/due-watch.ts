import { type Instant, secondMs } from '../kernel/instant.ts';
import type { NextDue } from '../runs/worker.ts';

// Some work becomes due at a moment that stands in the books: a subscription ends. Its worker's
// next slot may be a minute away, so it is woken at that moment. Each replica does so: one run too
// many finds nothing, and none is lost with a replica.

export interface DueWatch {
  readonly signal: AbortSignal;
  /** @param after without it: after now. @returns undefined: it could not be told, and that was said */
  readNextDue(after: Instant | undefined): Promise<NextDue | undefined>;
  wake(): void;
  sleep(ms: number): Promise<void>;
}

/** What came into the books meanwhile, and a clock that was set, are seen within this time. */
const pollMs = 2 * secondMs;
/** Where one end follows on another, a run each second ends them all; also after a failed look. */
const gapMs = secondMs;

/** Until the signal. What had passed when it began is the first slot's. */
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
