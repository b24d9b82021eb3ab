import type { Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';

/** Wakes the keepers when the transaction commits. Call this after new marks. */
export function wakeKeepers(tx: Tx): Promise<void> {
  return wakeWorker(tx, 'keep-node');
}
