import { hourMs, type Instant, later } from '../kernel/instant.ts';
import { computeReminderLeadMs } from '../outbox/reminder-schedule.ts';
import { graceMs } from '../subscription/rules/expiry.ts';
import { keepUnpaidPrices } from '../subscription/rules/price-cap.ts';
import type { RenewalDecision } from '../subscription/rules/renewal.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import { decideTerms, hasSameTerms } from '../subscription/rules/terms.ts';
import type {
  QuarantineState,
  SimulatedCustomer,
  SimulatedFacts,
  SimulatedSubscription,
} from './customer-state.ts';

// The changes of a simulated customer, as the statements of the workers write them.

/** As `renewSubscriptions` writes it. */
export function applyCharge(
  { subscription, plan, periodDays }: SimulatedFacts,
  customer: SimulatedCustomer,
  { startsAt, endsAt, chargeMinor }: Extract<RenewalDecision, { do: 'renew' }>,
  now: Instant,
  { noticeMs, renewalAhead }: Settings,
): void {
  customer.balanceMinor -= chargeMinor;
  customer.spentMinor += chargeMinor;
  const terms = { plan, periodDays };
  if (startsAt <= now) {
    Object.assign(subscription, terms, { changesAt: null });
  } else if (!hasSameTerms(subscription, terms)) {
    subscription.changesAt ??= startsAt;
  }
  subscription.state = 'active';
  subscription.expiresAt = endsAt;
  subscription.lastStartsAt = startsAt;
  subscription.nextTryAt = null;
  subscription.expiryFrom = null;
  subscription.remindAt = later(endsAt, -computeReminderLeadMs(renewalAhead));
  subscription.paidMinor = chargeMinor;
  subscription.known = keepUnpaidPrices(subscription.known, now, noticeMs);
  const sold = { kind: null, partOf: null, isPaidPart: false } as const;
  subscription.periods.push({ ...terms, ...sold, source: 'renewal', startsAt, endsAt });
}

/** As `changeTerms` writes it: the terms of the period that has begun. */
export function changeSimulatedTerms(subscription: SimulatedSubscription, now: Instant): void {
  const { changesAt, periods } = subscription;
  const isAtChange = ({ endsAt }: { readonly endsAt: Instant }) =>
    changesAt === null || endsAt >= changesAt;
  const terms = decideTerms(periods.filter(isAtChange), now, subscription);
  Object.assign(subscription, terms.inForce, { changesAt: terms.changesAt });
}

/** 1, 2, 4, 8, 16 and then 24 hours; of an active one at the latest at the end of its grace. */
export function toQuarantined(subscription: SimulatedSubscription, now: Instant): QuarantineState {
  const before = subscription.quarantine?.attempts ?? 0;
  const hours = before === 0 ? 1 : Math.min(24, 2 ** Math.min(before, 5));
  const retryAt = later(now, hours * hourMs);
  const graceEndsAt = later(subscription.expiresAt, graceMs);
  const isBounded = subscription.state === 'active' && graceEndsAt < retryAt;
  return { attempts: before + 1, retryAt: isBounded ? graceEndsAt : retryAt };
}
