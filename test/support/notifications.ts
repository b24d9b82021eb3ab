import { sql } from 'kysely';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import type { CustomerId, SubscriptionId } from '../../src/kernel/ids.ts';
import { type Instant, isoTime } from '../../src/kernel/instant.ts';
import type { CustomerKind } from '../../src/outbox/kinds.ts';
import { enqueueNotifications, type NewNotice } from '../../src/outbox/outbox.ts';
import type { TestDatabase } from './database.ts';

// Stored notifications about the current state of a subscription.

interface NotificationSubject {
  readonly customerId: CustomerId;
  readonly subscriptionId: SubscriptionId;
  readonly expiresAt: Instant;
}

async function readSubject(
  { db }: Pick<TestDatabase, 'db'>,
  telegramId: bigint,
): Promise<NotificationSubject> {
  const { rows } = await sql<NotificationSubject>`
    SELECT c.id AS "customerId", s.id AS "subscriptionId", s.expires_at AS "expiresAt"
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    WHERE c.telegram_id = ${telegramId} ORDER BY s.id DESC LIMIT 1`.execute(db);
  return rows[0] as NotificationSubject;
}

const plan = 'basic';
const currency = 'RUB';

function createParams(kind: CustomerKind, expiresAt: Instant) {
  const expires_at = isoTime(expiresAt);
  switch (kind) {
    case 'receipt': {
      const money = { amount: '149.00', currency, balance_after: '0.00' };
      return { ...money, plan, period_days: 30, starts_at: expires_at, ends_at: expires_at };
    }
    case 'low_balance': {
      const money = { price: '149.00', missing: '149.00', currency };
      return { ...money, plan, period_days: 30, expires_at };
    }
    case 'refund':
      return { amount: '149.00', currency, plan, balance_after: '149.00', ends_at: null };
    case 'grant':
      return { plan, days: 30, ends_at: expires_at };
    case 'grant_taken_back':
      return { plan, ends_at: expires_at };
    case 'revoke':
      return { plan };
    case 'price_change': {
      const money = { currency, price: '149.00', new_price: '199.00' };
      return { plan, period_days: 30, ...money, expires_at };
    }
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h':
      return { plan, expires_at, missing: null, currency };
    default:
      return { plan, expires_at };
  }
}

let count = 0;

/** Stores a notification of this kind for a customer, about the latest subscription. */
export async function enqueueOne(
  database: Pick<TestDatabase, 'db'>,
  kind: CustomerKind,
  telegramId: bigint,
): Promise<void> {
  const { customerId, subscriptionId, expiresAt } = await readSubject(database, telegramId);
  count += 1;
  const notice = { customerId, subscriptionId, kind, dedupeKey: `test:${count}` };
  const params = createParams(kind, expiresAt);
  await inTransaction(database.db, async (tx) => {
    await enqueueNotifications(tx, [{ ...notice, params } as NewNotice], await readClock(tx));
  });
}

/** Stores an alarm for the admins. */
export async function enqueueAlarm(
  database: Pick<TestDatabase, 'db'>,
  name: string,
): Promise<void> {
  const params = {
    worker: name,
    failures: 3,
    error: 'no connection',
    since: isoTime(0 as Instant),
  };
  const kind = 'alarm_worker';
  const alarm = {
    customerId: null,
    subscriptionId: null,
    kind,
    dedupeKey: `alarm:${name}`,
    params,
  };
  await inTransaction(database.db, async (tx) => {
    await enqueueNotifications(tx, [alarm as NewNotice], await readClock(tx));
  });
}
