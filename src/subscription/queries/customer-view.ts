import { sql } from 'kysely';
import type { OpenNode } from '../../access/open-nodes.ts';
import { type Db, inSnapshot, type Tx } from '../../db/connect.ts';
import type { JsonObject, NoticeState } from '../../db/schema.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { CustomerResult } from '../commands/customer.ts';
import { createNoCustomerFault } from '../store/locked-customer.ts';
import {
  type CustomerRow,
  hasSubscription,
  readEndingRows,
  readLatestRows,
  readPageRows,
} from './customer-rows.ts';
import { type PageRequest, readEvents, readLedger } from './history.ts';
import {
  type ChargeView,
  type SubscriptionDetails,
  toCustomerCharges,
} from './subscription-details.ts';

// All facts about one customer, as `customer show` prints them.

export interface CustomerView {
  readonly customer: CustomerDetails;
  /** The earliest charge of the subscriptions. */
  readonly next_charge: ChargeView;
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
  readonly blocked_at: string | null;
  readonly blocked_reason: string | null;
  readonly created_at: string;
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
  // One statement is one snapshot: the balance and the charges are of the same moment (promise 1).
  if (rowsMax === 0) return readView(db, telegramId, rowsMax, onlyId);
  return inSnapshot(db, (tx) => readView(tx, telegramId, rowsMax, onlyId));
}

/** The view without ledger, notifications and events, as a part of a snapshot. */
export const readCurrentView = (
  tx: Tx,
  telegramId: bigint,
  onlyId?: SubscriptionId,
): Promise<CustomerView> => readView(tx, telegramId, 0, onlyId);

async function readView(
  db: Db | Tx,
  telegramId: bigint,
  rowsMax: number,
  onlyId: SubscriptionId | undefined,
): Promise<CustomerView> {
  const rows = await readLatest(db, telegramId, { one: onlyId ?? null, withNodes: false });
  const [{ customerId: id, currency }] = rows;
  const view = await toView(db, rows);
  if (rowsMax === 0) return view;
  return {
    ...view,
    ledger: await readLedger(db, id, currency, { max: rowsMax }),
    notices: await readNotices(db, id, rowsMax),
    events: await readEvents(db, id, { max: rowsMax }),
  };
}

/** @throws Fault `no_customer` */
async function readLatest(
  db: Db | Tx,
  telegramId: bigint,
  request: { readonly one: SubscriptionId | null; readonly withNodes: boolean },
): Promise<CustomerRows> {
  const rows = await readLatestRows(db, { ...request, telegramId, max: subscriptionsMax });
  if (rows.length === 0) throw createNoCustomerFault(telegramId);
  return rows as unknown as CustomerRows;
}

type CustomerRows = readonly [CustomerRow, ...CustomerRow[]];

async function toView(db: Db | Tx, rows: CustomerRows): Promise<CustomerView> {
  const [row] = rows;
  const { nextCharge, subscriptions } = await toCustomerCharges(db, rows);
  return {
    customer: toCustomerDetails(row),
    next_charge: nextCharge,
    subscriptions,
    subscriptions_total: Number(row.total),
    ledger: [],
    notices: [],
    events: [],
  };
}

/** The present view, and the nodes that its subscriptions open. @throws Fault `no_customer` */
export async function readCustomerWithNodes(
  db: Db,
  telegramId: bigint,
): Promise<{ readonly view: CustomerView; readonly openNodes: readonly OpenNode[] }> {
  const rows = await readLatest(db, telegramId, { one: null, withNodes: true });
  return { view: await toView(db, rows), openNodes: toOpenNodes(rows) };
}

/** In the order of the subscriptions, like all links. */
function toOpenNodes(rows: CustomerRows): OpenNode[] {
  const active = rows
    .filter(hasSubscription)
    .filter(({ state }) => state === 'active')
    .toSorted((one, other) => Number(one.subscriptionId - other.subscriptionId));
  const isOneOfSeveral = active.length > 1;
  return active.flatMap(({ subscriptionId, credential, openNodes }) =>
    credential === null
      ? []
      : (openNodes ?? []).map((node) => ({ ...node, subscriptionId, credential, isOneOfSeveral })),
  );
}

const toCustomerDetails = (row: CustomerRow): CustomerDetails => ({
  id: Number(row.customerId),
  telegram_id: Number(row.telegramId),
  locale: row.locale,
  time_zone: row.timeZone,
  currency: row.currency,
  vip: row.vip,
  discount_percent: row.discountPercent,
  reachable: row.reachable,
  sub_token: row.subToken,
  balance: majorUnits(row.balanceMinor, row.currency),
  claim: majorUnits(row.claimMinor, row.currency),
  trial_used_at: row.trialUsedAt === null ? null : isoTime(row.trialUsedAt),
  blocked_at: row.blockedAt === null ? null : isoTime(row.blockedAt),
  blocked_reason: row.blockedReason,
  created_at: isoTime(row.createdAt),
});

/** The active subscriptions in the order of their ends. @throws Fault `no_customer` */
export async function readEndingSubscriptions(
  tx: Tx,
  { telegramId }: CustomerKey,
  max: number,
): Promise<SubscriptionDetails[]> {
  const rows = await readEndingRows(tx, { telegramId, one: null, max, withNodes: false });
  if (rows.length === 0) throw createNoCustomerFault(telegramId);
  const { subscriptions } = await toCustomerCharges(tx, rows);
  return subscriptions.toSorted((one, other) => (one.expires_at < other.expires_at ? -1 : 1));
}

/** A page of all subscriptions of a customer, the latest first. */
export async function readSubscriptionPage(
  db: Db,
  { telegramId }: CustomerKey,
  { max, before }: PageRequest,
): Promise<SubscriptionDetails[]> {
  const one = (before ?? null) as SubscriptionId | null;
  const rows = await readPageRows(db, { telegramId, one, max, withNodes: false });
  if (rows.length === 0) throw createNoCustomerFault(telegramId);
  return (await toCustomerCharges(db, rows)).subscriptions.toReversed();
}

async function readNotices(db: Db | Tx, id: CustomerId, max: number): Promise<JsonObject[]> {
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
    ORDER BY n.id DESC LIMIT ${max}`.execute(db);
  return rows.map(({ at, ...row }) => ({ ...row, id: Number(row.id), created_at: isoTime(at) }));
}

/** The ids of a customer, and the currency. */
export interface CustomerKey {
  readonly id: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
}

/** @throws Fault `no_customer` */
export async function readCustomerKey(db: Db | Tx, telegramId: bigint): Promise<CustomerKey> {
  const row = await db
    .selectFrom('perennial.customer')
    .select(['id', 'telegram_id as telegramId', 'currency'])
    .where('telegram_id', '=', telegramId)
    .executeTakeFirst();
  if (row === undefined) throw createNoCustomerFault(telegramId);
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
  if (row === undefined) throw createNoCustomerFault(telegramId);
  return row.sub_token;
}
