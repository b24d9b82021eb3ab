import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import type { TaskLog } from '../../logging/log.ts';
import { isItemFault, quarantinedMax, quarantineItems } from '../../runs/quarantine.ts';
import { type Claim, type CourierContext, claimNotice, deliveryWorkerName } from './claim.ts';
import type { RunCounts } from './run-counts.ts';
import { type DueNotice, toNoticeItem } from './store.ts';

// Puts a notification into quarantine if its claim fails because of this notification.
//
// So it does not delay the notifications behind it. The search skips it until its next retry. The
// next claim removes it from quarantine.

/** @throws a transient fault, or any fault after the limit of new quarantine items */
export async function claimOrQuarantine(
  context: CourierContext,
  due: DueNotice,
  runCounts: RunCounts,
): Promise<Claim> {
  const count = (tx: Tx, outcome: Claim) => runCounts.countClaim(tx, outcome);
  try {
    return await claimNotice(context, due, count);
  } catch (error) {
    const fault = toFault(error);
    if (!isItemFault(fault) || runCounts.newlyQuarantined >= quarantinedMax) throw error;
    const failedItem = { item: toNoticeItem(due.id), reason: fault.code, sentence: fault.message };
    const outcome: Claim = { is: 'quarantined', fault };
    runCounts.newlyQuarantined += await inTransaction(context.db, async (tx) => {
      const isNew = await quarantineItems(
        tx,
        deliveryWorkerName,
        [failedItem],
        await readClock(tx),
      );
      await count(tx, outcome);
      return isNew;
    });
    return outcome;
  }
}

/** Logs a quarantine as an error, and a suppressed notification for debugging. */
export function logClaim(
  log: Pick<TaskLog, 'debug' | 'error'>,
  { id }: DueNotice,
  outcome: Claim,
): void {
  const logFields = { worker: deliveryWorkerName, item: String(id) };
  if (outcome.is === 'quarantined') {
    const { fault: err } = outcome;
    log.error({ ...logFields, code: err.code, err }, 'notification put into quarantine');
  } else if (outcome.is === 'suppressed') {
    log.debug({ ...logFields, reason: outcome.reason }, 'notification suppressed');
  }
}
