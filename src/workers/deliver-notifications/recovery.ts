import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import { isoTime, never } from '../../kernel/instant.ts';
import { noticeSpecs } from '../../outbox/kinds.ts';
import type { CourierLease } from './lease.ts';
import { lostCourierOutcome, toSettlement } from './rule.ts';
import { lockLostSends } from './store.ts';

// Settles notifications that are in the state `sending` and have no courier.

/** Reverts claims of this courier that it never sent. */
export async function revertUnsent(
  db: Db,
  { epoch }: CourierLease,
  ids: readonly bigint[],
): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    UPDATE perennial.notification SET state = 'pending'
    WHERE id = ${anyOf('bigint', ids)} AND state IN ('sending', 'uncertain') AND epoch = ${epoch}`.execute(
    db,
  );
}

/** Settles the sends of couriers that ended. Their outcome is unknown. @returns their number */
export function recoverLost(db: Db, channel: string, inFlight: readonly bigint[]): Promise<number> {
  return inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const lostSends = await lockLostSends(tx, channel, inFlight, now);
    for (const { id, kind, ...send } of lostSends) {
      const { policy, to } = noticeSpecs[kind];
      const settlement = toSettlement({ policy, to, ...send }, lostCourierOutcome, now);
      // At once, because the gateway reported no failure.
      const nextAttemptAt = settlement.nextAttemptAt === never ? never : now;
      await sql`
        UPDATE perennial.notification SET state = ${settlement.state}, reason = ${settlement.reason},
          next_attempt_at = ${isoTime(nextAttemptAt)}, lost_answers = lost_answers + 1
        WHERE id = ${id}`.execute(tx);
    }
    return lostSends.length;
  });
}
