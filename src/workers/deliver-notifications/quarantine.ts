import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { isItemFault, quarantinedMax, quarantineItems } from '../../runs/quarantine.ts';
import {
  type Claim,
  type CourierContext,
  type CourierLog,
  claimNotice,
  deliveryWorkerName,
} from './claim.ts';
import type { RunCounts } from './run-counts.ts';
import { type DueNotice, toNoticeItem } from './store.ts';

// A notice whose judgement or marking fails by itself goes to quarantine, so that it holds up nobody
// behind it. Finding leaves it out until it is tried again; whoever claims it then takes it out.

/** @throws what is not this notice's: a transient fault, or more failures than one can believe */
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

/** Says of a claim what somebody who reads the log may have to know. */
export function logClaim(
  log: Pick<CourierLog, 'debug' | 'error'>,
  { id }: DueNotice,
  outcome: Claim,
): void {
  const logFields = { worker: deliveryWorkerName, item: String(id) };
  if (outcome.is === 'quarantined') {
    const { fault: err } = outcome;
    log.error({ ...logFields, code: err.code, err }, 'notice put into quarantine');
  } else if (outcome.is === 'suppressed') {
    log.debug({ ...logFields, reason: outcome.reason }, 'notice suppressed');
  }
}
