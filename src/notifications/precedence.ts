import { type Instant, later, minuteMs } from '../kernel/instant.ts';
import { reminderGapMs } from '../outbox/reminder-schedule.ts';
import type { NoticeFacts, StoredNotice } from './relevance-facts.ts';

// The precedence of notifications about one end.
//
// After an outage, or with a long `renewal.window`, three workers may notify about one end at once:
// a reminder, a low balance and a new price.
//
// 1. Of two reminders the later one is sent.
// 2. Of a low balance and a reminder the low balance is sent. It arrives surely, also at night, and
//    names the amount, the price and the time.
// 3. A reminder that is due waits up to 15 minutes if auto-renewal has not found the low balance
//    yet. Two notifications are better than none.
// 4. Within 2 h after the last notification about an end no reminder is sent.
// 5. A low balance, a new price and a renewal ahead are sent only once, so they wait for these 2 h,
//    unless the end comes first.
// 6. A new price and a renewal ahead also wait for a reminder that is not sent yet.

/** Auto-renewal runs every 10 minutes. After this time it will not store a low balance any more. */
const lowBalanceWaitMs = 15 * minuteMs;

/** The holder of precedence: the check of the balance, another notification, or its distance. */
export type PrecedenceWait = 'low_balance' | 'reminder' | 'distance';

export type Precedence =
  | { readonly do: 'suppress'; readonly reason: 'later_reminder' | 'low_balance' | 'just_told' }
  | { readonly do: 'wait'; readonly until: Instant; readonly waitsFor: PrecedenceWait };

/**
 * @param until when the notification becomes irrelevant
 * @returns undefined: nothing has precedence over it
 */
export function checkPrecedence(
  { kind, createdAt }: StoredNotice,
  { subscription, endNotifications }: NoticeFacts,
  until: Instant,
  now: Instant,
): Precedence | undefined {
  const { lastSentAt, lowBalance } = endNotifications;
  const gapEndsAt = lastSentAt === null ? now : later(lastSentAt, reminderGapMs);
  const waitUntil = (moment: Instant, waitsFor: PrecedenceWait): Precedence | undefined =>
    moment > now && moment < until ? { do: 'wait', until: moment, waitsFor } : undefined;
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
      return isDue ? waitUntil(later(createdAt, lowBalanceWaitMs), 'low_balance') : undefined;
    }
    case 'price_change':
    case 'renewal_ahead':
      // A pending reminder goes first. A price is notified only once, so it waits instead of being
      // suppressed.
      if (endNotifications.hasLaterReminder && lastSentAt === null)
        return waitUntil(later(now, reminderGapMs), 'reminder');
      return waitUntil(gapEndsAt, 'distance');
    case 'low_balance':
      return waitUntil(gapEndsAt, 'distance');
    default:
      return undefined;
  }
}
