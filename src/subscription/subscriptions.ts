import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import type { PeriodSource, SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import { refused } from '../kernel/faults.ts';
import type { CustomerId, LedgerEntryId, PeriodId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { firstLookAt, type Reminded } from '../notify/reminder-times.ts';
import type { Desk } from './command.ts';

/** A subscription as commands see it. */
export interface Subscription {
  readonly id: SubscriptionId;
  readonly kind: SubscriptionKind;
  readonly plan: string;
  readonly periodDays: number;
  readonly nextPlan: string | null;
  readonly nextPeriodDays: number | null;
  readonly state: SubscriptionState;
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
  readonly autoRenew: boolean;
}

/** All subscriptions of a customer, the oldest first. */
export const subscriptionsOf = (db: Db | Tx, customerId: CustomerId): Promise<Subscription[]> =>
  readSubscriptions(db, sql`customer_id = ${customerId}`);

/** These subscriptions, the oldest first. */
export const subscriptionsById = (
  db: Db | Tx,
  ids: readonly SubscriptionId[],
): Promise<Subscription[]> => readSubscriptions(db, sql`id = ${anyOf('bigint', ids)}`);

async function readSubscriptions(db: Db | Tx, which: RawBuilder<unknown>): Promise<Subscription[]> {
  const { rows } = await sql<Subscription>`
    SELECT id, kind, plan, period_days AS "periodDays", next_plan AS "nextPlan",
      next_period_days AS "nextPeriodDays", state, started_at AS "startedAt",
      expires_at AS "expiresAt", auto_renew AS "autoRenew"
    FROM perennial.subscription WHERE ${which} ORDER BY id`.execute(db);
  return rows;
}

/** Whose subscription it is. @throws Fault `no_subscription` */
export async function ownerOf(db: Db | Tx, id: SubscriptionId): Promise<bigint> {
  const { rows } = await sql<{ telegramId: bigint }>`
    SELECT c.telegram_id AS "telegramId"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined) throw refused('no_subscription', `there is no subscription ${id}`);
  return row.telegramId;
}

/** A sentence names this many subscriptions of a customer, and the number of the others. */
const namedMax = 10;

function inWords(all: readonly Subscription[]): string {
  const words = all
    .slice(0, namedMax)
    .map((one) => `${one.id} (${one.kind} ${one.plan}, ${one.state})`);
  const more = all.length - words.length;
  return more === 0 ? words.join(', ') : `${words.join(', ')} and ${more} more`;
}

/** The named subscription of the customer. @throws Fault `no_subscription` */
export function named(all: readonly Subscription[], id: SubscriptionId): Subscription {
  const found = all.find((one) => one.id === id);
  if (found !== undefined) return found;
  const there = all.length === 0 ? 'has none' : `has ${inWords(all)}`;
  throw refused('no_subscription', `the customer has no subscription ${id}; the customer ${there}`);
}

/**
 * The one that is meant: the named one, else the only one, else the only active one.
 * @throws Fault `no_subscription`, `which_subscription`
 */
export function pick(all: readonly Subscription[], id: SubscriptionId | undefined): Subscription {
  if (id !== undefined) return named(all, id);
  if (all.length === 0) throw refused('no_subscription', 'the customer has no subscription');
  const active = all.filter((one) => one.state === 'active');
  const [only, another] = active.length === 0 ? all : active;
  if (only !== undefined && another === undefined) return only;
  throw refused(
    'which_subscription',
    `the customer has several subscriptions: ${inWords(all)}`,
    'name one with --subscription',
  );
}

/** A period as it stands. */
export interface Period {
  readonly id: PeriodId;
  readonly subscriptionId: SubscriptionId;
  readonly source: PeriodSource;
  readonly plan: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  readonly amountMinor: bigint;
  readonly ledgerEntryId: LedgerEntryId | null;
}

/** Live periods of a subscription, the last one first. */
export async function livePeriods(tx: Tx, id: SubscriptionId): Promise<Period[]> {
  const { rows } = await sql<Period>`
    SELECT id, subscription_id AS "subscriptionId", source, plan, starts_at AS "startsAt",
      ends_at AS "endsAt", amount_minor AS "amountMinor", ledger_entry_id AS "ledgerEntryId"
    FROM perennial.period WHERE subscription_id = ${id} AND refunded_at IS NULL
    ORDER BY starts_at DESC`.execute(tx);
  return rows;
}

/** What a subscription is to become; what is not named stays as it is. */
export interface Change {
  readonly kind?: SubscriptionKind;
  readonly plan?: string;
  readonly periodDays?: number;
  readonly nextPlan?: string | null;
  readonly nextPeriodDays?: number | null;
  readonly state?: SubscriptionState;
  readonly expiresAt?: Instant;
  readonly autoRenew?: boolean;
  readonly nextTryAt?: Instant | null;
}

/**
 * When the next reminder of one whose end is new is due: nothing of what its old end was told, and
 * nothing that would have been due before now.
 */
function remindAt(desk: Desk, subscription: Reminded): string | null {
  const at = firstLookAt(subscription, desk.settings.renewalAhead, desk.now);
  return at === null ? null : isoTime(at);
}

/** Writes a change of a subscription of the customer at the desk. */
export async function alter(
  desk: Desk,
  subscription: Pick<Subscription, 'id'> & Reminded,
  change: Change,
): Promise<void> {
  const { nextTryAt } = change;
  const altered = { ...subscription, ...change };
  await desk.tx
    .updateTable('perennial.subscription')
    .set({
      ...(change.kind === undefined ? {} : { kind: change.kind }),
      ...(change.plan === undefined ? {} : { plan: change.plan }),
      ...(change.periodDays === undefined ? {} : { period_days: change.periodDays }),
      ...(change.nextPlan === undefined ? {} : { next_plan: change.nextPlan }),
      ...(change.nextPeriodDays === undefined ? {} : { next_period_days: change.nextPeriodDays }),
      ...(change.state === undefined ? {} : { state: change.state }),
      ...(change.expiresAt === undefined
        ? {}
        : { expires_at: isoTime(change.expiresAt), remind_at: remindAt(desk, altered) }),
      ...(change.autoRenew === undefined ? {} : { auto_renew: change.autoRenew }),
      ...(nextTryAt === undefined
        ? {}
        : { next_try_at: nextTryAt === null ? null : isoTime(nextTryAt) }),
    })
    .where('id', '=', subscription.id)
    .where('customer_id', '=', desk.customer.id)
    .executeTakeFirstOrThrow();
}

/** Opens a subscription that starts now. */
export async function found(
  desk: Desk,
  first: {
    readonly kind: SubscriptionKind;
    readonly plan: string;
    readonly periodDays: number;
    readonly expiresAt: Instant;
    readonly autoRenew: boolean;
  },
): Promise<SubscriptionId> {
  const { id } = await desk.tx
    .insertInto('perennial.subscription')
    .values({
      customer_id: desk.customer.id,
      kind: first.kind,
      plan: first.plan,
      period_days: first.periodDays,
      state: 'active',
      started_at: isoTime(desk.now),
      expires_at: isoTime(first.expiresAt),
      remind_at: remindAt(desk, { ...first, startedAt: desk.now }),
      auto_renew: first.autoRenew,
      next_plan: null,
      next_period_days: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}
