import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { CommandContext } from './command-context.ts';

/**
 * The customer is heard of: whoever blocked the bot and does something there reads it again. Costs
 * nothing for who can be reached.
 */
export async function recordActivity({ tx, customer, now }: CommandContext): Promise<void> {
  if (!customer.reachable) await markReachable(tx, customer.id, now);
}

/**
 * The customer can be reached, whether or not that was known: what had to wait for it is sent now, and
 * judged as ever. Also what may have arrived and was to go again; what must not (`infinity`) doesn't.
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
