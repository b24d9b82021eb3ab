import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { type Fault, UsageFault } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { createLeaseFault } from '../../leases/fence.ts';
import type { Channel } from '../../notifications/channels/channel.ts';
import type { BackoffState } from './rule.ts';

// A courier's row. Of the couriers of a bot one is right: whose epoch stands in the row.
//
// A channel that stands in for another one (the log, where a process has no Telegram) is right only
// in books that know of no courier of that one. Else a replica whose configuration lacks the bot
// would take its messages, and nobody would ever read them: what was once delivered by a bot is left
// to it, until a person says that it is given up (`courier-registry.ts`).
//
// An exclusive channel has one account per database. A second bot cannot write to the chats of the
// first one, and would mark every customer as unreachable. So the second bot gets no courier.

export interface CourierLease {
  /** The channel's id. */
  readonly id: string;
  readonly epoch: bigint;
  /** What it takes only while that has no courier of its own; null: it stands in for nobody. */
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

/** Makes this the courier of the post, and nobody else. */
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

/** What to do if another account delivers for this database. */
export const describePrimary = (primaryId: string): string =>
  `${primaryId} delivers for this database, and this configuration lacks it: its notifications wait for it. Give this process the same configuration; or, if ${primaryId} is given up for good, "perennial notice couriers --forget ${primaryId}"`;

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
    const sentence = `${account.name}: "${account.id}" is not the bot of this database; expected ${primaryId}. A database has one bot, because a customer's chat belongs to one. If ${primaryId} is given up for good, end its processes, then "perennial notice couriers --forget ${primaryId}"`;
    throw new UsageFault('other_bot', sentence);
  }
}

/** undefined: the post was lost. */
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

/** Of its looks, a courier writes at most one each 10 s. */
const walkTimeEveryS = 10;

/**
 * Writes that the courier looks at what is due, also during a pause of its account.
 * @param passedAt when the walk began that has gone through everything
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
 * Writes down until when nothing is sent, also by whoever was replaced: what a gateway said is true
 * of the bot. One that was told to wait longer waits longer. The length is counted from when the
 * statement is carried out, so never too short.
 */
export async function writeBackoff(
  db: Db,
  { id }: CourierLease,
  { failures, pauseMs, error }: BackoffState,
): Promise<void> {
  // Whole milliseconds, as the row has them.
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
