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

// What becomes of a notice once it was handed to a gateway, and of the gateway's courier.
//
// A notice that was certainly not taken is pending again. One whose answer was lost is `uncertain`:
// it goes again where it has to arrive (at_least_once), and stays so where it must not nag
// (at_most_once). Nothing gets through to the customer, who can't be reached then: what has to arrive
// is owed until it is too late, and goes again once a week, or when the customer is heard of; the
// rest has failed. If the gateway refuses a formatted message, the notification is sent once more as
// plain text without buttons. If the gateway refuses that too, it has failed, with the reason.
//
// A gateway that fails once may have met an accident. One that fails twice in a row is unwell:
// everybody waits, longer each time, and before anybody's message is risked again it is asked
// whether it is there. A gateway that says how long to wait is taken at its word.

/** What is known of a notice when its send is over. */
export interface SendAttempt {
  readonly policy: DeliveryPolicy;
  readonly to: NoticeSpec['to'];
  /** How often it was handed over, this time included. */
  readonly attempts: number;
  /** How often nobody knows what became of it, without this time. */
  readonly lostAnswers: number;
  /** The gateway refused the formatted message before, so this was plain text. */
  readonly plain: boolean;
}

export interface SendSettlement {
  readonly state: Exclude<NoticeState, 'sending' | 'suppressed'>;
  readonly reason: string | null;
  readonly nextAttemptAt: Instant;
  /** It may have arrived, and nobody knows. */
  readonly lost: boolean;
  /** Whether the customer can be reached; undefined: that wasn't learnt. */
  readonly reachable?: boolean;
  /** The next send is plain text without buttons. */
  readonly plain?: boolean;
}

/** It is there ten times by now, or never will be: nobody is served by an eleventh. */
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

/** Nobody hears of an admin: an alarm that lasts is told again by itself. */
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
  /** For how long nothing is sent; 0: anything may be. */
  readonly pauseMs: number;
  readonly error: string | null;
}

/** Whether an answer is about its notice alone: the gateway is well. */
export const isNeutral = ({ is }: SendOutcome): boolean =>
  is === 'sent' || is === 'unreachable' || is === 'refused';

/** For how long nothing is sent, after a send that began when the courier's failures were these. */
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

/** Nothing after the first failure, then 1, 2, 4 … s, at most a minute. */
function courierPauseMs(failures: number): number {
  if (failures < 2) return 0;
  return Math.min(minuteMs, secondMs * 2 ** Math.min(failures - 2, 10));
}

/** Before a message is risked: the gateway failed twice in a row, and nobody knows if it is back. */
export const mustProbeFirst = (failures: number): boolean => failures >= 2;

/** What a courier finds marked `sending` by one that is gone: the answer was lost with it. */
export const lostCourierOutcome: SendOutcome = {
  is: 'uncertain',
  error: 'its courier ended before the answer',
};
