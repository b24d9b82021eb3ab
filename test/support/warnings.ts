import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import { checkRelevance, type SendDecision } from '../../src/notifications/relevance.ts';
import { readRelevanceFacts } from '../../src/notifications/relevance-store.ts';
import type { NoticeKind, NoticeParams } from '../../src/outbox/kinds.ts';
import { enqueueNotifications, type NewNotice } from '../../src/outbox/outbox.ts';
import type { TestDatabase } from './database.ts';
import { createShop, createSubscriber, runWorkerAt } from './shop.ts';

// Relevance of the notifications in a database, and a customer with pending warnings.

export const start = '2026-10-26T09:00:00Z';
export const end = '2026-11-25T09:00:00.000Z';
const hourBeforeEnd = '2026-11-25T08:00:00Z';

interface NotificationRow {
  readonly id: bigint;
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
  readonly createdAt: Instant;
}

/** The relevance of each notification now: its kind, then `send` or the reason. */
export async function readOutcomes(database: TestDatabase): Promise<Record<string, string>> {
  const entries = Object.entries(await readVerdicts(database));
  return Object.fromEntries(
    entries.map(([kind, verdict]) => [
      kind,
      verdict.do === 'suppress' ? verdict.reason : verdict.do,
    ]),
  );
}

export async function readVerdicts(database: TestDatabase): Promise<Record<string, SendDecision>> {
  const rows = await database.query<NotificationRow>`
    SELECT id, kind, params, created_at AS "createdAt" FROM perennial.notification
    ORDER BY id`;
  return inTransaction(database.db, async (tx) => {
    const now = await readClock(tx);
    const ids = rows.map(({ id }) => id);
    const factsById = await readRelevanceFacts(tx, ids, now);
    return Object.fromEntries(
      rows.map((row) => {
        const { facts } = factsById.get(row.id) ?? {};
        if (facts === undefined) throw new Error(`no facts of ${row.id}`);
        return [row.kind, checkRelevance(row, facts, now)];
      }),
    );
  });
}

const createEndReminder = (
  kind: 'ends_24h' | 'ends_3h',
  customerId: NewNotice['customerId'],
  subscriptionId: SubscriptionId,
) =>
  ({
    kind,
    customerId,
    subscriptionId,
    dedupeKey: kind,
    params: { plan: 'basic', expires_at: end, missing: null, others: null, currency: 'RUB' },
  }) as NewNotice;

/**
 * A customer whose month ends in an hour, with a balance that is 49 too low, and with all pending
 * warnings about it.
 */
export async function createShortSubscriber(database: TestDatabase) {
  await createShop(database);
  const id = await createSubscriber(database, 1n, 100_00n);
  await runWorkerAt(database, '2026-11-25T05:00:00Z', 'auto-renewal');
  await database.setClock(hourBeforeEnd);
  const { id: customer } = await database.db
    .selectFrom('perennial.customer')
    .select('id')
    .executeTakeFirstOrThrow();
  await inTransaction(database.db, async (tx) =>
    enqueueNotifications(
      tx,
      [createEndReminder('ends_24h', customer, id), createEndReminder('ends_3h', customer, id)],
      await readClock(tx),
    ),
  );
  return id;
}

/** A second subscription of the customer that ends a minute earlier. */
export async function createEarlierSubscription(database: TestDatabase, id: SubscriptionId) {
  await database.query`
    WITH made AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT customer_id, 'paid', 'basic', 30, 'active', started_at, expires_at - interval '1 minute'
      FROM perennial.subscription WHERE id = ${id} RETURNING *)
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB' FROM made`;
}
