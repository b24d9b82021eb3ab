import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import type { Instant } from '../../kernel/instant.ts';
import { audibleAt } from '../../notify/quiet.ts';
import {
  type EndReminder,
  nextReminderAt,
  type ReminderTime,
  reminderAt,
  remindersOfEnd,
} from '../../notify/reminder-times.ts';
import type { Outlook } from '../../subscription/outlook.ts';

// What somebody hears before a paid subscription ends, and when (DESIGN.md 5, "expiry-reminders").
//
// Three days, 24 hours and 3 hours before the end, for those who will not be renewed: auto-renew is
// off, or the balance won't cover the price when the renewal is due. By then other subscriptions
// of the customer that end earlier may have taken theirs from it. Whoever will be renewed hears
// nothing, unless the price will be another one than was paid for the period that ends: that is
// told from three days ahead, once for each new price.
//
// A plan without a price for the next period is the operator's trouble, of which he is alarmed; the
// customer can do nothing about it and isn't told anything.
//
// What comes late is said all the same; of several that are overdue only the latest. Nobody is
// woken for it: from 23 to 9 o'clock it waits for the morning, unless that is past the end.

export interface EndFacts {
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly expiresAt: Instant;
  readonly remindAt: Instant | null;
  readonly timeZone: string;
  /** How long the period is that ends. */
  readonly runningDays: number;
  /** What will become of it by the balance and the price when its renewal is due. */
  readonly outlook: Outlook;
  /** What was charged for the last period of the same plan and length; null for none such. */
  readonly paidMinor: bigint | null;
}

export type EndDecision =
  | {
      readonly do: 'remind';
      readonly reminder: ReminderTime<EndReminder>;
      readonly nextAt: Instant | null;
    }
  | {
      readonly do: 'tell-price';
      readonly priceMinor: bigint;
      readonly newPriceMinor: bigint;
      readonly nextAt: Instant | null;
    }
  /** Nothing to say now; look again then. */
  | { readonly do: 'wait'; readonly nextAt: Instant | null }
  | { readonly do: 'nothing' };

/** What is due, and when to look again. Total. */
export function nextReminder(facts: EndFacts, now: Instant): EndDecision {
  const { kind, state, expiresAt, remindAt } = facts;
  if (kind !== 'paid' || state !== 'active' || expiresAt <= now) return { do: 'nothing' };
  if (remindAt === null || remindAt > now) return { do: 'nothing' };
  const reminders = remindersOfEnd(expiresAt, facts.runningDays);
  const nextAt = nextReminderAt(reminders, now);
  const reminder = reminderAt(reminders, now);
  if (reminder === undefined) return { do: 'wait', nextAt };
  const said = whatToSay(facts, reminder, nextAt);
  if (said.do === 'wait') return said;
  const saidAt = audibleAt(now, facts.timeZone, expiresAt);
  return saidAt > now ? { do: 'wait', nextAt: saidAt } : said;
}

function whatToSay(
  facts: EndFacts,
  reminder: ReminderTime<EndReminder>,
  nextAt: Instant | null,
): Exclude<EndDecision, { do: 'nothing' }> {
  const { outlook, paidMinor } = facts;
  if (outlook.at === 'ends' || outlook.at === 'short') return { do: 'remind', reminder, nextAt };
  if (outlook.at === 'no_price') return { do: 'wait', nextAt };
  const { priceMinor } = outlook;
  // At 3 hours the renewal is done, or so late that its receipt says what it cost.
  if (paidMinor === null || paidMinor === priceMinor || reminder.kind === 'ends_3h') {
    return { do: 'wait', nextAt };
  }
  return { do: 'tell-price', priceMinor: paidMinor, newPriceMinor: priceMinor, nextAt };
}
