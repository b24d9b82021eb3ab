import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { CommandContext } from './command-context.ts';

/**
 * Records an activity of the customer: it shows that the customer reads the bot again. It costs no
 * statement while the customer is reachable.
 */
export async function recordActivity({ tx, customer, now }: CommandContext): Promise<void> {
  if (!customer.reachable) await markReachable(tx, customer.id, now);
}

/**
 * Marks the customer as reachable. Notifications that waited for it are due now, and their
 * relevance is checked as usual. This includes uncertain ones that may be sent again. Those with
 * `infinity` stay.
 */
export async function markReachable(tx: Tx, id: CustomerId, now: Instant): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.customer SET reachable = true WHERE id = ${id} AND NOT reachable`.execute(tx);
  if (numAffectedRows === 0n) return;
  await sql`
    UPDATE perennial.notification SET next_attempt_at = ${isoTime(now)}
    WHERE customer_id = ${id} AND state IN ('pending', 'uncertain')
      AND next_attempt_at > ${isoTime(now)} AND next_attempt_at < 'infinity'`.execute(tx);
  await wakeWorker(tx, 'deliver-notifications');
}
