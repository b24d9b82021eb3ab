import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import type { Instant } from '../kernel/instant.ts';
import type { NoticeKind, NoticeParams } from '../outbox/kinds.ts';
import type { PlanChoice } from '../outbox/plan-choice.ts';
import type { Forecast } from '../subscription/rules/forecast.ts';

// What the rules about a notice are asked with. `facts.ts` reads it.

export interface StoredNotice {
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
  readonly createdAt: Instant;
}

/** What is true of it now. */
export interface NoticeFacts {
  /** Whom it is for; null for an alarm. */
  readonly customer: {
    readonly reachable: boolean;
    /** When a message to somebody who can't be reached failed last. */
    readonly failedAt: Instant | null;
    readonly timeZone: string;
    /** Has a paid subscription that runs. */
    readonly pays: boolean;
  } | null;
  /** What it is about; null where it names none. */
  readonly subscription: {
    readonly kind: SubscriptionKind;
    readonly state: SubscriptionState;
    readonly expiresAt: Instant;
    /** In which it is paid. */
    readonly currency: string;
    /** Auto-renewal tries it by now, if it is to. */
    readonly isRenewalDue: boolean;
    /** Of the period to come. */
    readonly plan: string;
    readonly periodDays: number;
    /** Of an active one. */
    readonly forecast: Forecast | null;
    /** What is on sale, for a notification that lists it. */
    readonly choices?: readonly PlanChoice[];
  } | null;
  readonly endNotifications: EndNotifications;
  /** Of an alarm: what it tells is over. Of the word that it is over: the alarm was never said. */
  readonly resolved: boolean;
}

/** What else is said of the same end of the same subscription. */
export interface EndNotifications {
  /** A later reminder is owed or was said. */
  readonly hasLaterReminder: boolean;
  /** When the last one was said, or may have been. */
  readonly lastSentAt: Instant | null;
  /** That the balance is short. `stands`: owed, or said since; `over`: said before, or dropped. */
  readonly lowBalance: 'none' | 'current' | 'past';
}
