import { unreachable } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { createReason, type Reason } from '../kernel/reason.ts';
import type { NoticeWait, SendDecision } from '../notifications/relevance.ts';

// The cause for which a stored notification waits. The order is that of its courier:
//
// 1. A notification that is being sent waits for its answer.
// 2. While the time is suspect, customers are sent nothing.
// 3. In quarantine it waits for the next attempt.
// 4. The relevance is checked: it is outdated, or waits for another notification, for the customer
//    or for the morning (`notifications/relevance.ts`).
// 5. After a failed send it waits for the next attempt.
// 6. Then it waits for the courier of its channel.

export interface NoticeCauseFacts {
  readonly channel: string;
  /** Set while it is being sent. */
  readonly sendingSince: Instant | null;
  readonly nextAttemptAt: Instant;
  /** The last failure. */
  readonly error: string | null;
  readonly quarantine: { readonly reason: string; readonly retryAt: Instant } | null;
  /** Null: a kind of a newer version. */
  readonly decision: SendDecision | null;
  /** Null: the channel has no courier. */
  readonly courier: {
    readonly id: string;
    /** A process holds its lease. */
    readonly isRunning: boolean;
    readonly pausedUntil: Instant | null;
    readonly error: string | null;
  } | null;
}

export type NoticeCause =
  | { readonly kind: 'sending'; readonly since: Instant }
  | { readonly kind: 'clock_suspect'; readonly reason: string }
  | { readonly kind: 'quarantined'; readonly reason: string; readonly retryAt: Instant }
  | { readonly kind: 'unknown_kind' }
  | { readonly kind: 'outdated'; readonly reason: string }
  | { readonly kind: 'waits'; readonly waitsFor: NoticeWait; readonly until: Instant }
  | { readonly kind: 'retry'; readonly at: Instant; readonly error: string | null }
  | { readonly kind: 'no_courier'; readonly channel: string }
  | { readonly kind: 'courier_stopped'; readonly courier: string }
  | {
      readonly kind: 'courier_pauses';
      readonly courier: string;
      readonly until: Instant;
      readonly error: string | null;
    }
  | { readonly kind: 'due'; readonly courier: string };

/** Total: every input has one cause. */
export function findNoticeCause(
  facts: NoticeCauseFacts,
  now: Instant,
  suspectReason: string | null,
): NoticeCause {
  const { sendingSince, quarantine, decision, nextAttemptAt, error, channel, courier } = facts;
  if (sendingSince !== null) return { kind: 'sending', since: sendingSince };
  if (suspectReason !== null) return { kind: 'clock_suspect', reason: suspectReason };
  if (quarantine !== null) return { kind: 'quarantined', ...quarantine };
  if (decision === null) return { kind: 'unknown_kind' };
  if (decision.do === 'suppress') return { kind: 'outdated', reason: decision.reason };
  if (decision.do === 'wait') {
    const { waitsFor, until } = decision;
    return { kind: 'waits', waitsFor, until };
  }
  if (nextAttemptAt > now) return { kind: 'retry', at: nextAttemptAt, error };
  if (courier === null) return { kind: 'no_courier', channel };
  const { id, isRunning, pausedUntil } = courier;
  if (!isRunning) return { kind: 'courier_stopped', courier: id };
  if (pausedUntil !== null && pausedUntil > now)
    return { kind: 'courier_pauses', courier: id, until: pausedUntil, error: courier.error };
  return { kind: 'due', courier: id };
}

const waitTexts: Readonly<Record<NoticeWait, string>> = {
  low_balance: 'auto-renewal first checks the balance',
  reminder: 'a reminder about the same end is sent first',
  distance: 'another notification about the same end was sent less than two hours ago',
  customer: 'the customer is unreachable, and the courier tries once a week',
  morning: 'the customer has quiet hours',
};

/** The only writer of these sentences. */
export function describeNoticeCause(cause: NoticeCause): Reason {
  const { kind } = cause;
  switch (cause.kind) {
    case 'sending': {
      const since = isoTime(cause.since);
      return createReason(kind, { since }, `the send has been in progress since ${since}`);
    }
    case 'clock_suspect':
      return createReason(kind, { reason: cause.reason }, `it waits, because ${cause.reason}`);
    case 'quarantined': {
      const retryAt = isoTime(cause.retryAt);
      return createReason(
        kind,
        { reason: cause.reason, retry_at: retryAt },
        `it is in quarantine (${cause.reason}); the next attempt is at ${retryAt}`,
      );
    }
    case 'unknown_kind':
      return createReason(kind, {}, 'only a newer version of the program sends this kind');
    case 'outdated': {
      const sentence = `it is outdated (${cause.reason}), so it will not be sent`;
      return createReason(kind, { reason: cause.reason }, sentence);
    }
    case 'waits': {
      const until = isoTime(cause.until);
      return createReason(
        `waits_for_${cause.waitsFor}`,
        { until },
        `it waits until ${until}: ${waitTexts[cause.waitsFor]}`,
      );
    }
    case 'retry': {
      const at = isoTime(cause.at);
      const error = cause.error === null ? '' : ` after an error: ${cause.error}`;
      return createReason(
        kind,
        { next_attempt_at: at, error: cause.error },
        `the next attempt is at ${at}${error}`,
      );
    }
    case 'no_courier':
      return createReason(
        kind,
        { channel: cause.channel },
        `no process has ever delivered for the channel ${cause.channel}`,
      );
    case 'courier_stopped':
      return createReason(
        kind,
        { courier: cause.courier },
        `no running process delivers for ${cause.courier}`,
      );
    case 'courier_pauses': {
      const until = isoTime(cause.until);
      const error = cause.error === null ? '' : `: ${cause.error}`;
      return createReason(
        kind,
        { courier: cause.courier, until, error: cause.error },
        `${cause.courier} pauses until ${until}${error}`,
      );
    }
    case 'due':
      return createReason(kind, { courier: cause.courier }, `${cause.courier} sends it next`);
    default:
      return unreachable(cause);
  }
}
