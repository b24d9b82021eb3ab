import type { Instant } from '../kernel/instant.ts';
import type { NextDue } from '../runs/worker.ts';

// A worker as the queue runs it.

/** The end of a run. It decides when the next run starts. */
export type RunEnd =
  | 'done'
  /** Work is left, so the next run follows at once. */
  | 'more'
  /** A transient failure: the next run follows after a pause. */
  | 'try-again'
  /** A failure that is not transient: the next run is that of the next slot. */
  | 'failed'
  /** The clock of this process is wrong, or the time is suspect. Another replica may run it. */
  | 'unfit';

export interface RunnableWorker {
  readonly name: string;
  readonly everyMs: number;
  /** Longer than any run takes. After this time the job fails, and another replica may run it. */
  readonly runMaxMs: number;
  /** For a worker that is woken when something becomes due (`SubscriptionWorker`). */
  nextDue?(after: Instant | undefined): Promise<NextDue>;
  run(signal: AbortSignal): Promise<RunEnd>;
}
