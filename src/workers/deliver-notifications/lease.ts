import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { type Fault, UsageFault } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { createLeaseFault } from '../../leases/fence.ts';
import type { Lease } from '../../leases/lease.ts';
import type { Channel } from '../../notifications/channels/channel.ts';
import type { BackoffState } from './rule.ts';

// The row of a courier: its epoch, its pause, and the times of its walks.
//
// 1. The courier whose epoch is in the row is the valid one.
// 2. A fallback channel (the log of a process without Telegram) is valid only while the database
//    has no courier of the other channel. Otherwise a replica whose configuration lacks the bot
//    would take its messages, and no person would read them. A person ends this with `notice
//    couriers --forget` (`courier-registry.ts`).
// 3. An exclusive channel has one account per database. A second bot cannot write to the chats of
//    the first one, and would mark every customer as unreachable. So the second bot gets no
//    courier.

/** The id is that of the channel. */
export interface CourierLease extends Lease {
  /** The channel that this courier serves while that channel has no courier; null: no fallback. */
  readonly fallbackFor: string | null;
}

export type CourierAcquisition =
  | { readonly is: 'acquired'; readonly lease: CourierLease }
  /** Another account has a courier in this database, and its notifications stay with it. */
  | { readonly is: 'served'; readonly by: string };

type ChannelAccount = Pick<Channel, 'id' | 'name' | 'servedChannel' | 'exclusive'>;

export interface CourierFacts {
  readonly now: Instant;
  readonly restsUntil: Instant | null;
  readonly failures: number;
}

/** Writes a new epoch, which makes this courier the only valid one. */
export function acquireCourier(db: Db, account: ChannelAccount): Promise<CourierAcquisition> {
  const { id, name, servedChannel, exclusive } = account;
  return inTransaction(db, async (tx): Promise<CourierAcquisition> => {
    // Two accounts that start at the same moment: the second one sees the row of the first.
    if (exclusive) await lockAccounts(tx, name);
    const primaryId = await primaryOf(tx, account);
    if (primaryId !== undefined) return { is: 'served', by: primaryId };
    const { rows } = await sql<{ epoch: bigint }>`
      INSERT INTO perennial.courier (id, epoch)
      VALUES (${id}, nextval('perennial.courier_epoch'))
      ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch
      RETURNING epoch`.execute(tx);
    const { epoch } = rows[0] as { epoch: bigint };
    return {
      is: 'acquired',
      lease: { id, epoch, fallbackFor: servedChannel === name ? null : servedChannel },
    };
  });
}

async function lockAccounts(tx: Tx, name: string): Promise<void> {
  await sql`
    SELECT pg_advisory_xact_lock(hashtextextended('perennial couriers of ' || ${name}::text, 0))`.execute(
    tx,
  );
}

/** A courier's id is `name:account`. */
const isOfChannel = (name: string | null) => sql`starts_with(id, ${name}::text || ':')`;

/** The account that has a courier and excludes this one. */
async function primaryOf(
  db: Db | Tx,
  { id, name, servedChannel, exclusive }: ChannelAccount,
): Promise<string | undefined> {
  if (servedChannel === name && !exclusive) return undefined;
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM perennial.courier WHERE ${isOfChannel(servedChannel)} AND id <> ${id}
    ORDER BY id LIMIT 1`.execute(db);
  return rows[0]?.id;
}

/** Advice if another account delivers for this database. */
export const describePrimary = (primaryId: string): string =>
  `${primaryId} delivers for this database, and this configuration lacks it: its notifications wait for it. Give this process the same configuration. If ${primaryId} is no longer used, run "perennial notice couriers --forget ${primaryId}"`;

/**
 * Refuses to start a process with a second account of an exclusive channel.
 * @throws UsageFault `other_bot`
 */
export async function requireOnlyAccount(
  db: Db,
  accounts: readonly ChannelAccount[],
): Promise<void> {
  for (const account of accounts.filter(({ exclusive }) => exclusive)) {
    const primaryId = await primaryOf(db, account);
    if (primaryId === undefined) continue;
    const sentence = `${account.name}: "${account.id}" is not the bot of this database; expected ${primaryId}. A database has one bot, because a customer's chat belongs to one. If ${primaryId} is no longer used, end its processes, then run "perennial notice couriers --forget ${primaryId}"`;
    throw new UsageFault('other_bot', sentence);
  }
}

/** @returns undefined: the lease is lost */
export async function readCourier(
  db: Db | Tx,
  { id, epoch, fallbackFor }: CourierLease,
): Promise<CourierFacts | undefined> {
  const { rows } = await sql<CourierFacts>`
    SELECT perennial.clock() AS now, rests_until AS "restsUntil", failures
    FROM perennial.courier WHERE id = ${id} AND epoch = ${epoch} AND ${
      fallbackFor === null
        ? sql`true`
        : sql`NOT EXISTS (SELECT FROM perennial.courier WHERE ${isOfChannel(fallbackFor)})`
    }`.execute(db);
  return rows[0];
}

/** A courier writes each time at most once in 10 s. */
const walkTimeEveryS = 10;

/**
 * Writes that the courier checks for due notifications, also during a pause of its account.
 * @param passedAt the start of a walk that visited everything
 */
export async function writeWalkTime(
  db: Db,
  { id, epoch }: CourierLease,
  passedAt: Instant | undefined,
): Promise<void> {
  const column = sql.ref(passedAt === undefined ? 'looked_at' : 'passed_at');
  const at =
    passedAt === undefined ? sql`perennial.clock()` : sql`${isoTime(passedAt)}::timestamptz`;
  await sql`
    UPDATE perennial.courier SET ${column} = ${at}
    WHERE id = ${id} AND epoch = ${epoch} AND (${column} IS NULL
      OR ${column} NOT BETWEEN ${at} - ${walkTimeEveryS} * interval '1 second' AND ${at})`.execute(
    db,
  );
}

/**
 * Writes the pause of the account. A replaced courier also writes it, because the answer of a
 * gateway is true for the account. The later end wins. The length counts from the execution of this
 * statement, so the pause is never too short.
 */
export async function writeBackoff(
  db: Db,
  { id }: CourierLease,
  { failures, pauseMs, error }: BackoffState,
): Promise<void> {
  // The column has whole milliseconds.
  const roundedMs = pauseMs > 0 ? Math.ceil(pauseMs) : null;
  await sql`
    UPDATE perennial.courier SET failures = ${failures}, last_error = ${error},
      rests_until = greatest(rests_until,
        perennial.clock() + ${roundedMs}::float8 * interval '1 millisecond')
    WHERE id = ${id}`.execute(db);
}

export function courierLeaseLost({ id }: CourierLease): Fault {
  return createLeaseFault(`${id}: another courier delivers for it now`);
}
