import { unreachable } from '../kernel/faults.ts';
import { dayMs, type Instant, later, tryParseInstant } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import {
  type NoticeKind,
  type NoticeParams,
  noticeSpecs,
  unreachableRetryMs,
} from '../outbox/kinds.ts';
import { earliestSendAt, isQuiet } from '../outbox/quiet-hours.ts';
import { endRemindersMs, trialRemindersMs } from '../outbox/reminder-schedule.ts';
import type { Forecast } from '../subscription/rules/forecast.ts';
import { withCurrentValues } from './current-values.ts';

import { checkPrecedence, type PrecedenceWait } from './precedence.ts';
import type { NoticeFacts, StoredNotice, SuppressReason } from './relevance-facts.ts';

// The relevance of a notification at the moment of its send (promise 7).
//
// The check is part of the transaction that sets `sending`. The customer is locked, and the facts
// are read after that. The order of the checks is:
//
// 1. Is it outdated? A notification about moved money (receipt, refund) is never outdated. A
//    notification about an end is outdated once a renewal, purchase or refund moves this end. A
//    reminder is outdated if the subscription will be renewed, and a reminder of a trial if the
//    customer pays. An announcement is outdated if its bulk job is cancelled. A blocked customer
//    gets no notification about access.
// 2. Is it too late? A notification is relevant for 30 days, and a reminder until the next one.
// 3. Does another notification about the same end have precedence (`precedence.ts`)?
// 4. Is the customer reachable? An unreachable customer gets at most one attempt a week.
//    `at_least_once` kinds wait for it, reminders are suppressed.
// 5. Are there quiet hours? A reminder waits until 9 in the customer's time zone, unless that is
//    too late. Other kinds are sent at once. At night every message is silent.

/** `customer`: the next attempt to an unreachable customer. `morning`: the end of quiet hours. */
export type NoticeWait = PrecedenceWait | 'customer' | 'morning';

export type SendDecision =
  /** `params`: the current values, which are rendered and stored. `silent`: without a sound. */
  | { readonly do: 'send'; readonly params: NoticeParams; readonly silent: boolean }
  | { readonly do: 'suppress'; readonly reason: SuppressReason }
  | { readonly do: 'wait'; readonly until: Instant; readonly waitsFor: NoticeWait };

/** After this time nothing is sent. */
const relevantMaxMs = 30 * dayMs;
/** The text of an operator is about the present, such as an outage. */
const announcementMs = 3 * dayMs;

/** Total: every notification of every kind has one decision at every moment. */
export function checkRelevance(
  notice: StoredNotice,
  facts: NoticeFacts,
  now: Instant,
): SendDecision {
  const outdated = outdatedReason(notice, facts, now);
  if (outdated !== undefined) return { do: 'suppress', reason: outdated };
  const { to, policy, waitsForMorning } = noticeSpecs[notice.kind];
  const until = relevantUntil(notice);
  if (now >= until) return { do: 'suppress', reason: 'too_late' };
  const precedence = checkPrecedence(notice, facts, until, now);
  if (precedence !== undefined) return precedence;
  const send = { do: 'send', params: withCurrentValues(notice, facts, now) } as const;
  if (to === 'admins') return { ...send, silent: false };
  const { customer } = facts;
  if (customer === null) return { do: 'suppress', reason: 'no_customer' };

  if (!customer.reachable) {
    if (policy === 'at_most_once') return { do: 'suppress', reason: 'unreachable' };
    const retryAt = customer.failedAt === null ? now : later(customer.failedAt, unreachableRetryMs);
    if (retryAt > now) return { do: 'wait', until: retryAt, waitsFor: 'customer' };
  }
  const sendAt = waitsForMorning ? earliestSendAt(now, customer.timeZone, until) : now;
  if (sendAt > now) return { do: 'wait', until: sendAt, waitsFor: 'morning' };
  return { ...send, silent: isQuiet(now, customer.timeZone) };
}

/** Why its statement is false now; undefined: it is true. */
function outdatedReason(
  { kind, params }: StoredNotice,
  facts: NoticeFacts,
  now: Instant,
): SuppressReason | undefined {
  const { subscription } = facts;
  if (facts.customer?.isBlocked && !kindsWithoutAccess.has(kind)) return 'blocked';
  switch (kind) {
    // The money was moved. Later changes have their own notifications.
    case 'receipt':
    case 'refund':
      return undefined;
    case 'grant':
    case 'restored':
      return checkGranted(params, facts, now);
    case 'grant_taken_back':
      return checkRunning(facts, now);
    case 'revoke':
      return subscription?.state === 'revoked' ? undefined : 'restored';
    case 'expired':
      return checkEnded(params, facts);
    case 'trial_ended':
      return facts.customer?.pays ? 'pays_already' : checkEnded(params, facts);
    case 'trial_6h':
    case 'trial_48h':
    case 'trial_ending':
      if (subscription?.kind !== 'trial') return 'converted';
      if (facts.customer?.pays) return 'pays_already';
      return checkEnding(params, facts, now);
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h':
      return checkEnding(params, facts, now) ?? checkLoss(subscription?.forecast ?? null);
    case 'low_balance':
      return checkEnding(params, facts, now) ?? checkShortage(subscription?.forecast ?? null);
    case 'price_change':
      return checkEnding(params, facts, now) ?? checkNewPrice(params, facts);
    case 'price_withdrawn':
      return checkEnding(params, facts, now) ?? checkWithdrawn(params, facts);
    case 'renewal_ahead':
      return checkEnding(params, facts, now) ?? checkRenewal(params, facts);
    case 'announcement':
      return facts.resolved ? 'cancelled' : undefined;
    case 'alarm_worker':
    case 'alarm_overdue':
    case 'alarm_lock':
    case 'alarm_guard':
    case 'alarm_money_guard':
    case 'alarm_quarantine':
    case 'alarm_removal':
    case 'alarm_node':
    case 'alarm_clock':
    case 'alarm_channel':
    case 'alarm_notice':
      return facts.resolved ? 'over' : undefined;
    case 'alarm_over':
      return facts.resolved ? 'alarm_never_said' : undefined;
    default:
      return unreachable(kind);
  }
}

/** A blocked customer has no access, so all other notifications to customers are false. */
const kindsWithoutAccess: ReadonlySet<NoticeKind> = new Set<NoticeKind>([
  ...(['receipt', 'refund', 'revoke', 'grant_taken_back', 'announcement'] as const),
]);

/**
 * A time of the params. An unreadable time counts as long past, so nothing is sent because of it.
 */
const parseTime = (value: NoticeParams[string] | undefined): Instant =>
  tryParseInstant(String(value)) ?? (0 as Instant);

/** Statement: "You have access until then." Less than the granted time does not count. */
function checkGranted(
  params: NoticeParams,
  { subscription }: NoticeFacts,
  now: Instant,
): SuppressReason | undefined {
  if (subscription?.state === 'revoked') return 'revoked';
  if (parseTime(params.ends_at) > (subscription?.expiresAt ?? now)) return 'end_moved';
  return checkRunning({ subscription }, now);
}

/** Statement: "You have access." */
function checkRunning(
  { subscription }: Pick<NoticeFacts, 'subscription'>,
  now: Instant,
): SuppressReason | undefined {
  if (subscription?.state === 'revoked') return 'revoked';
  return subscription?.state !== 'active' || subscription.expiresAt <= now ? 'ended' : undefined;
}

/** Statement: "It ended then." */
function checkEnded(
  params: NoticeParams,
  { subscription }: NoticeFacts,
): SuppressReason | undefined {
  if (subscription === null || subscription.state === 'active') return 'not_ended';
  if (subscription.state === 'revoked') return 'revoked';
  return subscription.expiresAt === parseTime(params.expires_at) ? undefined : 'end_moved';
}

/** Statement: "It will end then." */
function checkEnding(
  params: NoticeParams,
  { subscription }: NoticeFacts,
  now: Instant,
): SuppressReason | undefined {
  if (subscription?.state === 'revoked') return 'revoked';
  if (subscription?.expiresAt !== parseTime(params.expires_at)) return 'end_moved';
  return subscription.state !== 'active' || subscription.expiresAt <= now ? 'ended' : undefined;
}

/** Statement: "You will lose it." */
function checkLoss(forecast: Forecast | null): SuppressReason | undefined {
  if (forecast?.kind === 'renewed') return 'will_be_renewed';
  return forecast?.kind === 'no_price' ? 'no_price' : undefined;
}

/** Statement: "The balance does not cover it." */
function checkShortage(forecast: Forecast | null): SuppressReason | undefined {
  return checkLoss(forecast) ?? (forecast?.kind === 'short' ? undefined : 'not_renewed');
}

/** Statement: "It will be renewed at that price." */
function checkNewPrice(
  { new_price, plan, period_days }: NoticeParams,
  { subscription }: NoticeFacts,
): SuppressReason | undefined {
  const forecast = subscription?.forecast;
  if (!forecast || forecast.kind === 'ends') return 'not_renewed';
  if (forecast.kind === 'no_price') return 'no_price';
  if (subscription.plan !== plan || subscription.periodDays !== period_days) return 'price_moved';
  const { priceMinor, followingMinor } = forecast.terms;
  const isNext = (minor: bigint | null) =>
    minor !== null && majorUnits(minor, subscription.currency) === new_price;
  return isNext(priceMinor) || isNext(followingMinor) ? undefined : 'price_moved';
}

/** Statement: "It has no price, so it will not be renewed." */
function checkWithdrawn(
  { plan, period_days }: NoticeParams,
  { subscription }: NoticeFacts,
): SuppressReason | undefined {
  const forecast = subscription?.forecast;
  if (!forecast || forecast.kind === 'ends') return 'not_renewed';
  if (forecast.kind !== 'no_price') return 'price_is_back';
  const isSamePlan = subscription.plan === plan && subscription.periodDays === period_days;
  return isSamePlan ? undefined : 'price_moved';
}

/** Statement: "It will be renewed." */
function checkRenewal(
  { plan, period_days }: NoticeParams,
  { subscription }: NoticeFacts,
): SuppressReason | undefined {
  const forecast = subscription?.forecast;
  if (forecast?.kind === 'no_price') return 'no_price';
  if (forecast?.kind !== 'renewed') return 'not_renewed';
  const isSamePlan = subscription?.plan === plan && subscription?.periodDays === period_days;
  return isSamePlan ? undefined : 'price_moved';
}

/** The end of its relevance. For a reminder this is the time of the next one. */
function relevantUntil({ kind, params, createdAt }: StoredNotice): Instant {
  const end = parseTime(params.expires_at);
  switch (kind) {
    case 'trial_6h':
    case 'trial_48h':
      return later(end, -trialRemindersMs.trial_ending);
    case 'ends_3d':
      return later(end, -endRemindersMs.ends_24h);
    case 'ends_24h':
      return later(end, -endRemindersMs.ends_3h);
    case 'trial_ending':
    case 'ends_3h':
    case 'low_balance':
    case 'price_change':
    case 'price_withdrawn':
    case 'renewal_ahead':
      return end;
    case 'announcement':
      return later(createdAt, announcementMs);
    case 'receipt':
    case 'refund':
    case 'grant':
    case 'grant_taken_back':
    case 'restored':
    case 'revoke':
    case 'expired':
    case 'trial_ended':
    case 'alarm_worker':
    case 'alarm_overdue':
    case 'alarm_lock':
    case 'alarm_guard':
    case 'alarm_money_guard':
    case 'alarm_quarantine':
    case 'alarm_removal':
    case 'alarm_node':
    case 'alarm_clock':
    case 'alarm_channel':
    case 'alarm_notice':
    case 'alarm_over':
      return later(createdAt, relevantMaxMs);
    default:
      return unreachable(kind);
  }
}
