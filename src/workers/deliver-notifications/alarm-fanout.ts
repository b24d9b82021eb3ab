import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { Channel } from '../../notifications/channels/channel.ts';
import type { NoticeKind, NoticeParams } from '../../outbox/kinds.ts';
import { adminChannel } from '../../outbox/outbox.ts';

// An alarm is owed to the admins, whoever that is: who they are, and by which channels they hear, is
// the configuration's, which whoever owes it doesn't know. Whichever courier comes first makes it a
// row for each admin of each channel, whether its own channel is well or not, so that no channel
// waits for another one. One row is the alarm's own; the others keep its time, so that what came
// first is said first everywhere.
//
// Whose configuration lacks a channel by which messages went before leaves it to a process that has
// that one, for a minute: then it may have been given up.

interface UnaddressedAlarm {
  readonly id: bigint;
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
}

/** Where an alarm stands too, whatever channels are well. */
export interface AlarmLog {
  warn(fields: object, message: string): void;
}

const worker = 'deliver-notifications';

/** A page; a courier that finds more comes again. */
const pageMax = 100;

const isUnaddressed = sql`channel = ${adminChannel} AND state IN ('pending', 'uncertain')`;

/** Whether there is anything to address: one probe of `notification_owed`. */
export async function hasUnaddressedAlarms(db: Db): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM perennial.notification WHERE ${isUnaddressed} LIMIT 1`.execute(db);
  return rows.length > 0;
}

/** Addresses what is not addressed yet. What another courier is at is left to it. */
export async function addressAlarms(
  db: Db,
  channels: readonly Channel[],
  log: AlarmLog,
): Promise<void> {
  if (!(await hasUnaddressedAlarms(db))) return;
  const { addresses, lacks: lacksChannel } = toAddresses(channels, await readKnownChannels(db));
  const addressed = await inTransaction(db, async (tx) => {
    const { rows } = await sql<UnaddressedAlarm>`
      SELECT id, kind, params FROM perennial.notification
      WHERE ${isUnaddressed}
        AND ${lacksChannel ? sql`next_attempt_at <= perennial.clock() - interval '1 minute'` : sql`true`}
      ORDER BY bulk, next_attempt_at, id LIMIT ${pageMax}
      FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
    const ids = rows.map(({ id }) => id);
    const [first, ...others] = addresses;
    await writeCopies(tx, ids, others);
    await sql`
      UPDATE perennial.notification
      SET ${first === undefined ? sql`state = 'suppressed', reason = 'no_admins'` : sql`channel = ${first.channel}, recipient = ${first.recipient}`}
      WHERE id = ${anyOf('bigint', ids)}`.execute(tx);
    // The couriers of the other channels, wherever they are.
    if (ids.length > 0) await wakeWorker(tx, worker);
    return rows;
  });
  for (const { id, kind, params } of addressed) {
    const message = addresses.length === 0 ? `${kind}, and no admin is configured` : kind;
    log.warn({ worker, item: String(id), alarm: kind, params }, message);
  }
}

/** The channels, by name, of which these books know a courier; of what stands in for them, none. */
async function readKnownChannels(db: Db): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ name: string }>`
    SELECT DISTINCT split_part(id, ':', 1) AS name FROM perennial.courier
    WHERE id LIKE '%:%'`.execute(db);
  return new Set(rows.map(({ name }) => name));
}

interface AdminAddress {
  readonly channel: string;
  readonly recipient: string;
}

/** By these channels, but for one that stands in for another that these books know. */
function toAddresses(
  channels: readonly Channel[],
  known: ReadonlySet<string>,
): { readonly addresses: AdminAddress[]; readonly lacks: boolean } {
  const own = channels.filter(
    ({ name, servedChannel }) => servedChannel === name || !known.has(servedChannel),
  );
  const addresses = own.flatMap(({ servedChannel, admins }) =>
    admins.map((recipient) => ({ channel: servedChannel, recipient })),
  );
  return { addresses, lacks: [...known].some((name) => !own.some((one) => one.name === name)) };
}

async function writeCopies(
  tx: Tx,
  ids: readonly bigint[],
  others: readonly AdminAddress[],
): Promise<void> {
  if (ids.length === 0 || others.length === 0) return;
  await sql`
    INSERT INTO perennial.notification (channel, recipient, kind, dedupe_key, params, bulk,
      next_attempt_at, created_at)
    SELECT other.channel, other.recipient, n.kind,
      n.dedupe_key || ' to ' || other.channel || ':' || other.recipient, n.params, n.bulk,
      n.next_attempt_at, n.created_at
    FROM perennial.notification n CROSS JOIN ${unnest('other', others, {
      channel: ['text', (row) => row.channel],
      recipient: ['text', (row) => row.recipient],
    })}
    WHERE n.id = ${anyOf('bigint', ids)}
    ORDER BY n.next_attempt_at, n.id
    ON CONFLICT (dedupe_key) DO NOTHING`.execute(tx);
}
