import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { TaskLog } from '../../logging/log.ts';
import type { Channel } from '../../notifications/channels/channel.ts';
import type { NoticeKind, NoticeParams } from '../../outbox/kinds.ts';
import { adminChannel } from '../../outbox/outbox.ts';

// Addresses alarms: makes one notification per admin and channel.
//
// An alarm is stored for the channel `admins`, because its author does not read the configuration.
// The configuration names the admins and their channels. The first courier that finds the alarm
// addresses it for all channels, so no channel waits for another one. The alarm itself becomes one
// of the notifications. The copies keep its time, so every channel sends alarms in the order of
// their times.
//
// A configuration may lack a channel that has a courier in the database. Such a process waits for
// one minute, so that a process with that channel can address the alarm. After that minute the
// channel may not be used any more.

interface UnaddressedAlarm {
  readonly id: bigint;
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
}

const worker = 'deliver-notifications';

/** One page. The next call addresses the rest. */
const pageMax = 100;

const isUnaddressed = sql`channel = ${adminChannel} AND state IN ('pending', 'uncertain')`;

/** Whether an alarm is not addressed: one probe of the index `notification_owed`. */
export async function hasUnaddressedAlarms(db: Db): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM perennial.notification WHERE ${isUnaddressed} LIMIT 1`.execute(db);
  return rows.length > 0;
}

/**
 * Addresses the alarms that are not addressed. Skips alarms that another courier has locked. Logs
 * each alarm, so the log has it even if no channel is reachable.
 */
export async function addressAlarms(
  db: Db,
  channels: readonly Channel[],
  log: Pick<TaskLog, 'warn'>,
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
    // Wakes the couriers of the other channels in all replicas.
    if (ids.length > 0) await wakeWorker(tx, worker);
    return rows;
  });
  for (const { id, kind, params } of addressed) {
    const message = addresses.length === 0 ? `${kind}, and no admin is configured` : kind;
    log.warn({ worker, item: String(id), alarm: kind, params }, message);
  }
}

/** The names of the channels that have a courier in this database. A fallback channel has none. */
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

/**
 * The addresses by these channels, without a fallback whose channel has a courier in this database.
 */
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
