import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { inTurn } from '../db/in-turn.ts';
import type { SubscriptionKind } from '../db/schema.ts';
import { unnest } from '../db/unnest.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type NewNotice, owe } from '../notify/outbox.ts';
import { afterCursor, type FoundRow, foundOf, notHeld } from './keyset.ts';
import { release } from './quarantine.ts';
import type { Pass, Tally } from './worker.ts';

// What the two workers share that remind: they go by `remind_at`, which says when there is
// something to look at, and is never later than what it stands for. Whoever writes an end sets it
// (`subscription/`); a look sets when the next one is. Null: nothing more until the end changes.

/**
 * Running ones of a kind whose `remind_at` has come, in its order. Reads `subscription_reminding`
 * up to now, so a page costs its own rows and those of the other kind that are due. One that is
 * past its end and waits there (for a guard, for the next minute) is left as it is: a clock that
 * jumped, and came back, must not have used up anybody's reminders.
 */
export const findReminding =
  (kind: SubscriptionKind): Pass =>
  async (tx, { now }, { after, max, skip }) => {
    const { rows } = await sql<FoundRow>`
      SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.remind_at AS at
      FROM perennial.subscription s
      WHERE s.state = 'active' AND s.remind_at <= ${isoTime(now)}
        AND s.kind = ${kind} AND s.expires_at > ${isoTime(now)}
        AND ${afterCursor('s.remind_at', after)} AND ${notHeld(skip)}
      ORDER BY s.remind_at, s.id LIMIT ${max}`.execute(tx);
    return rows.map(foundOf);
  };

/** What a batch of looks comes to. */
export interface Looks {
  readonly notices: readonly NewNotice[];
  /** Each that was looked at, and when to look again. */
  readonly looked: readonly Look[];
}

export interface Look {
  readonly subscriptionId: SubscriptionId;
  readonly nextAt: Instant | null;
}

/** Writes a batch: the notices, and when each is looked at again. */
export async function writeLooks(
  tx: Tx,
  worker: string,
  { notices, looked }: Looks,
  now: Instant,
): Promise<Pick<Tally, 'changed' | 'counts'>> {
  let told = 0n;
  // What refers to a subscription comes before it is changed, see `renew`.
  await inTurn([
    async () => {
      told = await owe(tx, notices, now);
    },
    () => lookAgain(tx, looked),
  ]);
  await release(
    tx,
    worker,
    looked.map((row) => row.subscriptionId.toString()),
  );
  const reminded = Number(told);
  return { changed: reminded, counts: { reminded, waiting: looked.length - notices.length } };
}

async function lookAgain(tx: Tx, looked: readonly Look[]): Promise<void> {
  if (looked.length === 0) return;
  await sql`
    UPDATE perennial.subscription s SET remind_at = next.at
    FROM ${unnest('next', looked, {
      id: ['bigint', (row) => row.subscriptionId],
      at: ['timestamptz', (row) => row.nextAt],
    })}
    WHERE s.id = next.id`.execute(tx);
}
