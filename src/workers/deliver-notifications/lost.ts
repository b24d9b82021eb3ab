import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import { isoTime, never } from '../../kernel/instant.ts';
import { kinds } from '../../notify/kinds.ts';
import type { CourierPost } from './post.ts';
import { lostWithItsCourier, settlingOf } from './rule.ts';
import { readLostSends } from './store.ts';

// Notices that are marked `sending`, and nobody sends them.

/** Claims of this courier of which it knows that it never sent them. */
export async function takeBack(
  db: Db,
  { epoch }: CourierPost,
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
export function takeOver(db: Db, channel: string, underWay: readonly bigint[]): Promise<number> {
  return inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const lost = await readLostSends(tx, channel, underWay, now);
    for (const { id, kind, ...sent } of lost) {
      const { policy, to } = kinds[kind];
      const settling = settlingOf({ policy, to, ...sent }, lostWithItsCourier, now);
      // At once: nobody was told anything by the one that is gone.
      const again = settling.nextAttemptAt === never ? never : now;
      await sql`
        UPDATE perennial.notification SET state = ${settling.state}, reason = ${settling.reason},
          next_attempt_at = ${isoTime(again)}, lost_answers = lost_answers + 1
        WHERE id = ${id}`.execute(tx);
    }
    return lost.length;
  });
}
