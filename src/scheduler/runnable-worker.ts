import type { Instant } from '../kernel/instant.ts';
import type { NextDue } from '../runs/worker.ts';

// The worker as the queue runs it.

/** The end of a run. It decides when the next run starts. */
export type RunEnd =
  | 'done'
  /** There is more to do: the next run follows at once. */
  | 'more'
  /** Failed by something that passes: the next run follows after a pause. */
  | 'try-again'
  /** Failed by something that doesn't pass by itself: the next run is the next slot's. */
  | 'failed'
  /** This process is not fit to run it, another one may be. */
  | 'unfit';

export interface RunnableWorker {
  readonly name: string;
  readonly everyMs: number;
  /** Longer than any run takes: then it is given up, and somebody else may run it. */
  readonly runMaxMs: number;
  /** For one that is woken when something becomes due: see `SubscriptionWorker`. */
  nextDue?(after: Instant | undefined): Promise<NextDue>;
  run(signal: AbortSignal): Promise<RunEnd>;
}
