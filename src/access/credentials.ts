import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf, unnest } from '../db/unnest.ts';
import { type CredentialId, generateCredentialId, type SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { buildMarkInsert } from './marks.ts';
import { wakeKeepers } from './wake.ts';

// Credentials: who may connect. A subscription has a live credential exactly while it is active.
//
// Each change of a credential, and each change of plan, marks the credential on every node in the
// same transaction. This file calls no node: the keepers apply the marks.

/** A subscription that is paid again within this time gets its last credential back. */
const reviveCredentialMs = 30 * dayMs;

/**
 * Marks credentials on every node, because the node may now differ from the database. Marks of a
 * whole import are not urgent, so that they do not delay removals.
 */
export async function markAccess(
  tx: Tx,
  credentials: readonly CredentialId[],
  now: Instant,
  { urgent = true }: { urgent?: boolean } = {},
): Promise<void> {
  if (credentials.length === 0) return;
  await buildMarkStatement(
    unnest('c', credentials, { id: ['uuid', (id) => id] }),
    now,
    urgent,
  ).execute(tx);
  await wakeKeepers(tx);
}

/** The statement that marks each `id` of a table on every node. */
function buildMarkStatement(credentials: RawBuilder<unknown>, now: Instant, urgent: boolean) {
  return buildMarkInsert({
    from: sql`perennial.node n CROSS JOIN (SELECT id FROM ${credentials}) credential`,
    node: sql`n.id`,
    credential: sql`credential.id`,
    urgent: sql`${urgent}::boolean`,
    dueAt: now,
    onConflict: 'restart',
  });
}

/** The customer of this row is blocked, so no command opens access. */
const isBlocked = (table: string) => sql`EXISTS (SELECT FROM perennial.customer blocked
  WHERE blocked.id = ${sql.ref(`${table}.customer_id`)} AND blocked.blocked_at IS NOT NULL)`;

/**
 * Gives each subscription a live credential: its last one if it is recent, else a new one. A
 * subscription of a blocked customer gets none.
 * @param restoreMs the age of a retired credential up to which it is restored
 */
export async function openAccess(
  tx: Tx,
  subscriptions: readonly SubscriptionId[],
  now: Instant,
  restoreMs = reviveCredentialMs,
): Promise<void> {
  if (subscriptions.length === 0) return;
  const ids = anyOf('bigint', subscriptions);
  const { rows: revived } = await sql<{ id: CredentialId }>`
    UPDATE perennial.credential c SET retired_at = NULL
    WHERE c.id IN (
      SELECT DISTINCT ON (last.subscription_id) last.id FROM perennial.credential last
      WHERE last.subscription_id = ${ids}
        AND last.retired_at >= ${isoTime(later(now, -restoreMs))} AND NOT last.replaced
        AND NOT ${isBlocked('last')}
        AND NOT EXISTS (SELECT FROM perennial.credential live
          WHERE live.subscription_id = last.subscription_id AND live.retired_at IS NULL)
      ORDER BY last.subscription_id, last.retired_at DESC, last.issued_at DESC)
    RETURNING c.id`.execute(tx);
  const { rows: withoutCredential } = await sql<{ id: SubscriptionId }>`
    SELECT s.id FROM perennial.subscription s
    WHERE s.id = ${ids} AND NOT EXISTS (SELECT FROM perennial.credential live
      WHERE live.subscription_id = s.id AND live.retired_at IS NULL)
      AND NOT ${isBlocked('s')}`.execute(tx);
  const issued = await issueCredentials(
    tx,
    withoutCredential.map((row) => row.id),
    now,
  );
  await markAccess(tx, [...revived.map((row) => row.id), ...issued], now);
}

async function issueCredentials(
  tx: Tx,
  subscriptions: readonly SubscriptionId[],
  now: Instant,
): Promise<CredentialId[]> {
  const issued = subscriptions.map((subscriptionId) => ({
    subscriptionId,
    id: generateCredentialId(),
  }));
  if (issued.length > 0) {
    await sql`
      INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
      SELECT issued.id, s.id, s.customer_id, ${isoTime(now)}::timestamptz
      FROM ${unnest('issued', issued, {
        id: ['uuid', (row) => row.id],
        subscription_id: ['bigint', (row) => row.subscriptionId],
      })}
      JOIN perennial.subscription s ON s.id = issued.subscription_id`.execute(tx);
  }
  return issued.map(({ id }) => id);
}

/**
 * Replaces the live credential of a subscription permanently: a revival restores the new one. A
 * separate statement retires the old one first, because a unique index allows one live credential.
 */
export async function replaceCredential(
  tx: Tx,
  subscription: SubscriptionId,
  now: Instant,
): Promise<void> {
  const { rows } = await sql<{ id: CredentialId }>`
    UPDATE perennial.credential c SET retired_at = ${isoTime(now)}, replaced = true
    WHERE c.subscription_id = ${subscription} AND c.retired_at IS NULL
    RETURNING c.id`.execute(tx);
  const issued = await issueCredentials(tx, [subscription], now);
  await markAccess(tx, [...rows.map((row) => row.id), ...issued], now);
}

/** Retires the live credentials of these subscriptions, and marks them on every node. */
export async function closeAccess(
  tx: Tx,
  subscriptions: readonly SubscriptionId[],
  now: Instant,
): Promise<void> {
  if (subscriptions.length === 0) return;
  await sql`
    WITH retired AS (
      UPDATE perennial.credential c SET retired_at = ${isoTime(now)}
      WHERE c.subscription_id = ${anyOf('bigint', subscriptions)} AND c.retired_at IS NULL
      RETURNING c.id
    )
    ${buildMarkStatement(sql`retired`, now, true)}`.execute(tx);
  await wakeKeepers(tx);
}

/** Marks subscriptions after a change of plan: their credentials may open other nodes now. */
export async function markSubscriptions(
  tx: Tx,
  subscriptions: readonly SubscriptionId[],
  now: Instant,
): Promise<void> {
  if (subscriptions.length === 0) return;
  const { rows } = await sql<{ id: CredentialId }>`
    SELECT c.id FROM perennial.credential c
    WHERE c.subscription_id = ${anyOf('bigint', subscriptions)} AND c.retired_at IS NULL`.execute(
    tx,
  );
  await markAccess(
    tx,
    rows.map((row) => row.id),
    now,
  );
}
