import type { Db } from '../db/connect.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Replica } from '../leases/replica.ts';
import type { Log } from '../logging/log.ts';
import { Bisection } from './bisection.ts';
import type { BatchResult, SubscriptionWorker } from './worker.ts';

// The context of a run, and its state.

export interface RunContext {
  readonly db: Db;
  readonly replica: Replica;
  readonly batchMax: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  /** Milliseconds from the begin of the run, by a monotonic clock. */
  readonly elapsedMs: () => number;
  /** A person confirmed the changes that a guard would hold. */
  readonly confirmed?: boolean;
  readonly log: Pick<Log, 'warn' | 'error'>;
}

/** The results of the run so far. */
export class RunState {
  readonly counts: Record<string, number> = {};
  readonly cachedCounts = new Map<string, number>();
  /** New items and the retries of quarantine have separate limits. */
  readonly newItemBisection = new Bisection();
  readonly retryBisection = new Bisection();
  failed = 0;
  hasWorkLeft = false;
  /** No other run of this worker is active, so a second processor of the server is idle. */
  isOnlyRun: boolean;
  /** An item that was written is due again, later in the walk. */
  dueAgain = false;

  constructor(isOnlyRun: boolean) {
    this.isOnlyRun = isOnlyRun;
  }

  add(result: BatchResult): void {
    this.failed += result.quarantined.length;
    this.dueAgain ||= result.dueAgain ?? false;
    for (const [name, count] of Object.entries(result.counts)) {
      this.counts[name] = (this.counts[name] ?? 0) + count;
    }
  }
}

/** One run of a worker over subscriptions, whose record is open. */
export interface WorkerRun<Facts, Outcome> {
  readonly worker: SubscriptionWorker<Facts, Outcome>;
  readonly context: RunContext;
  /** The id of the run record. */
  readonly id: RunId;
  readonly state: RunState;
}

/** The budget is spent, or the process must stop. */
export const mustStop = ({ signal, elapsedMs, budgetMs }: RunContext): boolean =>
  signal.aborted || elapsedMs() >= budgetMs;
