import { dayMs, hourMs, type Instant, later } from '../kernel/instant.ts';

// The schedule of reminders of a subscription (design, trial-notifications).
//
// 1. A trial has reminders 6 h and 48 h after its start and 6 h before its end.
// 2. A paid subscription has reminders 3 d, 24 h and 3 h before its end.
// 3. A reminder that is not after the start of the period is left out. A customer who buys one day
//    gets no reminder at once.
// 4. A reminder is current until the next one is due. Of several overdue reminders only the latest
//    is sent. At the end none is sent, because the end has its own notification.

export type TrialReminder = 'trial_6h' | 'trial_48h' | 'trial_ending';
export type EndReminder = 'ends_3d' | 'ends_24h' | 'ends_3h';

export interface ReminderTime<Kind extends string> {
  readonly kind: Kind;
  readonly at: Instant;
}

/** In the order of their times. */
export type ReminderSchedule<Kind extends string> = readonly ReminderTime<Kind>[];

/** After the start of a trial, and before its end (`trial_ending`). */
export const trialRemindersMs = {
  trial_6h: 6 * hourMs,
  trial_48h: 48 * hourMs,
  trial_ending: 6 * hourMs,
} as const satisfies Record<TrialReminder, number>;

/** Before the end, the longest first. */
export const endRemindersMs = {
  ends_3d: 3 * dayMs,
  ends_24h: dayMs,
  ends_3h: 3 * hourMs,
} as const satisfies Record<EndReminder, number>;

/**
 * Less than the 3 hours between the last two notifications, which usually come 6 h and 3 h before
 * an end.
 */
export const reminderGapMs = 2 * hourMs;

export function computeTrialReminders(
  startedAt: Instant,
  expiresAt: Instant,
): ReminderSchedule<TrialReminder> {
  const all: ReminderSchedule<TrialReminder> = [
    { kind: 'trial_6h', at: later(startedAt, trialRemindersMs.trial_6h) },
    { kind: 'trial_48h', at: later(startedAt, trialRemindersMs.trial_48h) },
    { kind: 'trial_ending', at: later(expiresAt, -trialRemindersMs.trial_ending) },
  ];
  return all
    .filter(({ at }) => at > startedAt && at < expiresAt)
    .sort((one, other) => one.at - other.at);
}

/** @param periodDays the length of the period that ends */
export function computeEndReminders(
  expiresAt: Instant,
  periodDays: number,
): ReminderSchedule<EndReminder> {
  return (['ends_3d', 'ends_24h', 'ends_3h'] as const)
    .filter((kind) => endRemindersMs[kind] < periodDays * dayMs)
    .map((kind) => ({ kind, at: later(expiresAt, -endRemindersMs[kind]) }));
}

/**
 * The time of a notification before a renewal that will succeed, by the length of the next period.
 * The entry with the greatest `fromDays` that is not above the length counts. Without an entry
 * there is no notification.
 */
export type RenewalAhead = readonly {
  readonly fromDays: number;
  /** Null: no notification. */
  readonly aheadMs: number | null;
}[];

/** 3 days ahead for periods of 90 days and more. */
export const defaultRenewalAhead: RenewalAhead = [{ fromDays: 90, aheadMs: 3 * dayMs }];

/** Time before the end; undefined: no notification, also if the period is not longer than that. */
export function computeRenewalAheadMs(ahead: RenewalAhead, periodDays: number): number | undefined {
  const entry = ahead
    .filter(({ fromDays }) => fromDays <= periodDays)
    .reduce<RenewalAhead[number] | undefined>(
      (best, one) => (best === undefined || one.fromDays > best.fromDays ? one : best),
      undefined,
    );
  const aheadMs = entry?.aheadMs ?? 0;
  return aheadMs > 0 && aheadMs < periodDays * dayMs ? aheadMs : undefined;
}

/** The longest time before an end at which a customer is notified about it. */
export const computeReminderLeadMs = (ahead: RenewalAhead): number =>
  Math.max(endRemindersMs.ends_3d, ...ahead.map(({ aheadMs }) => aheadMs ?? 0));

export interface ReminderSubject {
  readonly kind: 'trial' | 'paid';
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
  readonly periodDays: number;
}

function computeReminders(
  subscription: ReminderSubject,
): ReminderSchedule<TrialReminder> | ReminderSchedule<EndReminder> {
  const { kind, startedAt, expiresAt, periodDays } = subscription;
  return kind === 'trial'
    ? computeTrialReminders(startedAt, expiresAt)
    : computeEndReminders(expiresAt, periodDays);
}

/** The current reminder at a moment; undefined before the first one. The caller checks the end. */
export function selectDueReminder<Kind extends string>(
  reminders: ReminderSchedule<Kind>,
  now: Instant,
): ReminderTime<Kind> | undefined {
  return reminders.findLast(({ at }) => at <= now);
}

/** The first value of `subscription.remind_at` for a new end. */
export function computeFirstReminderAt(
  subscription: ReminderSubject,
  ahead: RenewalAhead,
  now: Instant,
): Instant | null {
  const reminder = computeNextReminderAt(computeReminders(subscription), now);
  const { kind, expiresAt, periodDays } = subscription;
  const aheadMs = kind === 'paid' ? computeRenewalAheadMs(ahead, periodDays) : undefined;
  if (aheadMs === undefined) return reminder;
  const renewalNoticeAt = later(expiresAt, -aheadMs);
  return renewalNoticeAt > now && (reminder === null || renewalNoticeAt < reminder)
    ? renewalNoticeAt
    : reminder;
}

/** The next value of `subscription.remind_at`; null after the last reminder. */
export function computeNextReminderAt(
  reminders: ReminderSchedule<string>,
  now: Instant,
): Instant | null {
  return reminders.find(({ at }) => at > now)?.at ?? null;
}
