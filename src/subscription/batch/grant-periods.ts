import { sql } from 'kysely';
import { markSubscriptions, openAccess } from '../../access/credentials.ts';
import { unnest } from '../../db/unnest.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, latest } from '../../kernel/instant.ts';
import { enqueueNotifications } from '../../outbox/outbox.ts';
import { computeFirstReminderAt } from '../../outbox/reminder-schedule.ts';
import { computePriceMinor } from '../rules/price.ts';
import { computeNextTerms, decideTerms, type Terms } from '../rules/terms.ts';
import type { WriteContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { writeFirstPrices } from '../store/known-prices.ts';
import type { Customer } from '../store/locked-customer.ts';
import { addPeriods, computePeriodEnd, readPeriodsById } from '../store/periods.ts';
import { readPriceList } from '../store/prices.ts';
import { releaseQuarantine, remindUnnotified } from '../store/retry-now.ts';
import type { Subscription } from '../store/subscriptions.ts';

// Gives free periods, set-based and in one transaction. The command grant gives one.
//
// Period, end, terms, access, known price, event and notification commit together. The number of
// statements is constant.

export interface NewGrant {
  readonly customer: Customer;
  readonly subscription: Subscription;
  /** The subscription was created for this grant, and has no period yet. */
  readonly isNew: boolean;
  readonly days: number;
}

interface PlannedGrant extends NewGrant {
  readonly id: SubscriptionId;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** The terms that the granted period continues. */
  readonly terms: Terms;
}

/**
 * Writes grants of customers whose rows the transaction holds.
 * @throws Fault `end_too_late`
 */
export async function grantPeriods(
  context: WriteContext,
  grants: readonly NewGrant[],
): Promise<void> {
  if (grants.length === 0) return;
  const { tx, now } = context;
  const existing = grants.filter(({ isNew }) => !isNew).map(({ subscription }) => subscription.id);
  const periodsBefore = await readPeriodsById(tx, existing);
  const planned = grants.map((grant): PlannedGrant => {
    const { subscription, isNew, days } = grant;
    const { id, expiresAt, plan } = subscription;
    const startsAt = isNew ? now : latest(now, expiresAt);
    const terms = isNew
      ? { plan, periodDays: days }
      : decideTerms(periodsBefore.get(id) ?? [], now, subscription).last;
    return { ...grant, id, startsAt, endsAt: computePeriodEnd(startsAt, days), terms };
  });
  await addPeriods(tx, planned.map(toPeriod));
  const extended = planned.filter(({ isNew }) => !isNew);
  await extendSubscriptions(context, extended);
  await writeGrantPrices(context, planned);
  await openAccess(
    tx,
    planned.map(({ id }) => id),
    now,
  );
  const customers = [...new Set(planned.map(({ customer }) => customer.id))];
  await releaseQuarantine(tx, ...customers);
  await remindUnnotified(tx, customers, now);
  await enqueueNotifications(tx, planned.map(toNotice), now);
  await recordEvents(tx, planned.map(toEvent), context.actor, now);
}

const toPeriod = ({ customer, subscription, isNew, ...grant }: PlannedGrant) => ({
  subscriptionId: grant.id,
  customerId: customer.id,
  source: 'grant' as const,
  plan: grant.terms.plan,
  startsAt: grant.startsAt,
  endsAt: grant.endsAt,
  amountMinor: 0n,
  currency: customer.currency,
  ledgerEntryId: null,
  periodDays: isNew ? grant.days : null,
  listMinor: null,
  discountPercent: null,
  kind: subscription.kind,
});

/** Writes the new ends, and the terms that follow from the periods. */
async function extendSubscriptions(
  { tx, now, settings }: WriteContext,
  extended: readonly PlannedGrant[],
): Promise<void> {
  if (extended.length === 0) return;
  const periods = await readPeriodsById(
    tx,
    extended.map(({ id }) => id),
  );
  const updates = extended.map(({ id, subscription, terms, endsAt }) => {
    const decided = decideTerms(periods.get(id) ?? [], now, subscription);
    const { inForce, last, changesAt } = decided;
    const subject = { ...subscription, expiresAt: endsAt, periodDays: last.periodDays };
    return {
      id,
      planBefore: subscription.plan,
      ...inForce,
      ...computeNextTerms(subscription, terms, decided),
      endsAt,
      changesAt,
      remindAt: computeFirstReminderAt(subject, settings.renewalAhead, now),
    };
  });
  await sql`
    UPDATE perennial.subscription s
    SET state = 'active', expires_at = granted.ends_at, next_try_at = NULL, plan = granted.plan,
      period_days = granted.period_days, next_plan = granted.next_plan,
      next_period_days = granted.next_period_days, changes_at = granted.changes_at,
      remind_at = granted.remind_at
    FROM ${unnest('granted', updates, {
      id: ['bigint', (row) => row.id],
      ends_at: ['timestamptz', (row) => row.endsAt],
      plan: ['text', (row) => row.plan],
      period_days: ['int', (row) => row.periodDays],
      next_plan: ['text', (row) => row.nextPlan],
      next_period_days: ['int', (row) => row.nextPeriodDays],
      changes_at: ['timestamptz', (row) => row.changesAt],
      remind_at: ['timestamptz', (row) => row.remindAt],
    })}
    WHERE s.id = granted.id`.execute(tx);
  const changed = updates.filter(({ planBefore, plan }) => planBefore !== plan);
  await markSubscriptions(
    tx,
    changed.map(({ id }) => id),
    now,
  );
}

/** The price at the grant is the first amount that a renewal may take. */
async function writeGrantPrices(
  { tx, now, settings }: WriteContext,
  planned: readonly PlannedGrant[],
): Promise<void> {
  const prices = await readPriceList(tx, now);
  const priced = planned.flatMap(({ id, customer, subscription, terms }) => {
    const listMinor = prices.getMinor(terms.plan, terms.periodDays, customer.currency);
    if (subscription.kind !== 'paid' || listMinor === null) return [];
    const amountMinor = computePriceMinor(listMinor, customer, settings.vipPercent);
    return [{ customerId: customer.id, subscriptionId: id, ...terms, amountMinor }];
  });
  await writeFirstPrices(tx, priced, now);
}

const toDetail = ({ days, terms, endsAt }: PlannedGrant) => ({
  days,
  plan: terms.plan,
  ends_at: isoTime(endsAt),
});

const toNotice = (grant: PlannedGrant) => ({
  customerId: grant.customer.id,
  subscriptionId: grant.id,
  kind: 'grant' as const,
  dedupeKey: `grant:${grant.id}:${grant.startsAt}:${grant.endsAt}`,
  params: toDetail(grant),
});

const toEvent = (grant: PlannedGrant) => ({
  customerId: grant.customer.id,
  subject: toSubscriptionSubject(grant.id),
  action: 'granted',
  detail: grant.isNew ? { ...toDetail(grant), auto_renew: false } : toDetail(grant),
});
