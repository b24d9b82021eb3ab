import { unreachable } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { type Reason, createReason as state } from '../../kernel/reason.ts';
import type { ChargeCause } from './next-charge.ts';
import { holdReasonTexts } from './spend-limit.ts';

// The cause of a charge as a code, its parameters and one sentence.

const toTime = (at: Instant | null): string | null => (at === null ? null : isoTime(at));

/** The only writer of these sentences. */
export function describeChargeCause(cause: ChargeCause, currency: string): Reason {
  const { kind } = cause;
  switch (cause.kind) {
    case 'no_subscription':
      return state(kind, {}, 'the customer has no subscription');
    case 'revoked':
      return state(kind, {}, 'the subscription was revoked');
    case 'trial': {
      const endsAt = isoTime(cause.endsAt);
      return state(kind, { ends_at: endsAt }, `a trial is not renewed; its end is ${endsAt}`);
    }
    case 'auto_renew_off': {
      const endsAt = isoTime(cause.endsAt);
      return state(kind, { ends_at: endsAt }, `auto-renewal is off; the end is ${endsAt}`);
    }
    case 'blocked':
      return state(kind, {}, 'the customer is blocked, so nothing is charged');
    case 'revival_over': {
      const endedAt = isoTime(cause.endedAt);
      const sentence = `the subscription ended at ${endedAt}, and the days of revival are over`;
      return state(kind, { ended_at: endedAt }, sentence);
    }
    case 'waits_for_payment': {
      const [endedAt, until] = [isoTime(cause.endedAt), isoTime(cause.until)];
      const sentence = `the subscription ended at ${endedAt}; a payment until ${until} revives it`;
      return state(kind, { ended_at: endedAt, until }, sentence);
    }
    case 'revival_due': {
      const endedAt = isoTime(cause.endedAt);
      const sentence = `a payment came after the end at ${endedAt}; the next run revives the subscription`;
      return state(kind, { ended_at: endedAt }, sentence);
    }
    case 'clock_suspect':
      return state(kind, { reason: cause.reason }, `charges wait, because ${cause.reason}`);
    case 'no_price': {
      const { plan, periodDays } = cause;
      const retryAt = toTime(cause.retryAt);
      const retry = retryAt === null ? '' : `; the next attempt is at ${retryAt}`;
      return state(
        kind,
        { plan, period_days: periodDays, currency, retry_at: retryAt },
        `the plan ${plan} has no price for ${periodDays} days in ${currency}${retry}`,
      );
    }
    case 'quarantined': {
      const retryAt = isoTime(cause.retryAt);
      return state(
        kind,
        { reason: cause.reason, retry_at: retryAt },
        `the renewal is in quarantine (${cause.reason}); the next attempt is at ${retryAt}`,
      );
    }
    case 'held_by_guard': {
      const text = holdReasonTexts[cause.reason];
      const sentence = `the spend guard holds the charge until a person confirms it, because ${text}`;
      return state(kind, { reason: cause.reason }, sentence);
    }
    case 'short': {
      const endsAt = isoTime(cause.endsAt);
      const missing = majorUnits(cause.missingMinor, currency);
      const others = majorUnits(cause.othersMinor, currency);
      const first =
        cause.othersMinor === 0n ? '' : `; other subscriptions take ${others} ${currency} first`;
      return state(
        kind,
        { missing, others, currency, ends_at: endsAt },
        `${missing} ${currency} are missing${first}; without a payment the end is ${endsAt}`,
      );
    }
    case 'waits_for_next_try': {
      const nextTryAt = isoTime(cause.nextTryAt);
      const sentence = `the balance covers it; the attempt was postponed to ${nextTryAt}`;
      return state(kind, { next_try_at: nextTryAt }, sentence);
    }
    case 'too_early': {
      const dueAt = isoTime(cause.dueAt);
      const sentence = `a renewal pays at most one period ahead, so it is not due before ${dueAt}`;
      return state(kind, { due_at: dueAt }, sentence);
    }
    case 'due': {
      const endsAt = isoTime(cause.endsAt);
      return state(
        kind,
        { ends_at: endsAt },
        `the balance covers it, and the next run charges it; the end is ${endsAt}`,
      );
    }
    case 'covered': {
      const [endsAt, dueAt] = [isoTime(cause.endsAt), isoTime(cause.dueAt)];
      return state(
        kind,
        { ends_at: endsAt, due_at: dueAt },
        `the balance covers it; it is due at ${dueAt}, before the end at ${endsAt}`,
      );
    }
    default:
      return unreachable(cause);
  }
}
