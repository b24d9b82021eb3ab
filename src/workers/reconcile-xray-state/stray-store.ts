import { sql } from 'kysely';
import { wakeKeepers } from '../../access/wake.ts';
import type { Db, Tx } from '../../db/connect.ts';
import type { CredentialId, CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { recordEvents, toSubscriptionSubject } from '../../subscription/store/events.ts';

// Confirmed removals of names that no mark can describe (`stray`).
//
// A confirmation covers only the names that this comparison found, and only the boot in which it
// found them (X3). The keeper of the node removes them.

export interface ConfirmationContext {
  readonly node: string;
  /** The boot of the node before it was listed. A later boot has other users. */
  readonly bootAt: Instant | null;
  readonly actor: string;
  readonly now: Instant;
}

/** Writes a confirmation for these rows of `drift`. A repeated confirmation counts as new. */
const insertConfirmations = (
  { node, bootAt, now }: ConfirmationContext,
  rows: ReturnType<typeof sql>,
): ReturnType<typeof sql<{ name: string; shared: CredentialId | null }>> => sql`
  INSERT INTO perennial.stray (node_id, name, ours, shared, boot_at, next_attempt_at, confirmed_at)
  SELECT n.id, d.name, min(d.ours::text)::uuid, min(d.credential_id::text)::uuid,
    ${bootAt === null ? null : isoTime(bootAt)}::timestamptz, ${isoTime(now)}::timestamptz,
    ${isoTime(now)}::timestamptz
  FROM drift d JOIN perennial.node n ON n.id = ${node}
  WHERE ${rows} GROUP BY n.id, d.name ORDER BY d.name
  ON CONFLICT (node_id, name) DO UPDATE SET ours = excluded.ours, shared = excluded.shared,
    boot_at = excluded.boot_at, version = nextval('perennial.access_sync_version'), attempts = 0,
    next_attempt_at = excluded.next_attempt_at, last_error = NULL,
    confirmed_at = excluded.confirmed_at
  RETURNING name, shared`;

/**
 * Our names that the database does not have, with a number in `(after, upTo]`. @returns their count
 */
export async function confirmUnknown(
  tx: Tx,
  confirming: ConfirmationContext,
  after: number,
  upTo: number,
): Promise<number> {
  const rows = sql`d.n > ${after} AND d.n <= ${upTo} AND d.kind = 'unknown' AND NOT d.marked`;
  const { rows: confirmed } = await insertConfirmations(confirming, rows).execute(tx);
  if (confirmed.length === 0) return 0;
  await wakeKeepers(tx);
  const detail = { node: confirming.node, names: confirmed.length };
  const event = { customerId: null, subject: 'catalog', action: 'confirm_removals', detail };
  await recordEvents(tx, [event], confirming.actor, confirming.now);
  return confirmed.length;
}

/** A foreign name with the UUID of a customer. */
export interface NameConflict {
  readonly name: string;
  readonly subscriptionId: SubscriptionId;
  readonly telegramId: bigint;
}

/**
 * VMess also lists users without a name. A name with U+FFFD was changed when it was read
 * (`foreignName`), so no call can remove it. Neither can be adopted.
 */
const isAdoptable = (names: readonly string[] | undefined) => sql`d.kind = 'conflict'
  AND d.name <> '' AND strpos(d.name, ${'\u{fffd}'}) = 0
  AND (d.name = ANY (${names ?? []}::text[]) OR ${names === undefined})`;

/** The number of names that can be adopted. */
export async function readConflictCount(db: Db, names: readonly string[] | undefined) {
  const { rows } = await sql<{ names: bigint }>`
    SELECT count(DISTINCT d.name) AS names FROM drift d WHERE ${isAdoptable(names)}`.execute(db);
  return Number(rows[0]?.names ?? 0n);
}

/** The first conflicts on the compared node, by name. `names`: only these. */
export async function readConflicts(
  db: Db,
  names: readonly string[] | undefined,
  max: number,
): Promise<NameConflict[]> {
  const { rows } = await sql<NameConflict>`
    SELECT DISTINCT ON (d.name) d.name, c.subscription_id AS "subscriptionId",
      u.telegram_id AS "telegramId"
    FROM drift d JOIN perennial.credential c ON c.id = d.credential_id
    JOIN perennial.customer u ON u.id = c.customer_id
    WHERE ${isAdoptable(names)}
    ORDER BY d.name, c.id LIMIT ${max}`.execute(db);
  return rows;
}

/**
 * Adopts these conflicts with a number in `(after, upTo]`: the foreign name is removed, and ours
 * replaces it. @returns their count
 */
export async function adoptConflicts(
  tx: Tx,
  confirming: ConfirmationContext,
  names: readonly string[] | undefined,
  after: number,
  upTo: number,
): Promise<number> {
  const rows = sql`d.n > ${after} AND d.n <= ${upTo} AND ${isAdoptable(names)}`;
  const { rows: adopted } = await insertConfirmations(confirming, rows).execute(tx);
  if (adopted.length === 0) return 0;
  await wakeKeepers(tx);
  const { rows: owners } = await sql<{ name: string; customerId: CustomerId; of: SubscriptionId }>`
    SELECT x.name, c.customer_id AS "customerId", c.subscription_id AS of
    FROM perennial.stray x JOIN perennial.credential c ON c.id = x.shared
    WHERE x.node_id = ${confirming.node}
      AND x.name = ANY (${adopted.map(({ name }) => name)}::text[])`.execute(tx);
  const events = owners.map(({ name, customerId, of }) => ({
    customerId,
    subject: toSubscriptionSubject(of),
    action: 'adopted',
    detail: { node: confirming.node, name },
  }));
  await recordEvents(tx, events, confirming.actor, confirming.now);
  return adopted.length;
}
