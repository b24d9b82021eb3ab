import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { type Instant, later } from '../../kernel/instant.ts';
import { earliestSendAt } from '../../outbox/quiet-hours.ts';
import {
  computeEndReminders,
  computeNextReminderAt,
  type EndReminder,
  endRemindersMs,
  type ReminderTime,
  reminderGapMs,
  selectDueReminder,
} from '../../outbox/reminder-schedule.ts';
import type { Forecast } from '../../subscription/rules/forecast.ts';
import { computePriceChange, type PriceChange } from '../../subscription/rules/price-cap.ts';

// The notifications before a paid subscription ends or renews (design, expiry-reminders).
//
// 1. A subscription that will not be renewed has reminders 3 days, 24 hours and 3 hours before its
//    end. Either auto-renewal is off, or the balance will not cover the charge when the renewal is
//    due. By then other subscriptions of the customer with earlier ends may have used the balance.
// 2. A subscription with auto-renewal whose next plan and length have no price any more has a
//    notification at the same times. It lists the plans that the customer can choose instead.
// 3. A price that the customer does not know yet has one notification from 3 days ahead. For
//    periods of up to 3 days it comes a period earlier. A raise that comes too late for the next
//    renewal also has one, because it counts from the following period (`price-cap.ts`). If the
//    balance is too low, the price is sent first, and the balance 2 hours later.
// 4. A renewal that will succeed has a notification `notices.renewal_ahead` before the end. The
//    first renewal of imported or granted time has one from 3 days ahead, also for short periods. A
//    new price replaces it.
// 5. A late notification is still sent. Of several overdue reminders only the latest is sent.
// 6. A blocked customer gets none of them.
// 7. From 23 to 9 o'clock all of them wait for the morning, unless the morning is past the end.

export interface EndFacts {
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly isBlocked: boolean;
  readonly expiresAt: Instant;
  readonly remindAt: Instant | null;
  readonly timeZone: string;
  /** The length of the period that ends. */
  readonly runningDays: number;
  /** The outcome of the renewal by the balance and the price when it is due. */
  readonly forecast: Forecast;
  /** The lead of the notification before a renewal. undefined: none. */
  readonly aheadMs: number | undefined;
}

export type EndDecision =
  | {
      readonly do: 'remind';
      readonly reminder: ReminderTime<EndReminder>;
      /** A price that the customer does not know yet. */
      readonly change?: PriceChange | undefined;
      readonly nextAt: Instant | null;
    }
  | { readonly do: 'tell-price'; readonly change: PriceChange; readonly nextAt: Instant | null }
  /** No price any more. `reminder` is the one of the three that is due. */
  | {
      readonly do: 'tell-withdrawn';
      readonly reminder: ReminderTime<EndReminder>;
      readonly nextAt: Instant | null;
    }
  | { readonly do: 'tell-renewal'; readonly chargeMinor: bigint; readonly nextAt: Instant | null }
  /** Nothing to send now. The next check is at `nextAt`. */
  | { readonly do: 'wait'; readonly nextAt: Instant | null }
  | { readonly do: 'nothing' };

type Due = Exclude<EndDecision, { do: 'nothing' }>;

/** Decides what is due, and when the next check is. Total. */
export function decideEndReminder(facts: EndFacts, now: Instant): EndDecision {
  const { kind, state, expiresAt, remindAt } = facts;
  if (kind !== 'paid' || state !== 'active' || expiresAt <= now) return { do: 'nothing' };
  if (remindAt === null || remindAt > now) return { do: 'nothing' };
  const due = decideAtAnyHour(facts, now);
  if (due.do === 'wait') return due;
  if (facts.isBlocked) return { do: 'wait', nextAt: due.nextAt };
  const sendAt = earliestSendAt(now, facts.timeZone, expiresAt);
  return sendAt > now ? { do: 'wait', nextAt: sendAt } : due;
}

function decideAtAnyHour(facts: EndFacts, now: Instant): Due {
  const { forecast, expiresAt } = facts;
  const reminders = computeEndReminders(expiresAt, facts.runningDays);
  const reminder = selectDueReminder(reminders, now);
  const nextAt = computeNextAt(facts, now);
  switch (forecast.kind) {
    case 'ends':
      return reminder === undefined ? { do: 'wait', nextAt } : { do: 'remind', reminder, nextAt };
    case 'no_price':
      return reminder === undefined
        ? { do: 'wait', nextAt }
        : { do: 'tell-withdrawn', reminder, nextAt };
    case 'short': {
      const change = selectPriceChange(facts, now);
      if (change === undefined) {
        return reminder === undefined ? { do: 'wait', nextAt } : { do: 'remind', reminder, nextAt };
      }
      if (reminder === undefined) return { do: 'tell-price', change, nextAt };
      if (now >= computePriceFirstUntil(facts, reminder))
        return { do: 'remind', reminder, change, nextAt };
      return { do: 'tell-price', change, nextAt: later(now, reminderGapMs) };
    }
    case 'renewed': {
      const change = selectPriceChange(facts, now);
      if (change !== undefined) return { do: 'tell-price', change, nextAt };
      return isRenewalNoticeDue(facts, now)
        ? { do: 'tell-renewal', chargeMinor: forecast.priceMinor, nextAt }
        : { do: 'wait', nextAt };
    }
  }
}

/** In the last 3 hours the renewal is done, or so late that its receipt states the charge. */
function isInNoticeWindow({ expiresAt }: EndFacts, now: Instant, aheadMs: number): boolean {
  return later(expiresAt, -aheadMs) <= now && now < later(expiresAt, -endRemindersMs.ends_3h);
}

function selectPriceChange(facts: EndFacts, now: Instant): PriceChange | undefined {
  const { forecast } = facts;
  if (forecast.kind !== 'renewed' && forecast.kind !== 'short') return undefined;
  if (!isInNoticeWindow(facts, now, endRemindersMs.ends_3d)) return undefined;
  return computePriceChange(forecast.terms);
}

function isRenewalNoticeDue(facts: EndFacts, now: Instant): boolean {
  const { forecast, aheadMs } = facts;
  const isFirst = forecast.kind === 'renewed' && !forecast.terms.isNotified;
  if (isFirst && isInNoticeWindow(facts, now, endRemindersMs.ends_3d)) return true;
  return aheadMs !== undefined && isInNoticeWindow(facts, now, aheadMs);
}

/** A short balance waits this long for the new price, so that both are not sent at once. */
const priceFirstMs = 2 * reminderGapMs;

function computePriceFirstUntil(
  { timeZone, expiresAt }: EndFacts,
  { at }: ReminderTime<EndReminder>,
): Instant {
  return later(earliestSendAt(at, timeZone, expiresAt), priceFirstMs);
}

function computeNextAt(
  { expiresAt, runningDays, aheadMs }: EndFacts,
  now: Instant,
): Instant | null {
  const next = computeNextReminderAt(computeEndReminders(expiresAt, runningDays), now);
  if (aheadMs === undefined) return next;
  const ahead = later(expiresAt, -aheadMs);
  return ahead > now && (next === null || ahead < next) ? ahead : next;
}
