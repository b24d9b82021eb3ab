import { runBulkJob } from '../../bulk/job-run.ts';
import { readRunningJobs } from '../../bulk/job-store.ts';
import { inTransaction } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { minuteMs } from '../../kernel/instant.ts';
import type { PreviewContext } from '../../runs/preview.ts';
import { mustStop, type RunContext } from '../../runs/run-context.ts';
import { countBatch, type RunRow, withRunRecord } from '../../runs/run-record.ts';
import type { AlarmPreview } from '../../runs/worker.ts';

// bulk-jobs continues the bulk jobs that are not over, the oldest first (`bulk/`).
//
// A new job wakes it. A run that spends its budget requests the next run at once.

const workerName = 'bulk-jobs';

async function run(context: RunContext): Promise<RunRow> {
  const { db } = context;
  return withRunRecord(context, { worker: workerName }, async ({ id }) => {
    for (const job of await readRunningJobs(db)) {
      const end = await runBulkJob(db, BigInt(job.id), {
        mustStop: () => mustStop(context),
        count: async (tx, counts) => void (await countBatch(tx, id, counts)),
      });
      if (end !== 'stopped') continue;
      if (!context.signal.aborted) await inTransaction(db, (tx) => wakeWorker(tx, workerName));
      return { outcome: 'partial', detail: { work_left: true } };
    }
    return { outcome: 'success' };
  });
}

async function preview(
  { db }: PreviewContext,
  report: (preview: AlarmPreview) => void,
): Promise<void> {
  for (const { id, action, total, done, skipped, failed } of await readRunningJobs(db)) {
    const left = total - done - skipped - failed;
    const sentence = `would process ${left} of ${total} customers`;
    report({ subject: `bulk_job:${id}`, outcome: action, sentence });
  }
}

export const bulkJobs = { name: workerName, everyMs: minuteMs, run, preview };
