import { type Instant, later, minuteMs } from '../kernel/instant.ts';
import type { JudgedNotice, NoticeFacts } from './notice-facts.ts';
import { apartMs } from './reminder-times.ts';

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
const lowBalanceWithinMs = 15 * minuteMs;

export type Turn =
  | { readonly do: 'suppress'; readonly reason: 'later_reminder' | 'low_balance' | 'just_told' }
  | { readonly do: 'wait'; readonly until: Instant };

/** @param until when it is too late for it @returns undefined: it is its turn */
export function turnOf(
  { kind, createdAt }: JudgedNotice,
  { subscription, words }: NoticeFacts,
  until: Instant,
  now: Instant,
): Turn | undefined {
  const { toldAt, lowBalance } = words;
  const quietUntil = toldAt === null ? now : later(toldAt, apartMs);
  const wait = (moment: Instant): Turn | undefined =>
    moment > now && moment < until ? { do: 'wait', until: moment } : undefined;
  switch (kind) {
    case 'trial_6h':
    case 'trial_48h':
    case 'trial_ending':
    case 'ends_3d':
    case 'ends_24h':
    case 'ends_3h':
    case 'price_withdrawn': {
      if (words.later) return { do: 'suppress', reason: 'later_reminder' };
      const isShort = subscription?.outlook?.at === 'short';
      if (isShort && lowBalance === 'stands') return { do: 'suppress', reason: 'low_balance' };
      if (quietUntil > now) return { do: 'suppress', reason: 'just_told' };
      const isDue = isShort && subscription.renewalDue && lowBalance === 'none';
      return isDue ? wait(later(createdAt, lowBalanceWithinMs)) : undefined;
    }
    case 'price_change':
    case 'renewal_ahead':
      // A reminder that is not sent yet goes first: a price is notified of once, and has to be.
      if (words.later && toldAt === null) return wait(later(now, apartMs));
      return wait(quietUntil);
    case 'low_balance':
      return wait(quietUntil);
    default:
      return undefined;
  }
}
