import type { NoticeState } from '../../db/schema.ts';
import { unreachable } from '../../kernel/faults.ts';
import { hourMs, type Instant, later, minuteMs, never, secondMs } from '../../kernel/instant.ts';
import type { SendOutcome } from '../../notifications/channels/channel.ts';
import {
  type DeliveryPolicy,
  type NoticeSpec,
  unreachablePrefix,
  unreachableRetryMs,
} from '../../outbox/kinds.ts';

// The outcome of a send: the next state of the notification, and the pause of its account.
//
// 1. A notification that was certainly not sent is pending again, after 1, 2, 4 … s, at most an
//    hour.
// 2. Without an answer a notification is `uncertain`. An `at_least_once` kind is sent again, up to
//    10 lost answers. An `at_most_once` kind is not.
// 3. A recipient that nothing reaches makes the customer unreachable. An `at_least_once`
//    notification stays pending. It is sent again weekly, or once the customer is reachable. Other
//    kinds fail.
// 4. If the gateway refuses a formatted message, it is sent once more as plain text without
//    buttons. If the gateway refuses that too, the notification fails with the reason.
// 5. One failure of a gateway causes no pause. From the second failure in a row the account pauses
//    for 1, 2, 4 … s, at most a minute. Before the next send the courier asks the gateway whether
//    it is reachable.
// 6. If the gateway states a wait, the account pauses for this time.

/** A send that ended, with its notification. */
export interface SendAttempt {
  readonly policy: DeliveryPolicy;
  readonly to: NoticeSpec['to'];
  /** The number of sends, this one included. */
  readonly attempts: number;
  /** The number of earlier sends without an answer. */
  readonly lostAnswers: number;
  /** The gateway refused the formatted message before, so this send was plain text. */
  readonly plain: boolean;
}

export interface SendSettlement {
  readonly state: Exclude<NoticeState, 'sending' | 'suppressed'>;
  readonly reason: string | null;
  readonly nextAttemptAt: Instant;
  /** It may have arrived. */
  readonly lost: boolean;
  /** Whether the customer is reachable; undefined: unknown. */
  readonly reachable?: boolean;
  /** The next send is plain text without buttons. */
  readonly plain?: boolean;
}

/** After 10 sends the message has arrived, or never will. */
const lostAnswersMax = 10;

export function toSettlement(
  attempt: SendAttempt,
  outcome: SendOutcome,
  now: Instant,
): SendSettlement {
  const retryAt = later(now, noticeRetryMs(attempt.attempts));
  switch (outcome.is) {
    case 'sent':
      return { state: 'sent', reason: null, nextAttemptAt: now, lost: false, reachable: true };
    case 'not_sent':
      return { state: 'pending', reason: outcome.error, nextAttemptAt: retryAt, lost: false };
    case 'throttled':
      return { state: 'pending', reason: 'too_many', nextAttemptAt: now, lost: false };
    case 'uncertain': {
      const canRetry =
        attempt.policy === 'at_least_once' && attempt.lostAnswers + 1 < lostAnswersMax;
      const nextAttemptAt = canRetry ? retryAt : never;
      return { state: 'uncertain', reason: outcome.error, nextAttemptAt, lost: true };
    }
    case 'unreachable':
      return { ...toUnreachable(attempt, outcome.error, now), reachable: false };
    case 'refused': {
      if (attempt.plain) return toFailed(outcome.error, now);
      const { error: reason } = outcome;
      return { state: 'pending', reason, nextAttemptAt: now, lost: false, plain: true };
    }
    default:
      return unreachable(outcome);
  }
}

const toFailed = (reason: string, now: Instant) =>
  ({ state: 'failed', reason, nextAttemptAt: now, lost: false }) as const;

/** An admin has no state of reachability, and an open alarm is repeated anyway. */
function toUnreachable({ policy, to }: SendAttempt, error: string, now: Instant): SendSettlement {
  if (policy === 'at_most_once' || to === 'admins') return toFailed(error, now);
  const reason = `${unreachablePrefix}${error}`;
  return { state: 'pending', reason, nextAttemptAt: later(now, unreachableRetryMs), lost: false };
}

/** 1, 2, 4 … s, at most an hour. */
function noticeRetryMs(attempts: number): number {
  return Math.min(hourMs, secondMs * 2 ** Math.min(attempts - 1, 12));
}

export interface BackoffState {
  readonly failures: number;
  /** The length of the pause; 0: no pause. */
  readonly pauseMs: number;
  readonly error: string | null;
}

/** Whether an answer concerns only its notification, so the gateway is reachable. */
export const isNeutral = ({ is }: SendOutcome): boolean =>
  is === 'sent' || is === 'unreachable' || is === 'refused';

/** @param failures the failures in a row when the send began */
export function toBackoffState(failures: number, outcome: SendOutcome): BackoffState {
  switch (outcome.is) {
    case 'sent':
    case 'unreachable':
    case 'refused':
      return { failures: 0, pauseMs: 0, error: null };
    case 'throttled': {
      const error = `too many: wait ${outcome.retryAfterMs / secondMs} s`;
      return { failures, pauseMs: outcome.retryAfterMs, error };
    }
    case 'not_sent':
    case 'uncertain': {
      const pauseMs = courierPauseMs(failures + 1);
      return { failures: failures + 1, pauseMs, error: outcome.error };
    }
    default:
      return unreachable(outcome);
  }
}

/** No pause after the first failure, then 1, 2, 4 … s, at most a minute. */
function courierPauseMs(failures: number): number {
  if (failures < 2) return 0;
  return Math.min(minuteMs, secondMs * 2 ** Math.min(failures - 2, 10));
}

/** Whether the courier asks the gateway before it sends: after two failures in a row. */
export const mustProbeFirst = (failures: number): boolean => failures >= 2;

/** The outcome of a notification that is still `sending` after its courier ended. */
export const lostCourierOutcome: SendOutcome = {
  is: 'uncertain',
  error: 'its courier ended before the answer',
};
