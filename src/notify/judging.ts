import { unreachable } from '../kernel/faults.ts';
import { dayMs, type Instant, later, readInstant } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { Outlook } from '../subscription/outlook.ts';
import { kinds, type Params, triedEveryMs } from './kinds.ts';
import type { JudgedNotice, NoticeFacts } from './notice-facts.ts';
import { audibleAt, isQuiet } from './quiet.ts';
import { refreshed } from './refreshing.ts';
import { endRemindersMs, trialRemindersMs } from './reminder-times.ts';
import { turnOf } from './turns.ts';

// What becomes of a notice at the moment when it would be sent (promise 7). Asked in the
// transaction that marks it `sending`, with the customer's row locked and facts read after that.
// The questions, in this order:
//
// 1. Is it still true? What tells of money that moved (receipt, refund) is true for ever. What
//    tells of an end is true while the subscription ends then: a renewal, a purchase, a refund
//    move its end. A reminder is for those who will lose something, so not for who is renewed,
//    and a trial's not for who pays already.
// 2. Is it too late? After 30 days nobody wants to hear it. A reminder gives way to the next one of
//    its subscription.
// 3. Is it its turn? Of one end one word at a time: `turns.ts`.
// 4. Does it reach anybody? To somebody who blocked the bot one notice a week is tried; what must
//    arrive waits, a reminder is dropped.
// 5. Is it night? What is quiet waits until 9 in the customer's zone, but never until it is too
//    late: what can't wait goes at once. Everything that goes at night goes without a sound.

export type Suppressed =
  | 'no_customer'
  | 'end_moved'
  | 'ended'
  | 'not_ended'
  | 'revoked'
  | 'restored'
  | 'converted'
  | 'pays_already'
  | 'will_be_renewed'
  | 'not_renewed'
  | 'no_price'
  | 'price_moved'
  | 'price_is_back'
  | 'later_reminder'
  | 'low_balance'
  | 'just_told'
  | 'too_late'
  | 'over'
  | 'alarm_never_said'
  | 'unreachable';

export type Verdict =
  /** `params`: what it says now, to be rendered and stored. `silent`: without a sound. */
  | { readonly do: 'send'; readonly params: Params; readonly silent: boolean }
  | { readonly do: 'suppress'; readonly reason: Suppressed }
  | { readonly do: 'wait'; readonly until: Instant };

/** After this long nothing is said any more. */
const saidWithinMs = 30 * dayMs;

/** Total: every notice of every kind has one answer at every moment. */
export function judge(notice: JudgedNotice, facts: NoticeFacts, now: Instant): Verdict {
  const untrue = whyUntrue(notice, facts, now);
  if (untrue !== undefined) return { do: 'suppress', reason: untrue };
  const { to, policy, quiet } = kinds[notice.kind];
  const until = sayableUntil(notice);
  if (now >= until) return { do: 'suppress', reason: 'too_late' };
  const turn = turnOf(notice, facts, until, now);
  if (turn !== undefined) return turn;
  const send = { do: 'send', params: refreshed(notice, facts, now) } as const;
  if (to === 'admins') return { ...send, silent: false };
  const { customer } = facts;
  if (customer === null) return { do: 'suppress', reason: 'no_customer' };

  if (!customer.reachable) {
    if (policy === 'at_most_once') return { do: 'suppress', reason: 'unreachable' };
    const nextTry = customer.failedAt === null ? now : later(customer.failedAt, triedEveryMs);
    if (nextTry > now) return { do: 'wait', until: nextTry };
  }
  const audible = quiet ? audibleAt(now, customer.timeZone, until) : now;
  if (audible > now) return { do: 'wait', until: audible };
  return { ...send, silent: isQuiet(now, customer.timeZone) };
}

/** Why what it says is not so; undefined: it is so. */
function whyUntrue(
  { kind, params }: JudgedNotice,
  facts: NoticeFacts,
  now: Instant,
): Suppressed | undefined {
  const { subscription } = facts;
  switch (kind) {
    // The money moved; what came after has notices of its own.
    case 'receipt':
    case 'refund':
      return undefined;
    case 'grant':
    case 'restored':
      return whyNotGiven(params, facts, now);
    case 'grant_taken_back':
      return whyNotRunning(facts, now);
    case 'revoke':
      return subscription?.state === 'revoked' ? undefined : 'restored';
    case 'expired':
      return whyNotEnded(params, facts);
    case 'trial_ended':
      return facts.customer?.pays ? 'pays_already' : whyNotEnded(params, facts);
    case 'trial_6h':
    case 'trial_48h':
    case 'trial_ending':
      if (subscription?.kind !== 'trial') return 'converted';
      if (facts.customer?.pays) return 'pays_already';
      return whyNotEnding(params, facts, now);
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h':
      return whyNotEnding(params, facts, now) ?? whyNotLost(subscription?.outlook ?? null);
    case 'low_balance':
      return whyNotEnding(params, facts, now) ?? whyNotShort(subscription?.outlook ?? null);
    case 'price_change':
      return whyNotEnding(params, facts, now) ?? whyNotNewPrice(params, facts);
    case 'price_withdrawn':
      return whyNotEnding(params, facts, now) ?? whyNotWithdrawn(params, facts);
    case 'renewal_ahead':
      return whyNotEnding(params, facts, now) ?? whyNotRenewed(params, facts);
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
      return facts.moot ? 'over' : undefined;
    case 'alarm_over':
      return facts.moot ? 'alarm_never_said' : undefined;
    default:
      return unreachable(kind);
  }
}

/** A time of the params; one that can't be read is long past, so that nothing is said by it. */
const at = (value: Params[string] | undefined): Instant =>
  readInstant(String(value)) ?? (0 as Instant);

/** "You have time until then" is not so, or is less than was given. */
function whyNotGiven(
  params: Params,
  { subscription }: NoticeFacts,
  now: Instant,
): Suppressed | undefined {
  if (subscription?.state === 'revoked') return 'revoked';
  if (at(params.ends_at) > (subscription?.expiresAt ?? now)) return 'end_moved';
  return whyNotRunning({ subscription }, now);
}

/** "You have access" is not so. */
function whyNotRunning(
  { subscription }: Pick<NoticeFacts, 'subscription'>,
  now: Instant,
): Suppressed | undefined {
  if (subscription?.state === 'revoked') return 'revoked';
  return subscription?.state !== 'active' || subscription.expiresAt <= now ? 'ended' : undefined;
}

/** "It ended then" is not so. */
function whyNotEnded(params: Params, { subscription }: NoticeFacts): Suppressed | undefined {
  if (subscription === null || subscription.state === 'active') return 'not_ended';
  if (subscription.state === 'revoked') return 'revoked';
  return subscription.expiresAt === at(params.expires_at) ? undefined : 'end_moved';
}

/** "It will end then" is not so. */
function whyNotEnding(
  params: Params,
  { subscription }: NoticeFacts,
  now: Instant,
): Suppressed | undefined {
  if (subscription?.state === 'revoked') return 'revoked';
  if (subscription?.expiresAt !== at(params.expires_at)) return 'end_moved';
  return subscription.state !== 'active' || subscription.expiresAt <= now ? 'ended' : undefined;
}

/** "You will lose it" is not so. */
function whyNotLost(outlook: Outlook | null): Suppressed | undefined {
  if (outlook?.at === 'renewed') return 'will_be_renewed';
  return outlook?.at === 'no_price' ? 'no_price' : undefined;
}

/** "The balance doesn't cover it" is not so. */
function whyNotShort(outlook: Outlook | null): Suppressed | undefined {
  return whyNotLost(outlook) ?? (outlook?.at === 'short' ? undefined : 'not_renewed');
}

/** "It will be renewed at that price" is not so. */
function whyNotNewPrice(
  { new_price, plan, period_days }: Params,
  { subscription }: NoticeFacts,
): Suppressed | undefined {
  const outlook = subscription?.outlook;
  if (!outlook || outlook.at === 'ends') return 'not_renewed';
  if (outlook.at === 'no_price') return 'no_price';
  if (subscription.plan !== plan || subscription.periodDays !== period_days) return 'price_moved';
  const { priceMinor, followingMinor } = outlook.terms;
  const isNext = (minor: bigint | null) =>
    minor !== null && majorUnits(minor, subscription.currency) === new_price;
  return isNext(priceMinor) || isNext(followingMinor) ? undefined : 'price_moved';
}

/** "It has no price, so it will not be renewed" is not so. */
function whyNotWithdrawn(
  { plan, period_days }: Params,
  { subscription }: NoticeFacts,
): Suppressed | undefined {
  const outlook = subscription?.outlook;
  if (!outlook || outlook.at === 'ends') return 'not_renewed';
  if (outlook.at !== 'no_price') return 'price_is_back';
  const same = subscription.plan === plan && subscription.periodDays === period_days;
  return same ? undefined : 'price_moved';
}

/** "It will be renewed" is not so. */
function whyNotRenewed(
  { plan, period_days }: Params,
  { subscription }: NoticeFacts,
): Suppressed | undefined {
  const outlook = subscription?.outlook;
  if (outlook?.at === 'no_price') return 'no_price';
  if (outlook?.at !== 'renewed') return 'not_renewed';
  const same = subscription?.plan === plan && subscription?.periodDays === period_days;
  return same ? undefined : 'price_moved';
}

/** From when on it is too late: for a reminder, when the next one takes its place. */
function sayableUntil({ kind, params, createdAt }: JudgedNotice): Instant {
  const end = at(params.expires_at);
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
      return later(createdAt, saidWithinMs);
    default:
      return unreachable(kind);
  }
}
