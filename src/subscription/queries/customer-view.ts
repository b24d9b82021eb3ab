import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import type {
  JsonObject,
  NoticeState,
  PeriodSource,
  SubscriptionKind,
  SubscriptionState,
} from '../../db/schema.ts';
import { anyOf } from '../../db/unnest.ts';
import { refused } from '../../kernel/faults.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { CustomerResult } from '../commands/customer.ts';
import { type NextCharge, readNextCharges } from '../store/next-charge.ts';
import { readSettings } from '../store/settings.ts';
import { readSubscriptionsById } from '../store/subscriptions.ts';
import { type PageRequest, readEvents, readLedger } from './history.ts';

// All facts about one customer, as `customer show` prints them.

export interface CustomerView {
  readonly customer: CustomerDetails;
  /** At most 100: active ones first, then the latest. In the order of their ids. */
  readonly subscriptions: SubscriptionDetails[];
  readonly subscriptions_total: number;
  readonly ledger: readonly JsonObject[];
  readonly notices: readonly JsonObject[];
  readonly events: readonly JsonObject[];
}

export interface CustomerDetails extends CustomerResult {
  readonly balance: string;
  /** The debt after chargebacks. */
  readonly claim: string;
  readonly trial_used_at: string | null;
  readonly created_at: string;
}

export interface SubscriptionDetails {
  readonly id: number;
  readonly kind: SubscriptionKind;
  readonly plan: string;
  readonly period_days: number;
  readonly next_plan: string | null;
  readonly next_period_days: number | null;
  readonly state: SubscriptionState;
  readonly started_at: string;
  readonly expires_at: string;
  readonly auto_renew: boolean;
  /** Null: the subscription will not be renewed. */
  readonly next_renewal: NextCharge | null;
  readonly credential: string | null;
  readonly periods: {
    readonly id: number;
    readonly source: PeriodSource;
    readonly plan: string;
    readonly starts_at: string;
    readonly ends_at: string;
    readonly amount: string;
    readonly refunded_at: string | null;
    readonly part_of: number | null;
    readonly moved_from: string | null;
  }[];
}

/** A customer may have 10,000 subscriptions. The others are in the pages of the list. */
const subscriptionsMax = 100;

/**
 * @param rowsMax the number of the latest ledger entries, notifications and events
 * @param onlyId only this subscription
 * @throws Fault `no_customer`
 */
export function readCustomerView(
  db: Db,
  telegramId: bigint,
  rowsMax: number,
  onlyId?: SubscriptionId,
): Promise<CustomerView> {
  // One snapshot: the balance and the ledger are of the same moment (promise 1).
  const snapshot = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return snapshot.execute(async (tx) => {
    const row = await tx
      .selectFrom('perennial.customer')
      .selectAll()
      .where('telegram_id', '=', telegramId)
      .executeTakeFirst();
    if (row === undefined) throw refused('no_customer', `there is no customer ${telegramId}`);
    const { id, balance_minor, claim_minor, trial_used_at, created_at, ...rest } = row;
    return {
      customer: {
        id: Number(id),
        ...rest,
        telegram_id: Number(row.telegram_id),
        balance: majorUnits(balance_minor, row.currency),
        claim: majorUnits(claim_minor, row.currency),
        trial_used_at: trial_used_at === null ? null : isoTime(trial_used_at),
        created_at: isoTime(created_at),
      },
      subscriptions: await readSubscriptionDetails(tx, await readLatestIds(tx, id, onlyId), row),
      subscriptions_total: await countSubscriptions(tx, id),
      // A request without rows saves three statements.
      ledger: rowsMax === 0 ? [] : await readLedger(tx, id, row.currency, { max: rowsMax }),
      notices: rowsMax === 0 ? [] : await readNotices(tx, id, rowsMax),
      events: rowsMax === 0 ? [] : await readEvents(tx, id, { max: rowsMax }),
    };
  });
}

interface PeriodRow {
  readonly id: bigint;
  readonly subscriptionId: SubscriptionId;
  readonly source: PeriodSource;
  readonly plan: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  readonly amountMinor: bigint;
  readonly refundedAt: Instant | null;
  readonly partOf: bigint | null;
  readonly movedFrom: Instant | null;
}

/** Active subscriptions before the others, the latest first. */
async function readLatestIds(
  tx: Tx,
  customerId: CustomerId,
  onlyId: SubscriptionId | undefined,
): Promise<SubscriptionId[]> {
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT id FROM perennial.subscription
    WHERE customer_id = ${customerId} AND (${onlyId ?? null}::bigint IS NULL OR id = ${onlyId ?? null})
    ORDER BY state = 'active' DESC, id DESC LIMIT ${subscriptionsMax}`.execute(tx);
  return rows.map(({ id }) => id);
}

async function countSubscriptions(tx: Tx, customerId: CustomerId): Promise<number> {
  const { rows } = await sql<{ total: bigint }>`
    SELECT count(*) AS total FROM perennial.subscription
    WHERE customer_id = ${customerId}`.execute(tx);
  return Number(rows[0]?.total);
}

/** A page of all subscriptions of a customer, the latest first. */
export async function readSubscriptionPage(
  db: Db,
  { id, currency }: CustomerKey,
  { max, before }: PageRequest,
): Promise<SubscriptionDetails[]> {
  return inTransaction(db, async (tx) => {
    const { rows } = await sql<{ id: SubscriptionId }>`
      SELECT id FROM perennial.subscription
      WHERE customer_id = ${id} AND (${before ?? null}::bigint IS NULL OR id < ${before ?? null})
      ORDER BY id DESC LIMIT ${max}`.execute(tx);
    const ids = rows.map((row) => row.id);
    return (await readSubscriptionDetails(tx, ids, { id, currency })).toReversed();
  });
}

async function readSubscriptionDetails(
  tx: Tx,
  ids: readonly SubscriptionId[],
  customer: CustomerKey,
): Promise<SubscriptionDetails[]> {
  const { currency } = customer;
  const { rows: periods } = await sql<PeriodRow>`
    SELECT p.id, p.subscription_id AS "subscriptionId", p.source, p.plan,
      p.starts_at AS "startsAt", p.ends_at AS "endsAt", p.amount_minor AS "amountMinor",
      p.refunded_at AS "refundedAt", p.part_of AS "partOf", p.moved_from AS "movedFrom"
    FROM perennial.subscription s JOIN LATERAL (
      (SELECT * FROM perennial.period live
       WHERE live.subscription_id = s.id AND live.refunded_at IS NULL
       ORDER BY live.starts_at DESC LIMIT 100)
      UNION ALL
      (SELECT * FROM perennial.period refunded
       WHERE refunded.subscription_id = s.id AND refunded.refunded_at IS NOT NULL
       ORDER BY refunded.starts_at DESC LIMIT 100)) p ON true
    WHERE s.id = ${anyOf('bigint', ids)} ORDER BY p.starts_at, p.id`.execute(tx);
  const { rows: credentials } = await sql<{ id: string; subscriptionId: SubscriptionId }>`
    SELECT c.id, c.subscription_id AS "subscriptionId"
    FROM perennial.subscription s
    JOIN perennial.credential c ON c.subscription_id = s.id AND c.retired_at IS NULL
    WHERE s.id = ${anyOf('bigint', ids)}`.execute(tx);
  const settings = await readSettings(tx);
  const charges = await readNextCharges(tx, customer, ids, await readClock(tx), settings);
  const credentialBySubscription = new Map(credentials.map((row) => [row.subscriptionId, row.id]));
  const periodsBySubscription = Map.groupBy(periods, (row) => row.subscriptionId);
  return (await readSubscriptionsById(tx, ids)).map((subscription) => ({
    id: Number(subscription.id),
    kind: subscription.kind,
    plan: subscription.plan,
    period_days: subscription.periodDays,
    next_plan: subscription.nextPlan,
    next_period_days: subscription.nextPeriodDays,
    state: subscription.state,
    started_at: isoTime(subscription.startedAt),
    expires_at: isoTime(subscription.expiresAt),
    auto_renew: subscription.autoRenew,
    next_renewal: charges.get(subscription.id) ?? null,
    credential: credentialBySubscription.get(subscription.id) ?? null,
    periods: (periodsBySubscription.get(subscription.id) ?? []).map((row) => ({
      id: Number(row.id),
      source: row.source,
      plan: row.plan,
      starts_at: isoTime(row.startsAt),
      ends_at: isoTime(row.endsAt),
      amount: majorUnits(row.amountMinor, currency),
      refunded_at: row.refundedAt === null ? null : isoTime(row.refundedAt),
      part_of: row.partOf === null ? null : Number(row.partOf),
      moved_from: row.movedFrom === null ? null : isoTime(row.movedFrom),
    })),
  }));
}

async function readNotices(tx: Tx, id: CustomerId, max: number): Promise<JsonObject[]> {
  interface Row {
    readonly id: bigint;
    readonly kind: string;
    readonly state: NoticeState;
    readonly params: JsonObject;
    readonly at: Instant;
  }
  const { rows } = await sql<Row>`
    SELECT n.id, n.kind, n.state, n.params, n.created_at AS at
    FROM perennial.notification n WHERE n.customer_id = ${id}
    ORDER BY n.id DESC LIMIT ${max}`.execute(tx);
  return rows.map(({ at, ...row }) => ({ ...row, id: Number(row.id), created_at: isoTime(at) }));
}

/** The id of a customer row, and the currency. */
export interface CustomerKey {
  readonly id: CustomerId;
  readonly currency: string;
}

/** @throws Fault `no_customer` */
export async function readCustomerKey(db: Db | Tx, telegramId: bigint): Promise<CustomerKey> {
  const row = await db
    .selectFrom('perennial.customer')
    .select(['id', 'currency'])
    .where('telegram_id', '=', telegramId)
    .executeTakeFirst();
  if (row === undefined) throw refused('no_customer', `there is no customer ${telegramId}`);
  return row;
}

/** The currency of a customer. @throws Fault `no_customer` */
export async function readCurrency(db: Db | Tx, telegramId: bigint): Promise<string> {
  return (await readCustomerKey(db, telegramId)).currency;
}

/** The secret of the subscription URL. @throws Fault `no_customer` */
export async function readSubToken(db: Db | Tx, telegramId: bigint): Promise<string> {
  const row = await db
    .selectFrom('perennial.customer')
    .select('sub_token')
    .where('telegram_id', '=', telegramId)
    .executeTakeFirst();
  if (row === undefined) throw refused('no_customer', `there is no customer ${telegramId}`);
  return row.sub_token;
}
