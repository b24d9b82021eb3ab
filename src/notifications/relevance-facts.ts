import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import type { Instant } from '../kernel/instant.ts';
import type { NoticeKind, NoticeParams } from '../outbox/kinds.ts';
import type { PlanChoice } from '../outbox/plan-choice.ts';
import type { Forecast } from '../subscription/rules/forecast.ts';

// The facts of the rules about a notification. `relevance-store.ts` reads them.

export interface StoredNotice {
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
  readonly createdAt: Instant;
}

/** The present state. */
export interface NoticeFacts {
  /** The recipient; null for an alarm. */
  readonly customer: {
    readonly reachable: boolean;
    readonly isBlocked: boolean;
    /** When a message to an unreachable customer last failed. */
    readonly failedAt: Instant | null;
    readonly timeZone: string;
    /** Whether the customer has a running paid subscription. */
    readonly pays: boolean;
  } | null;
  /** The subject; null if the notification has none. */
  readonly subscription: {
    readonly kind: SubscriptionKind;
    readonly state: SubscriptionState;
    readonly expiresAt: Instant;
    /** The currency of its payments. */
    readonly currency: string;
    /** Auto-renewal, if on, has begun its attempts. */
    readonly isRenewalDue: boolean;
    /** The plan of the next period. */
    readonly plan: string;
    readonly periodDays: number;
    /** Only of an active subscription. */
    readonly forecast: Forecast | null;
    /** The plans on sale, for a notification that lists them. */
    readonly choices?: readonly PlanChoice[];
  } | null;
  readonly endNotifications: EndNotifications;
  /**
   * An alarm: it was cleared. `alarm_over`: its alarm was never sent. `announcement`: its bulk job
   * is cancelled.
   */
  readonly resolved: boolean;
}

/** Other notifications about the same end of the same subscription. */
export interface EndNotifications {
  /** A later reminder is pending or was sent. */
  readonly hasLaterReminder: boolean;
  /** The time of the last notification that was sent, or may have arrived. */
  readonly lastSentAt: Instant | null;
  /**
   * The notification about a low balance. `current`: pending, or sent since; `past`: sent before,
   * or suppressed.
   */
  readonly lowBalance: 'none' | 'current' | 'past';
}

/** Why a notification is not sent. */
export type SuppressReason =
  | 'no_customer'
  | 'end_moved'
  | 'ended'
  | 'not_ended'
  | 'revoked'
  | 'restored'
  | 'converted'
  | 'pays_already'
  | 'will_be_renewed'
  | 'not_renewed'
  | 'no_price'
  | 'price_moved'
  | 'price_is_back'
  | 'later_reminder'
  | 'low_balance'
  | 'just_told'
  | 'too_late'
  | 'over'
  | 'alarm_never_said'
  | 'unreachable'
  | 'blocked'
  | 'cancelled';
