import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import type { Db, Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, instant, isoTime, latest } from '../kernel/instant.ts';
import type { Reason } from '../kernel/reason.ts';
import { readCustomerKey, readEndingSubscriptions } from '../subscription/queries/customer-view.ts';
import type { SubscriptionDetails } from '../subscription/queries/subscription-details.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { type ReminderFacts, readReminderFacts } from '../workers/expiry-reminders/facts.ts';
import { toEndNotices } from '../workers/expiry-reminders/notices.ts';
import { decideEndReminder } from '../workers/expiry-reminders/rule.ts';
import { decideTrialReminder } from '../workers/trial-notifications/rule.ts';
import { readTrialFacts, type TrialReminderFacts } from '../workers/trial-notifications/store.ts';

// The future of a customer as things are now: charges, ends and reminders.
//
// 1. Only active subscriptions count: those that end first.
// 2. The rules of the reminder workers decide at each check, with the present forecast.
// 3. A charge that the balance covers moves the end, so it also ends the reminders of this end.

export interface AheadItem {
  readonly at: string;
  readonly kind: 'charge' | 'end' | 'reminder';
  readonly subscription_id: number;
  readonly plan: string;
  /** Of a charge; null also without a price. */
  readonly amount: string | null;
  /** Of a charge: the top-up that it requires. */
  readonly missing: string | null;
  /** Of a reminder: its kind. */
  readonly notice: string | null;
  /** Of a charge: its reason. Of an end: the reason of the charge that would move it. */
  readonly reason: Reason | null;
}

export interface Ahead {
  readonly now: string;
  readonly currency: string;
  /** In the order of their times. */
  readonly items: readonly AheadItem[];
}

/** A customer may have 10,000 subscriptions. Each has a charge, an end and up to four reminders. */
const subscriptionsMax = 20;

/** The future of a customer, from one snapshot. @throws Fault `no_customer` */
export function readAhead(db: Db, telegramId: bigint): Promise<Ahead> {
  const snapshot = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return snapshot.execute(async (tx) => {
    const customer = await readCustomerKey(tx, telegramId);
    const now = await readClock(tx);
    const active = await readEndingSubscriptions(tx, customer, subscriptionsMax);
    const reminders = await planReminders(tx, customer.id, active, now);
    const items = [...active.flatMap(toChargeAndEnd), ...reminders];
    return {
      now: isoTime(now),
      currency: customer.currency,
      items: items.toSorted((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0)),
    };
  });
}

function toChargeAndEnd(subscription: SubscriptionDetails): AheadItem[] {
  const { id, plan, next_plan, expires_at, next_charge } = subscription;
  const { at, amount, missing, reason } = next_charge;
  const common = { subscription_id: id, notice: null, reason };
  const end: AheadItem = {
    ...common,
    at: expires_at,
    kind: 'end',
    plan,
    amount: null,
    missing: null,
  };
  if (at === null) return [end];
  return [{ ...common, at, kind: 'charge', plan: next_plan ?? plan, amount, missing }, end];
}

async function planReminders(
  tx: Tx,
  customerId: CustomerId,
  active: readonly SubscriptionDetails[],
  now: Instant,
): Promise<AheadItem[]> {
  const items = active.map(({ id }) => ({
    customerId,
    subscriptionId: BigInt(id) as SubscriptionId,
  }));
  const settings = await readSettings(tx);
  const chargeTimes = new Map(active.map(({ id, next_charge: { at } }) => [id, at]));
  const ends = await readReminderFacts(tx, items, { now, settings });
  const planned = [
    ...ends.flatMap((facts) =>
      planEndReminders(facts, chargeTimes.get(Number(facts.subscriptionId)) ?? null, now),
    ),
    ...(await readTrialFacts(tx, items, now)).flatMap((facts) => planTrialReminders(facts, now)),
  ];
  const known = await readKnownKeys(tx, planned);
  return planned
    .filter(({ dedupeKey }) => dedupeKey === null || !known.has(dedupeKey))
    .map(({ at, kind, subscriptionId, plan }) => ({
      at: isoTime(at),
      kind: 'reminder',
      subscription_id: Number(subscriptionId),
      plan,
      amount: null,
      missing: null,
      notice: kind,
      reason: null,
    }));
}

interface PlannedReminder {
  readonly at: Instant;
  readonly kind: string;
  readonly subscriptionId: SubscriptionId;
  readonly plan: string;
  /** Null: the check itself prevents a repetition. */
  readonly dedupeKey: string | null;
}

/** Statements 2 and 3. */
function planEndReminders(
  facts: ReminderFacts,
  chargeAt: string | null,
  now: Instant,
): PlannedReminder[] {
  const { subscriptionId, runningPlan: plan, forecast, expiresAt } = facts;
  const isCovered = forecast.kind === 'renewed' && chargeAt !== null;
  const until = isCovered ? instant(Date.parse(chargeAt)) : expiresAt;
  const planned = new Map<string, PlannedReminder>();
  for (let { remindAt } = facts; remindAt !== null; ) {
    const at = latest(now, remindAt);
    if (at >= until) break;
    const decision = decideEndReminder({ ...facts, remindAt }, at);
    if (decision.do === 'nothing') break;
    for (const { kind, dedupeKey } of toEndNotices(facts, decision)) {
      if (!planned.has(dedupeKey))
        planned.set(dedupeKey, { at, kind, subscriptionId, plan, dedupeKey });
    }
    remindAt = decision.nextAt;
  }
  return [...planned.values()];
}

/** Statement 2. */
function planTrialReminders(facts: TrialReminderFacts, now: Instant): PlannedReminder[] {
  const { subscriptionId, plan } = facts;
  const planned: PlannedReminder[] = [];
  for (let { remindAt } = facts; remindAt !== null; ) {
    const at = latest(now, remindAt);
    const decision = decideTrialReminder({ ...facts, remindAt }, at);
    if (decision.do === 'nothing') break;
    if (decision.do === 'remind')
      planned.push({ at, kind: decision.reminder.kind, subscriptionId, plan, dedupeKey: null });
    remindAt = decision.nextAt;
  }
  return planned;
}

/** The keys of notifications that are already stored. */
async function readKnownKeys(
  tx: Tx,
  planned: readonly PlannedReminder[],
): Promise<ReadonlySet<string>> {
  const keys = planned.flatMap(({ dedupeKey }) => (dedupeKey === null ? [] : [dedupeKey]));
  if (keys.length === 0) return new Set();
  const { rows } = await sql<{ key: string }>`
    SELECT dedupe_key AS key FROM perennial.notification
    WHERE dedupe_key = ${anyOf('text', keys)}`.execute(tx);
  return new Set(rows.map(({ key }) => key));
}
