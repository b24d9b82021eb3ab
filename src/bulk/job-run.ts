import { type Db, inTransaction } from '../db/connect.ts';
import { isSchemaFault, toFault } from '../db/faults.ts';
import { isClockFault } from '../db/trusted-time.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { type BatchRequest, type BatchStep, failItem, runJobBatch } from './job-batch.ts';

// Runs a bulk job, batch by batch. It continues where an earlier run ended.
//
// 1. A batch is one transaction. A batch whose transaction fails changes nothing.
// 2. A transient fault, or one that affects all customers, ends the run. The next run continues the
//    job.
// 3. A batch that fails by another fault is repeated, one customer at a time. A customer whose own
//    transaction fails is `failed`, or `skipped` if a rule refused the change.
// 4. Customers that other transactions hold follow at the end of the walk. If all that are left are
//    held, the run ends.

/** Customers per transaction. Their locks are held for well under a second. */
const batchMax = 500;

export interface JobRunOptions {
  readonly mustStop: () => boolean;
  /** Called after each batch. */
  readonly onBatch?: () => Promise<void> | void;
  readonly count?: BatchRequest['count'];
}

/** How a run of a job ended. */
export type JobRunEnd =
  | 'over'
  /** `mustStop` ended the run. */
  | 'stopped'
  /** Other transactions hold all customers that are left. */
  | 'held';

export async function runBulkJob(
  db: Db,
  jobId: bigint,
  { mustStop, onBatch, count }: JobRunOptions,
): Promise<JobRunEnd> {
  let after: CustomerId | undefined;
  /** Customers of a failed batch that are still to be processed alone. */
  let singles = 0;
  let hasProgress = false;
  for (;;) {
    if (mustStop()) return 'stopped';
    const max = singles > 0 ? 1 : batchMax;
    const step = await tryBatch(db, { jobId, after, max, count });
    if (step.kind === 'over') return 'over';
    if (step.kind === 'failed') {
      singles = batchMax;
      continue;
    }
    singles = Math.max(0, singles - 1);
    hasProgress ||= step.count > 0;
    await onBatch?.();
    if (step.isFinished) return 'over';
    after = step.last;
    if (after !== undefined) continue;
    if (!hasProgress) return 'held';
    hasProgress = false;
  }
}

async function tryBatch(
  db: Db,
  request: BatchRequest,
): Promise<BatchStep | { readonly kind: 'failed' }> {
  let customerId: CustomerId | undefined;
  const onRead = ([first]: readonly CustomerId[]) => {
    customerId = first;
  };
  try {
    return await inTransaction(db, (tx) => runJobBatch(tx, { ...request, onRead }));
  } catch (error) {
    const fault = toFault(error);
    if (fault.kind === 'transient' || isClockFault(fault)) throw error;
    if (customerId === undefined || isSchemaFault(fault)) throw error;
    if (request.max > 1) return { kind: 'failed' };
    const isRefusal = fault.kind === 'permanent' && !fault.code.startsWith('pg_');
    const item = {
      customerId,
      outcome: isRefusal ? 'skipped' : 'failed',
      reason: fault.code,
    } as const;
    await inTransaction(db, (tx) => failItem(tx, request.jobId, item));
    return { kind: 'processed', count: 1, last: customerId, isFinished: false };
  }
}
