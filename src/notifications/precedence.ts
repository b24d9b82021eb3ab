import { type Instant, later, minuteMs } from '../kernel/instant.ts';
import { reminderGapMs } from '../outbox/reminder-schedule.ts';
import type { NoticeFacts, StoredNotice } from './relevance-facts.ts';

// Of one end one word at a time. A reminder before an end, a short balance and a new price come from
// three workers, and after an outage, or with a long `renewal.window`, all at once. Which one is
// said:
//
// - Of two reminders the later one.
// - Of a short balance and a reminder the short balance: it arrives surely, by night too, and names
//   the amount, the price and the time. The reminder says nothing new then. Where it is due and
//   auto-renewal was not there yet to find it, the reminder waits for it, but not for long: an end
//   that nobody was told of would be worse than one that was told of twice.
// - Within two hours of the last word about an end no reminder is said. A short balance, a new price
//   and a renewal to come, which are told but once, wait until those are over, unless the end would
//   be. A new price and a renewal to come also wait for a reminder that is not sent yet.

/** Auto-renewal runs every 10 minutes: what it hasn't owed by then it won't. */
const lowBalanceWaitMs = 15 * minuteMs;

export type Precedence =
  | { readonly do: 'suppress'; readonly reason: 'later_reminder' | 'low_balance' | 'just_told' }
  | { readonly do: 'wait'; readonly until: Instant };

/** @param until when it is too late for it @returns undefined: it is its turn */
export function checkPrecedence(
  { kind, createdAt }: StoredNotice,
  { subscription, endNotifications }: NoticeFacts,
  until: Instant,
  now: Instant,
): Precedence | undefined {
  const { lastSentAt, lowBalance } = endNotifications;
  const gapEndsAt = lastSentAt === null ? now : later(lastSentAt, reminderGapMs);
  const waitUntil = (moment: Instant): Precedence | undefined =>
    moment > now && moment < until ? { do: 'wait', until: moment } : undefined;
  switch (kind) {
    case 'trial_6h':
    case 'trial_48h':
    case 'trial_ending':
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h':
    case 'price_withdrawn': {
      if (endNotifications.hasLaterReminder) return { do: 'suppress', reason: 'later_reminder' };
      const isShort = subscription?.forecast?.kind === 'short';
      if (isShort && lowBalance === 'current') return { do: 'suppress', reason: 'low_balance' };
      if (gapEndsAt > now) return { do: 'suppress', reason: 'just_told' };
      const isDue = isShort && subscription.isRenewalDue && lowBalance === 'none';
      return isDue ? waitUntil(later(createdAt, lowBalanceWaitMs)) : undefined;
    }
    case 'price_change':
    case 'renewal_ahead':
      // A reminder that is not sent yet goes first: a price is notified of once, and has to be.
      if (endNotifications.hasLaterReminder && lastSentAt === null)
        return waitUntil(later(now, reminderGapMs));
      return waitUntil(gapEndsAt);
    case 'low_balance':
      return waitUntil(gapEndsAt);
    default:
      return undefined;
  }
}
