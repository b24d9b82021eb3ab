import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { inTurn } from '../db/in-turn.ts';
import type { SubscriptionKind } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import { mustHold } from '../kernel/faults.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type NewNotice, owe } from '../notify/outbox.ts';
import { closeAccess } from './access.ts';
import { type NewEvent, ofSubscription, record } from './timeline.ts';

export interface Ending {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly kind: SubscriptionKind;
  readonly plan: string;
  readonly expiresAt: Instant;
}

/**
 * Ends subscriptions of customers whose rows the transaction holds: state, credential, a mark on
 * every node, the notice and the event, together (promise 5).
 */
export async function end(
  tx: Tx,
  endings: readonly Ending[],
  actor: string,
  now: Instant,
): Promise<void> {
  if (endings.length === 0) return;
  const ids = endings.map((row) => row.subscriptionId);
  await inTurn([
    () => expire(tx, ids),
    () => closeAccess(tx, ids, now),
    () => owe(tx, endings.map(noticeOf), now),
    () => record(tx, endings.map(eventOf), actor, now),
  ]);
}

/** Out of the due index until a top-up within the time of revival brings it back. */
async function expire(tx: Tx, ids: readonly SubscriptionId[]): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.subscription SET state = 'expired', next_try_at = 'infinity'
    WHERE id = ${anyOf('bigint', ids)} AND state = 'active'`.execute(tx);
  mustHold(
    numAffectedRows === BigInt(ids.length),
    `${ids.length} subscriptions were to end, ${numAffectedRows} did`,
  );
}

const told = (row: Ending) => ({ plan: row.plan, expires_at: isoTime(row.expiresAt) });

const noticeOf = (row: Ending): NewNotice => ({
  customerId: row.customerId,
  subscriptionId: row.subscriptionId,
  kind: row.kind === 'trial' ? 'trial_ended' : 'expired',
  dedupeKey: `expired:${row.subscriptionId}:${row.expiresAt}`,
  params: told(row),
});

const eventOf = (row: Ending): NewEvent => ({
  customerId: row.customerId,
  subject: ofSubscription(row.subscriptionId),
  action: 'expired',
  detail: told(row),
});
