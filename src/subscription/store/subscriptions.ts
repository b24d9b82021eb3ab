import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { anyOf } from '../../db/unnest.ts';
import { type Fault, mustHold, refused } from '../../kernel/faults.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { computeFirstReminderAt, type ReminderSubject } from '../../outbox/reminder-schedule.ts';
import type { CommandContext } from './command-context.ts';

/** A subscription, as commands read it. */
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
export const readCustomerSubscriptions = (
  db: Db | Tx,
  customerId: CustomerId,
): Promise<Subscription[]> => readSubscriptions(db, sql`customer_id = ${customerId}`);

/** These subscriptions, the oldest first. */
export const readSubscriptionsById = (
  db: Db | Tx,
  ids: readonly SubscriptionId[],
): Promise<Subscription[]> => readSubscriptions(db, sql`id = ${anyOf('bigint', ids)}`);

/** A subscription that exists. A customer may have 10,000, so the others are not read. */
export async function readSubscriptionById(db: Db | Tx, id: SubscriptionId): Promise<Subscription> {
  const [subscription] = await readSubscriptionsById(db, [id]);
  mustHold(subscription !== undefined, `subscription ${id} is missing`);
  return subscription;
}

async function readSubscriptions(
  db: Db | Tx,
  condition: RawBuilder<unknown>,
): Promise<Subscription[]> {
  const { rows } = await sql<Subscription>`
    SELECT id, kind, plan, period_days AS "periodDays", next_plan AS "nextPlan",
      next_period_days AS "nextPeriodDays", state, started_at AS "startedAt",
      expires_at AS "expiresAt", auto_renew AS "autoRenew"
    FROM perennial.subscription WHERE ${condition} ORDER BY id`.execute(db);
  return rows;
}

/** The fault `no_subscription`. */
export const createNoSubscriptionFault = (id: SubscriptionId): Fault =>
  refused('no_subscription', `subscription_id: "${id}" is not a subscription`);

/** The Telegram id of the owner. @throws Fault `no_subscription` */
export async function readOwnerTelegramId(db: Db | Tx, id: SubscriptionId): Promise<bigint> {
  const { rows } = await sql<{ telegramId: bigint }>`
    SELECT c.telegram_id AS "telegramId"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined) throw createNoSubscriptionFault(id);
  return row.telegramId;
}

/** A sentence names at most this many subscriptions, and the number of the others. */
const describedMax = 10;

function describeSubscriptions(all: readonly Subscription[]): string {
  const descriptions = all
    .slice(0, describedMax)
    .map((one) => `${one.id} (${one.kind} ${one.plan}, ${one.state})`);
  const othersCount = all.length - descriptions.length;
  return othersCount === 0
    ? descriptions.join(', ')
    : `${descriptions.join(', ')} and ${othersCount} more`;
}

/** The named subscription of the customer. @throws Fault `no_subscription` */
function requireSubscription(all: readonly Subscription[], id: SubscriptionId): Subscription {
  const found = all.find((one) => one.id === id);
  if (found !== undefined) return found;
  const available = all.length === 0 ? 'none' : describeSubscriptions(all);
  throw refused(
    'no_subscription',
    `subscription_id: "${id}" is not a subscription of this customer; available: ${available}`,
  );
}

/**
 * Chooses the subscription: the named one, else the only one, else the only active one.
 * @param otherwise the alternative that a refusal suggests
 * @throws Fault `no_subscription`, `which_subscription`
 */
export function chooseSubscription(
  all: readonly Subscription[],
  id: SubscriptionId | undefined,
  otherwise?: string,
): Subscription {
  if (id !== undefined) return requireSubscription(all, id);
  if (all.length === 0) throw refused('no_subscription', 'the customer has no subscription');
  const active = all.filter((one) => one.state === 'active');
  const [only, another] = active.length === 0 ? all : active;
  if (only !== undefined && another === undefined) return only;
  throw refused(
    'which_subscription',
    `the customer has several subscriptions: ${describeSubscriptions(all)}`,
    `name one with --subscription${otherwise === undefined ? '' : `, or ${otherwise}`}`,
  );
}

/** The new values of a subscription. Missing fields stay as they are. */
export interface SubscriptionChange {
  readonly kind?: SubscriptionKind;
  readonly plan?: string;
  readonly periodDays?: number;
  readonly nextPlan?: string | null;
  readonly nextPeriodDays?: number | null;
  readonly state?: SubscriptionState;
  readonly expiresAt?: Instant;
  readonly autoRenew?: boolean;
  readonly nextTryAt?: Instant | null;
  readonly changesAt?: Instant | null;
  /** The length of the period that ends at the new end, for its reminders. */
  readonly lastDays?: number;
}

/**
 * The next reminder of a subscription with a new end. Reminders about the old end do not count, and
 * no reminder is due before now.
 */
function computeRemindAt(context: CommandContext, subscription: ReminderSubject): string | null {
  const at = computeFirstReminderAt(subscription, context.settings.renewalAhead, context.now);
  return at === null ? null : isoTime(at);
}

/** Writes a change of a subscription of the locked customer. */
export async function updateSubscription(
  context: CommandContext,
  subscription: Pick<Subscription, 'id'> & ReminderSubject,
  change: SubscriptionChange,
): Promise<void> {
  const { nextTryAt, changesAt } = change;
  const periodDays = change.lastDays ?? change.periodDays ?? subscription.periodDays;
  const updated = { ...subscription, ...change, periodDays };
  await context.tx
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
        : { expires_at: isoTime(change.expiresAt), remind_at: computeRemindAt(context, updated) }),
      ...(change.autoRenew === undefined ? {} : { auto_renew: change.autoRenew }),
      ...(nextTryAt === undefined
        ? {}
        : { next_try_at: nextTryAt === null ? null : isoTime(nextTryAt) }),
      ...(changesAt === undefined
        ? {}
        : { changes_at: changesAt === null ? null : isoTime(changesAt) }),
    })
    .where('id', '=', subscription.id)
    .where('customer_id', '=', context.customer.id)
    .executeTakeFirstOrThrow();
}

/** Creates a subscription that starts now. */
export async function createSubscription(
  context: CommandContext,
  initial: {
    readonly kind: SubscriptionKind;
    readonly plan: string;
    readonly periodDays: number;
    readonly expiresAt: Instant;
    readonly autoRenew: boolean;
  },
): Promise<SubscriptionId> {
  const { id } = await context.tx
    .insertInto('perennial.subscription')
    .values({
      customer_id: context.customer.id,
      kind: initial.kind,
      plan: initial.plan,
      period_days: initial.periodDays,
      state: 'active',
      started_at: isoTime(context.now),
      expires_at: isoTime(initial.expiresAt),
      remind_at: computeRemindAt(context, { ...initial, startedAt: context.now }),
      auto_renew: initial.autoRenew,
      next_plan: null,
      next_period_days: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}
