import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { Resting } from './rule.ts';

// A courier's row. Of the couriers of a bot one is right: whose epoch stands in the row.

export interface CourierPost {
  /** The channel's id. */
  readonly id: string;
  readonly epoch: bigint;
}

export interface CourierFacts {
  readonly now: Instant;
  readonly restsUntil: Instant | null;
  readonly failures: number;
}

/** 64 bits of the channel's id, so that two posts don't meet. */
export const lockOf = (id: string): string =>
  `hashtextextended('perennial courier ' || ${id}::text, 0)`;

/** Takes the post's lock for as long as the connection lives. @returns false: somebody else has it */
export async function tryPost(db: Db, id: string): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`
    SELECT pg_try_advisory_lock(hashtextextended('perennial courier ' || ${id}::text, 0)) AS mine`.execute(
    db,
  );
  return rows[0]?.mine === true;
}

/** Makes this the courier of the post, and nobody else. */
export async function enterPost(db: Db, id: string): Promise<CourierPost> {
  const { rows } = await sql<{ epoch: bigint }>`
    INSERT INTO perennial.courier (id, epoch)
    VALUES (${id}, nextval('perennial.courier_epoch'))
    ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch
    RETURNING epoch`.execute(db);
  return { id, epoch: (rows[0] as { epoch: bigint }).epoch };
}

/** undefined: the post was lost. */
export async function readCourier(
  db: Db | Tx,
  { id, epoch }: CourierPost,
): Promise<CourierFacts | undefined> {
  const { rows } = await sql<CourierFacts>`
    SELECT perennial.clock() AS now, rests_until AS "restsUntil", failures
    FROM perennial.courier WHERE id = ${id} AND epoch = ${epoch}`.execute(db);
  return rows[0];
}

/**
 * Writes down until when nothing is sent, also by whoever was replaced: what a gateway said is true
 * of the bot. One that was told to wait longer waits longer.
 */
export async function writeResting(
  db: Db,
  { id }: CourierPost,
  { failures, restsUntil, error }: Resting,
): Promise<void> {
  const until = restsUntil === null ? null : isoTime(restsUntil);
  await sql`
    UPDATE perennial.courier SET failures = ${failures}, last_error = ${error},
      rests_until = greatest(rests_until, ${until}::timestamptz)
    WHERE id = ${id}`.execute(db);
}

export function postLost({ id }: CourierPost): Fault {
  return new Fault('transient', 'post_lost', `${id}: another courier delivers for it now`);
}
