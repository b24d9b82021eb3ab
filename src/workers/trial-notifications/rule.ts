import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import type { Instant } from '../../kernel/instant.ts';
import { earliestSendAt } from '../../outbox/quiet-hours.ts';
import {
  computeNextReminderAt,
  computeTrialReminders,
  type ReminderTime,
  selectDueReminder,
  type TrialReminder,
} from '../../outbox/reminder-schedule.ts';

// What somebody on a trial hears, and when (design, trial-notifications).
//
// Three things: 6 hours after the start, 48 hours after it, and 6 hours before the end. What comes
// late, since we were down, is said all the same; of several that are overdue only the latest.
// Nobody is woken for it: from 23 to 9 o'clock it waits for the morning, unless the trial is over
// by then. Whoever has a running paid subscription is not asked to buy one. At the end there is
// nothing to remind of any more: that it is over is told by who ends it.

export interface TrialFacts {
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
  readonly remindAt: Instant | null;
  readonly timeZone: string;
  /** The customer has a paid subscription that runs. */
  readonly hasPaid: boolean;
}

export type TrialDecision =
  | {
      readonly do: 'remind';
      readonly reminder: ReminderTime<TrialReminder>;
      readonly nextAt: Instant | null;
    }
  /** Nothing to say now; look again then. */
  | { readonly do: 'wait'; readonly nextAt: Instant | null }
  | { readonly do: 'nothing' };

/** What is due, and when to look again. Total. */
export function decideTrialReminder(facts: TrialFacts, now: Instant): TrialDecision {
  const { kind, state, startedAt, expiresAt, remindAt } = facts;
  if (kind !== 'trial' || state !== 'active' || expiresAt <= now) return { do: 'nothing' };
  if (remindAt === null || remindAt > now) return { do: 'nothing' };
  const reminders = computeTrialReminders(startedAt, expiresAt);
  const nextAt = computeNextReminderAt(reminders, now);
  const reminder = selectDueReminder(reminders, now);
  if (reminder === undefined || facts.hasPaid) return { do: 'wait', nextAt };
  const sendAt = earliestSendAt(now, facts.timeZone, expiresAt);
  if (sendAt > now) return { do: 'wait', nextAt: sendAt };
  return { do: 'remind', reminder, nextAt };
}
