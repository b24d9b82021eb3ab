import { sql } from 'kysely';
import { wakeWorker } from '../db/wake.ts';
import { isoTime } from '../kernel/instant.ts';
import type { Desk } from './command.ts';

/**
 * The customer is heard of: whoever blocked the bot and does something there reads it again. What
 * had to wait for that is sent now, and judged as ever. Costs nothing for who can be reached.
 */
export async function heardOf({ tx, customer, now }: Desk): Promise<void> {
  if (customer.reachable) return;
  await sql`
    UPDATE perennial.customer SET reachable = true WHERE id = ${customer.id}`.execute(tx);
  await sql`
    UPDATE perennial.notification SET next_attempt_at = ${isoTime(now)}
    WHERE customer_id = ${customer.id} AND state = 'pending'
      AND next_attempt_at > ${isoTime(now)}`.execute(tx);
  await wakeWorker(tx, 'deliver-notifications');
}
