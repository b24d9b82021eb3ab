import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/wake.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { type Instant, isoTime, later } from '../kernel/instant.ts';
import type { Settings } from './settings.ts';

/**
 * After anything that may let auto-renewal pay what it could not: the waiting subscriptions of
 * the customer are due at once, also the ones that ended so lately that they can be revived or that
 * were put aside, and the worker is woken when the transaction commits. A wake-up that is lost costs the time to the
 * next tick, no more.
 */
export async function tryAgainNow(
  tx: Tx,
  customerId: CustomerId,
  now: Instant,
  settings: Settings,
): Promise<void> {
  await sql`
    UPDATE perennial.subscription SET next_try_at = NULL
    WHERE customer_id = ${customerId} AND next_try_at IS NOT NULL AND kind = 'paid' AND auto_renew
      AND (state = 'active'
        OR state = 'expired' AND expires_at >= ${isoTime(later(now, -settings.reviveMs))})`.execute(
    tx,
  );
  // What could not be done as it stood may be what was mended; else it is put aside again.
  await sql`
    DELETE FROM perennial.quarantine
    WHERE worker = 'auto-renewal' AND item IN (
      SELECT id::text FROM perennial.subscription WHERE customer_id = ${customerId})`.execute(tx);
  await wakeWorker(tx, 'auto-renewal');
}

/**
 * Call this after every change of what a customer's renewals cost: reminders look at once whether
 * the customer has to be notified of a new price.
 */
export async function remindNow(tx: Tx, customerId: CustomerId, now: Instant): Promise<void> {
  await sql`
    UPDATE perennial.subscription SET remind_at = ${isoTime(now)}
    WHERE customer_id = ${customerId} AND kind = 'paid' AND auto_renew AND state = 'active'`.execute(
    tx,
  );
  await wakeWorker(tx, 'expiry-reminders');
}

/** After marks: the keepers of the nodes look at once, when the transaction commits. */
export function wakeKeepers(tx: Tx): Promise<void> {
  return wakeWorker(tx, 'keep-node');
}
