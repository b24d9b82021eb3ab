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

// The reminders of a trial (design, trial-notifications).
//
// 1. A trial has three reminders: 6 hours and 48 hours after its start, and 6 hours before its end.
// 2. A late reminder is still sent. Of several overdue reminders only the latest is sent.
// 3. From 23 to 9 o'clock a reminder waits for the morning, unless the trial is over by then.
// 4. A running paid subscription suppresses the reminders, and so does a block of the customer.
// 5. After the end there is no reminder. The command or worker that ends the trial notifies of the
//    end.

export interface TrialFacts {
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
  readonly remindAt: Instant | null;
  readonly timeZone: string;
  /** The customer has a running paid subscription. */
  readonly hasPaid: boolean;
  readonly isBlocked: boolean;
}

export type TrialDecision =
  | {
      readonly do: 'remind';
      readonly reminder: ReminderTime<TrialReminder>;
      readonly nextAt: Instant | null;
    }
  /** Nothing to send now. The next check is at `nextAt`. */
  | { readonly do: 'wait'; readonly nextAt: Instant | null }
  | { readonly do: 'nothing' };

/** Decides what is due, and when the next check is. Total. */
export function decideTrialReminder(facts: TrialFacts, now: Instant): TrialDecision {
  const { kind, state, startedAt, expiresAt, remindAt } = facts;
  if (kind !== 'trial' || state !== 'active' || expiresAt <= now) return { do: 'nothing' };
  if (remindAt === null || remindAt > now) return { do: 'nothing' };
  const reminders = computeTrialReminders(startedAt, expiresAt);
  const nextAt = computeNextReminderAt(reminders, now);
  const reminder = selectDueReminder(reminders, now);
  if (reminder === undefined || facts.hasPaid || facts.isBlocked) return { do: 'wait', nextAt };
  const sendAt = earliestSendAt(now, facts.timeZone, expiresAt);
  if (sendAt > now) return { do: 'wait', nextAt: sendAt };
  return { do: 'remind', reminder, nextAt };
}
