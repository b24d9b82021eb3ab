import { dayMs, hourMs, type Instant, later } from '../kernel/instant.ts';

// When the reminders of a subscription are due (design, trial-notifications).
//
// A trial: 6 hours after its start, 48 hours after it, 6 hours before its end. A paid one: 3 days,
// 24 hours and 3 hours before its end. One that would come before the time that it is about has
// begun is none: who buys a day isn't told at once that it ends tomorrow.
//
// A reminder counts until the next one is due: of several that are overdue only the latest is said,
// and at the end none, for that has a notice of its own.

export type TrialReminder = 'trial_6h' | 'trial_48h' | 'trial_ending';
export type EndReminder = 'ends_3d' | 'ends_24h' | 'ends_3h';

export interface ReminderTime<Kind extends string> {
  readonly kind: Kind;
  readonly at: Instant;
}

/** In their order. */
export type ReminderSchedule<Kind extends string> = readonly ReminderTime<Kind>[];

/** How long after the start of a trial, and how long before its end. */
export const trialRemindersMs = {
  trial_6h: 6 * hourMs,
  trial_48h: 48 * hourMs,
  trial_ending: 6 * hourMs,
} as const satisfies Record<TrialReminder, number>;

/** How long before the end, the longest first. */
export const endRemindersMs = {
  ends_3d: 3 * dayMs,
  ends_24h: dayMs,
  ends_3h: 3 * hourMs,
} as const satisfies Record<EndReminder, number>;

/** Less than the 3 hours between the last two words there usually are, at 6 h and 3 h. */
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

/** @param periodDays how long the time that ends then is */
export function computeEndReminders(
  expiresAt: Instant,
  periodDays: number,
): ReminderSchedule<EndReminder> {
  return (['ends_3d', 'ends_24h', 'ends_3h'] as const)
    .filter((kind) => endRemindersMs[kind] < periodDays * dayMs)
    .map((kind) => ({ kind, at: later(expiresAt, -endRemindersMs[kind]) }));
}

/**
 * When a customer is notified before a renewal that will succeed, by the length of the next period:
 * the entry with the greatest `fromDays` that is not above the length counts. Without one: never.
 */
export type RenewalAhead = readonly {
  readonly fromDays: number;
  /** Null: never. */
  readonly aheadMs: number | null;
}[];

/** 3 days ahead for periods of 90 days and more. */
export const defaultRenewalAhead: RenewalAhead = [{ fromDays: 90, aheadMs: 3 * dayMs }];

/** How long before the end; undefined: never, also if the period is not longer than that. */
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

/** The longest time before an end at which a customer is notified of something about it. */
export const computeReminderLeadMs = (ahead: RenewalAhead): number =>
  Math.max(endRemindersMs.ends_3d, ...ahead.map(({ aheadMs }) => aheadMs ?? 0));

export interface ReminderSubject {
  readonly kind: 'trial' | 'paid';
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
  readonly periodDays: number;
}

export function computeReminders(
  subscription: ReminderSubject,
): ReminderSchedule<TrialReminder> | ReminderSchedule<EndReminder> {
  const { kind, startedAt, expiresAt, periodDays } = subscription;
  return kind === 'trial'
    ? computeTrialReminders(startedAt, expiresAt)
    : computeEndReminders(expiresAt, periodDays);
}

/** The one that counts at a moment; undefined before the first. The end is the caller's affair. */
export function selectDueReminder<Kind extends string>(
  reminders: ReminderSchedule<Kind>,
  now: Instant,
): ReminderTime<Kind> | undefined {
  return reminders.findLast(({ at }) => at <= now);
}

/** When a subscription whose end is new has to be looked at first: `subscription.remind_at`. */
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

/** When the next one is due, which is what `subscription.remind_at` says; null after the last. */
export function computeNextReminderAt(
  reminders: ReminderSchedule<string>,
  now: Instant,
): Instant | null {
  return reminders.find(({ at }) => at > now)?.at ?? null;
}
