import type { NoticeState } from '../db/schema.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, later, never } from '../kernel/instant.ts';
import { checkRelevance } from '../notifications/relevance.ts';
import type { EndNotifications, NoticeFacts } from '../notifications/relevance-facts.ts';
import { type NoticeKind, type NoticeParams, noticeSpecs } from '../outbox/kinds.ts';
import type { NewNotice } from '../outbox/outbox.ts';
import { computeReminderLeadMs, computeRenewalAheadMs } from '../outbox/reminder-schedule.ts';
import { computeForecasts, type Forecast } from '../subscription/rules/forecast.ts';
import { hasPriceParam, parseNotifiedPrice } from '../subscription/store/known-prices.ts';
import { toLowBalanceNotices } from '../workers/auto-renewal/notices.ts';
import { toEndNotices } from '../workers/expiry-reminders/notices.ts';
import { decideEndReminder } from '../workers/expiry-reminders/rule.ts';
import {
  computeRunAt,
  type SimulatedCustomer,
  type SimulatedFacts,
  type SimulatedSubscription,
  toForecastFacts,
} from './customer-state.ts';
import type { LowBalance, SimulatedNotices, SimulationRules } from './outcomes.ts';

// The notifications of one customer in a forecast, because they make amounts known.
//
// 1. expiry-reminders and auto-renewal store notifications by their rules.
// 2. A courier sends each one as soon as its relevance permits it. A sent amount is known.

/** A notification about an end. Stored ones come from the database. */
export interface SimulatedNotice {
  readonly subscriptionId: SubscriptionId;
  readonly kind: NoticeKind;
  readonly dedupeKey: string;
  params: NoticeParams;
  readonly createdAt: Instant;
  state: NoticeState;
  nextAttemptAt: Instant;
  sendingSince: Instant | null;
}

/** The facts of the customer that only notifications need. */
export interface NoticeReader {
  readonly timeZone: string;
  readonly reachable: boolean;
  /** When a message to an unreachable customer last failed. */
  readonly failedAt: Instant | null;
  /** About the ends of the subscriptions, in the order of their ids. */
  readonly stored: readonly SimulatedNotice[];
}

/** The renewals whose reminders are due at the next run, as `price_review` states them. */
export interface DueReview {
  readonly plan: string | null;
  readonly periodDays: number | null;
  readonly currency: string | null;
}

const isUnsent = ({ state }: SimulatedNotice): boolean =>
  state === 'pending' || state === 'uncertain';

const isReminded = ({ kind, state, autoRenew }: SimulatedSubscription): boolean =>
  kind === 'paid' && state === 'active' && autoRenew;

export class SimulatedOutbox implements SimulatedNotices {
  readonly #customer: SimulatedCustomer;
  readonly #rules: SimulationRules;
  readonly #reader: NoticeReader;
  readonly #notices: SimulatedNotice[];
  #reviews: readonly DueReview[];

  constructor(
    customer: SimulatedCustomer,
    rules: SimulationRules,
    reader: NoticeReader,
    reviews: readonly DueReview[],
  ) {
    this.#customer = customer;
    this.#rules = rules;
    this.#reader = reader;
    this.#notices = reader.stored.map((notice) => ({ ...notice }));
    this.#reviews = reviews;
  }

  computeNextAt(after: Instant): Instant {
    const { now, intervals } = this.#rules;
    let next = never;
    if (this.#reviews.length > 0) next = computeRunAt(now, after, intervals.remindersMs);
    for (const subscription of this.#customer.subscriptions) {
      const { remindAt, expiresAt } = subscription;
      if (!isReminded(subscription) || remindAt === null) continue;
      const at = computeRunAt(remindAt, after, intervals.remindersMs);
      if (at < expiresAt && at < next) next = at;
    }
    for (const notice of this.#notices) {
      if (!isUnsent(notice)) continue;
      const at = notice.nextAttemptAt > after ? notice.nextAttemptAt : later(after, 1);
      if (at < next) next = at;
    }
    return next;
  }

  runAt(now: Instant): void {
    if (now % this.#rules.intervals.remindersMs === 0) this.#remind(now);
    this.#deliver(now);
  }

  addLowBalance(facts: SimulatedFacts, decision: LowBalance, now: Instant): void {
    this.#add(toLowBalanceNotices({ facts, ...decision }), now);
  }

  #add(notices: readonly NewNotice[], now: Instant): void {
    for (const { subscriptionId, kind, dedupeKey, params } of notices) {
      if (subscriptionId === null) continue;
      if (this.#notices.some((known) => known.dedupeKey === dedupeKey)) continue;
      this.#notices.push({
        subscriptionId,
        kind,
        dedupeKey,
        params,
        createdAt: now,
        state: 'pending',
        nextAttemptAt: now,
        sendingSince: null,
      });
    }
  }

  #forecast(now: Instant): ReadonlyMap<SubscriptionId, Forecast> {
    const { settings } = this.#rules;
    const facts = this.#customer.subscriptions
      .filter(
        ({ state, kind, autoRenew, expiresAt }) =>
          state === 'active' ||
          (state === 'expired' &&
            kind === 'paid' &&
            autoRenew &&
            settings.reviveMs > 0 &&
            expiresAt >= later(now, -settings.reviveMs)),
      )
      .toSorted((one, other) => one.expiresAt - other.expiresAt)
      .map((one) => toForecastFacts(one, this.#customer, now, settings));
    return computeForecasts(facts, now, settings);
  }

  /** A run of expiry-reminders. */
  #remind(now: Instant): void {
    this.#review(now);
    const due = this.#customer.subscriptions.filter(
      (one) =>
        isReminded(one) && one.remindAt !== null && one.remindAt <= now && one.expiresAt > now,
    );
    if (due.length === 0) return;
    const forecasts = this.#forecast(now);
    const { renewalAhead } = this.#rules.settings;
    for (const subscription of due) {
      const { id, nextPlan, nextPeriodDays, plan, periodDays } = subscription;
      const facts = {
        ...subscription,
        subscriptionId: id,
        customerId: this.#customer.id,
        telegramId: this.#customer.telegramId,
        currency: this.#customer.currency,
        isBlocked: this.#customer.isBlocked,
        timeZone: this.#reader.timeZone,
        runningPlan: plan,
        runningDays: periodDays,
        plan: nextPlan,
        periodDays: nextPeriodDays,
        forecast: forecasts.get(id) ?? { kind: 'ends' as const },
        aheadMs: computeRenewalAheadMs(renewalAhead, nextPeriodDays),
        choices: [],
      };
      const decision = decideEndReminder(facts, now);
      if (decision.do === 'nothing') continue;
      this.#add(toEndNotices(facts, decision), now);
      subscription.remindAt = decision.nextAt;
    }
  }

  #review(now: Instant): void {
    const leadMs = computeReminderLeadMs(this.#rules.settings.renewalAhead);
    for (const { plan, periodDays, currency } of this.#reviews) {
      if (currency !== null && currency !== this.#customer.currency) continue;
      for (const subscription of this.#customer.subscriptions) {
        const { expiresAt, nextPlan, nextPeriodDays } = subscription;
        const isMeant =
          (plan === null || plan === nextPlan) &&
          (periodDays === null || periodDays === nextPeriodDays);
        if (isMeant && isReminded(subscription) && expiresAt <= later(now, leadMs))
          subscription.remindAt = now;
      }
    }
    this.#reviews = [];
  }

  /** Walks as a courier does: urgent ones before bulk ones, each in the order of their times. */
  #deliver(now: Instant): void {
    const due = this.#notices.filter((one) => isUnsent(one) && one.nextAttemptAt <= now);
    if (due.length === 0) return;
    const isBulk = ({ kind }: SimulatedNotice) => noticeSpecs[kind].policy === 'at_most_once';
    const order = [...due.filter((one) => !isBulk(one)), ...due.filter(isBulk)];
    for (const notice of order) this.#deliverOne(notice, now);
  }

  #deliverOne(notice: SimulatedNotice, now: Instant): void {
    const { subscriptions } = this.#customer;
    const subscription = subscriptions.find(({ id }) => id === notice.subscriptionId);
    if (subscription === undefined) {
      notice.state = 'suppressed';
      return;
    }
    const decision = checkRelevance(notice, this.#toNoticeFacts(notice, subscription, now), now);
    switch (decision.do) {
      case 'suppress':
        notice.state = 'suppressed';
        return;
      case 'wait':
        notice.nextAttemptAt = decision.until;
        return;
      case 'send':
        notice.params = decision.params;
        notice.state = 'sent';
        notice.sendingSince = now;
        if (hasPriceParam(notice.kind)) addNotifiedPrice(subscription, notice, now);
    }
  }

  #toNoticeFacts(
    notice: SimulatedNotice,
    subscription: SimulatedSubscription,
    now: Instant,
  ): NoticeFacts {
    const { kind, state, autoRenew, expiresAt } = subscription;
    const isForecast = state === 'active' && kind === 'paid' && autoRenew;
    const forecast = isForecast
      ? this.#forecast(now).get(subscription.id)
      : { kind: 'ends' as const };
    const { timeZone, reachable, failedAt } = this.#reader;
    const pays = this.#customer.subscriptions.some(
      (one) => one.kind === 'paid' && one.state === 'active' && one.expiresAt > now,
    );
    return {
      customer: { reachable, isBlocked: this.#customer.isBlocked, failedAt, timeZone, pays },
      subscription: {
        ...{ kind, state, expiresAt, currency: this.#customer.currency },
        isRenewalDue: later(expiresAt, -this.#rules.settings.windowMs) <= now,
        plan: subscription.nextPlan,
        periodDays: subscription.nextPeriodDays,
        forecast: state === 'active' ? (forecast ?? null) : null,
        choices: [],
      },
      endNotifications: this.#toEndNotifications(notice),
      resolved: false,
    };
  }

  /** As `notifications/relevance-store.ts` reads them. */
  #toEndNotifications(notice: SimulatedNotice): EndNotifications {
    const isAboutPrice = ({ kind }: SimulatedNotice) =>
      kind === 'price_change' || kind === 'renewal_ahead';
    const position = this.#notices.indexOf(notice);
    let [hasLaterReminder, isShortKnown, isShortCurrent] = [false, false, false];
    let lastSentAt: Instant | null = null;
    for (const [index, other] of this.#notices.entries()) {
      if (other === notice || other.subscriptionId !== notice.subscriptionId) continue;
      if (other.params.expires_at !== notice.params.expires_at) continue;
      if (isAboutPrice(other) && !isAboutPrice(notice)) continue;
      const { kind, state, sendingSince } = other;
      const wasSent = state === 'sending' || state === 'sent' || state === 'uncertain';
      const isLater = index > position;
      const isShort = kind === 'low_balance';
      if (isLater && (wasSent || state === 'pending') && !isAboutPrice(other))
        hasLaterReminder ||= !isShort || isAboutPrice(notice);
      if (wasSent && sendingSince !== null && sendingSince > (lastSentAt ?? 0))
        lastSentAt = sendingSince;
      isShortKnown ||= isShort;
      const isUnsettled = state === 'pending' || state === 'sending';
      isShortCurrent ||= isShort && (isUnsettled || (isLater && wasSent));
    }
    const lowBalance = isShortCurrent ? 'current' : isShortKnown ? 'past' : 'none';
    return { hasLaterReminder, lastSentAt, lowBalance };
  }
}

/** As `writeNotifiedPrice` does. */
function addNotifiedPrice(
  subscription: SimulatedSubscription,
  { kind, params }: SimulatedNotice,
  now: Instant,
): void {
  const { nextPlan, nextPeriodDays, known, paidMinor } = subscription;
  if (params.plan !== nextPlan || params.period_days !== nextPeriodDays) return;
  const amountMinor = parseNotifiedPrice(kind, params);
  const price = { amountMinor, source: 'message', knownAt: now } as const;
  if (kind === 'price_change') {
    const kept = known.filter((one) => one.source !== 'message' || one.amountMinor < amountMinor);
    subscription.known = [...kept, price];
  } else if (paidMinor === null && known.every(({ source }) => source === 'terms')) {
    subscription.known = [...known, price];
  }
}
