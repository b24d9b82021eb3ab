import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import { isoTime, never } from '../../kernel/instant.ts';
import { noticeSpecs } from '../../outbox/kinds.ts';
import type { CourierLease } from './lease.ts';
import { lostCourierOutcome, toSettlement } from './rule.ts';
import { lockLostSends } from './store.ts';

// Notices that are marked `sending`, and nobody sends them.

/** Claims of this courier of which it knows that it never sent them. */
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

/** What couriers that are gone were at: nobody knows what became of it. @returns how many */
export function recoverLost(db: Db, channel: string, inFlight: readonly bigint[]): Promise<number> {
  return inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const lostSends = await lockLostSends(tx, channel, inFlight, now);
    for (const { id, kind, ...send } of lostSends) {
      const { policy, to } = noticeSpecs[kind];
      const settlement = toSettlement({ policy, to, ...send }, lostCourierOutcome, now);
      // At once: nobody was told anything by the one that is gone.
      const nextAttemptAt = settlement.nextAttemptAt === never ? never : now;
      await sql`
        UPDATE perennial.notification SET state = ${settlement.state}, reason = ${settlement.reason},
          next_attempt_at = ${isoTime(nextAttemptAt)}, lost_answers = lost_answers + 1
        WHERE id = ${id}`.execute(tx);
    }
    return lostSends.length;
  });
}
