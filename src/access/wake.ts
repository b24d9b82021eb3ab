import type { Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';

/** After marks: the keepers of the nodes look at once, when the transaction commits. */
export function wakeKeepers(tx: Tx): Promise<void> {
  return wakeWorker(tx, 'keep-node');
}
