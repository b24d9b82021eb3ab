import { type Db, inTransaction } from '../db/connect.ts';
import { type Alarm, raiseAlarms } from '../outbox/alarms.ts';
import type { RunRow } from './run-record.ts';

// The alarms about items that the guards held during a run.

/**
 * Raises the alarms of a closed run, with the numbers of the whole run instead of one batch. If a
 * run exits before this, the next run holds the same items and raises the alarm.
 */
export async function raiseGuardAlarms(db: Db, row: RunRow): Promise<void> {
  const alarms = toGuardAlarms(row);
  if (alarms.length > 0) await inTransaction(db, (tx) => raiseAlarms(tx, alarms));
}

/** Held charges belong to auto-renewal, also those that a run of fast-expiry-cleanup found. */
function toGuardAlarms({ worker, detail }: RunRow): Alarm[] {
  const isAutoRenewal = worker === 'auto-renewal';
  const held = Number(detail.held ?? 0);
  const charges = Number(detail.held_charges ?? 0) + (isAutoRenewal ? held : 0);
  const alarms: Alarm[] = [];
  if (held > 0 && !isAutoRenewal) {
    alarms.push({ kind: 'alarm_guard', params: { worker, subject: worker, held } });
  }
  if (charges > 0) {
    alarms.push({ kind: 'alarm_money_guard', params: { worker: 'auto-renewal', held: charges } });
  }
  return alarms;
}
