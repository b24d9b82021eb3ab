import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { Fault, UsageFault } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { Channel } from '../../notify/channels/channel.ts';
import type { Resting } from './rule.ts';

// A courier's row. Of the couriers of a bot one is right: whose epoch stands in the row.
//
// A channel that stands in for another one (the log, where a process has no Telegram) is right only
// in books that know of no courier of that one. Else a replica whose configuration lacks the bot
// would take its messages, and nobody would ever read them: what was once delivered by a bot is left
// to it, until a person says that it is given up (`known.ts`).
//
// An exclusive channel has one account per database. A second bot cannot write to the chats of the
// first one, and would mark every customer as unreachable. So the second bot gets no courier.

export interface CourierPost {
  /** The channel's id. */
  readonly id: string;
  readonly epoch: bigint;
  /** What it takes only while that has no courier of its own; null: it stands in for nobody. */
  readonly standsInFor: string | null;
}

export type Entered =
  | { readonly is: 'entered'; readonly post: CourierPost }
  /** Another account has a courier in this database, and its notifications stay with it. */
  | { readonly is: 'served'; readonly by: string };

type Account = Pick<Channel, 'id' | 'name' | 'takes' | 'exclusive'>;

export interface CourierFacts {
  readonly now: Instant;
  readonly restsUntil: Instant | null;
  readonly failures: number;
}

/** Takes the post's lock for as long as the connection lives. @returns false: somebody else has it */
export async function tryPost(db: Db, id: string): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`
    SELECT pg_try_advisory_lock(hashtextextended('perennial courier ' || ${id}::text, 0)) AS mine`.execute(
    db,
  );
  return rows[0]?.mine === true;
}

/** Makes this the courier of the post, and nobody else. */
export function enterPost(db: Db, account: Account): Promise<Entered> {
  const { id, name, takes, exclusive } = account;
  return inTransaction(db, async (tx): Promise<Entered> => {
    // Two accounts that start at the same moment: the second one sees the row of the first.
    if (exclusive) await lockAccounts(tx, name);
    const by = await servedBy(tx, account);
    if (by !== undefined) return { is: 'served', by };
    const { rows } = await sql<{ epoch: bigint }>`
      INSERT INTO perennial.courier (id, epoch)
      VALUES (${id}, nextval('perennial.courier_epoch'))
      ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch
      RETURNING epoch`.execute(tx);
    const { epoch } = rows[0] as { epoch: bigint };
    return { is: 'entered', post: { id, epoch, standsInFor: takes === name ? null : takes } };
  });
}

async function lockAccounts(tx: Tx, name: string): Promise<void> {
  await sql`
    SELECT pg_advisory_xact_lock(hashtextextended('perennial couriers of ' || ${name}::text, 0))`.execute(
    tx,
  );
}

/** A courier's id is `name:account`. */
const ofChannel = (name: string | null) => sql`starts_with(id, ${name}::text || ':')`;

/** The account that has a courier and excludes this one. */
async function servedBy(
  db: Db | Tx,
  { id, name, takes, exclusive }: Account,
): Promise<string | undefined> {
  if (takes === name && !exclusive) return undefined;
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM perennial.courier WHERE ${ofChannel(takes)} AND id <> ${id}
    ORDER BY id LIMIT 1`.execute(db);
  return rows[0]?.id;
}

/** What to do if another account delivers for this database. */
export const servedText = (by: string): string =>
  `${by} delivers for this database, and this configuration lacks it: its notifications wait for it. Give this process the same configuration; or, if ${by} is given up for good, "perennial notice couriers --forget ${by}"`;

/**
 * Refuses to start a process with a second account of an exclusive channel.
 * @throws UsageFault `other_bot`
 */
export async function requireOnlyAccount(db: Db, accounts: readonly Account[]): Promise<void> {
  for (const account of accounts.filter(({ exclusive }) => exclusive)) {
    const by = await servedBy(db, account);
    if (by === undefined) continue;
    const sentence = `${account.name}: "${account.id}" is not the bot of this database; expected ${by}. A database has one bot, because a customer's chat belongs to one. If ${by} is given up for good, end its processes, then "perennial notice couriers --forget ${by}"`;
    throw new UsageFault('other_bot', sentence);
  }
}

/** undefined: the post was lost. */
export async function readCourier(
  db: Db | Tx,
  { id, epoch, standsInFor }: CourierPost,
): Promise<CourierFacts | undefined> {
  const { rows } = await sql<CourierFacts>`
    SELECT perennial.clock() AS now, rests_until AS "restsUntil", failures
    FROM perennial.courier WHERE id = ${id} AND epoch = ${epoch} AND ${
      standsInFor === null
        ? sql`true`
        : sql`NOT EXISTS (SELECT FROM perennial.courier WHERE ${ofChannel(standsInFor)})`
    }`.execute(db);
  return rows[0];
}

/** Of its looks, a courier writes at most one each 10 s. */
const lookEveryS = 10;

/**
 * Writes that the courier looks at what is due, also during a pause of its account.
 * @param passed when the walk began that has gone through everything
 */
export async function writeLook(
  db: Db,
  { id, epoch }: CourierPost,
  passed: Instant | undefined,
): Promise<void> {
  const column = sql.ref(passed === undefined ? 'looked_at' : 'passed_at');
  const at = passed === undefined ? sql`perennial.clock()` : sql`${isoTime(passed)}::timestamptz`;
  await sql`
    UPDATE perennial.courier SET ${column} = ${at}
    WHERE id = ${id} AND epoch = ${epoch} AND (${column} IS NULL
      OR ${column} NOT BETWEEN ${at} - ${lookEveryS} * interval '1 second' AND ${at})`.execute(db);
}

/**
 * Writes down until when nothing is sent, also by whoever was replaced: what a gateway said is true
 * of the bot. One that was told to wait longer waits longer. The length is counted from when the
 * statement is carried out, so never too short.
 */
export async function writeResting(
  db: Db,
  { id }: CourierPost,
  { failures, restMs, error }: Resting,
): Promise<void> {
  // Whole milliseconds, as the row has them.
  const forMs = restMs > 0 ? Math.ceil(restMs) : null;
  await sql`
    UPDATE perennial.courier SET failures = ${failures}, last_error = ${error},
      rests_until = greatest(rests_until,
        perennial.clock() + ${forMs}::float8 * interval '1 millisecond')
    WHERE id = ${id}`.execute(db);
}

export function postLost({ id }: CourierPost): Fault {
  return new Fault('transient', 'post_lost', `${id}: another courier delivers for it now`);
}
