import type { Db } from '../db/connect.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Replica } from '../leases/replica.ts';
import { Bisection } from './bisection.ts';
import type { BatchResult, SubscriptionWorker } from './worker.ts';

// What a run works with, and what it has done so far.

export interface RunContext {
  readonly db: Db;
  readonly replica: Replica;
  readonly batchMax: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  /** Milliseconds since the run began, from a clock that only goes forward. */
  readonly elapsedMs: () => number;
  /** A person said: what a guard would hold is meant. */
  readonly confirmed?: boolean;
  readonly log: RunLog;
}

export interface RunLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the run has done so far. */
export class RunState {
  readonly counts: Record<string, number> = {};
  readonly cachedCounts = new Map<string, number>();
  /** Of new items, and of the retries of quarantine: each has its own limits. */
  readonly newItemBisection = new Bisection();
  readonly retryBisection = new Bisection();
  failed = 0;
  hasWorkLeft = false;
  /** No other run of this worker goes on: a server's second processor has nothing else to do. */
  isOnlyRun: boolean;
  /** Something that was done is due again, further on in the walk. */
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

/** The budget is spent, or the process is asked to end. */
export const mustStop = ({ signal, elapsedMs, budgetMs }: RunContext): boolean =>
  signal.aborted || elapsedMs() >= budgetMs;
