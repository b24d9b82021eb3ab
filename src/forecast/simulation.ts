import type { CustomerId } from '../kernel/ids.ts';
import { type Instant, later, never } from '../kernel/instant.ts';
import { type DecidedItem, decideInOrder } from '../runs/shared-balance.ts';
import {
  decideExpiry,
  type ExpiryDecision,
  isTermsChangeDue,
} from '../subscription/rules/expiry.ts';
import { computePriceMinor } from '../subscription/rules/price.ts';
import { isAmountCertain } from '../subscription/rules/price-cap.ts';
import {
  decideDueRenewal,
  decideRenewal,
  type RenewalDecision,
} from '../subscription/rules/renewal.ts';
import { applyCharge, changeSimulatedTerms, toQuarantined } from './customer-changes.ts';
import {
  computeRenewalDueAt,
  computeRunAt,
  type SimulatedCustomer,
  type SimulatedFacts,
  type SimulatedSubscription,
  toRenewalFacts,
} from './customer-state.ts';
import { findNextPriceChange } from './dated-prices.ts';
import type {
  PlannedOutcome,
  SimulatedNotices,
  SimulationReport,
  SimulationRules,
} from './outcomes.ts';

// The simulation of one customer: what the workers do until a time, without further commands.
//
// 1. Time moves from one run to the next that concerns the customer. Runs begin at the slots of
//    their workers. fast-expiry-cleanup also runs at each end.
// 2. At one time auto-renewal comes first, then fast-expiry-cleanup, then the notifications.
// 3. The rules of the workers decide. No guard holds anything.
// 4. The simulation without notifications ends as soon as a notification could change an amount.

type Charge = Extract<RenewalDecision, { do: 'renew' }>;
type Decided<D> = DecidedItem<SimulatedFacts, D>;

const noReservedBalance = new Map<CustomerId, bigint>();

export class CustomerSimulation {
  readonly #customer: SimulatedCustomer;
  readonly #rules: SimulationRules;
  readonly #report: SimulationReport;
  /** undefined: notifications are not simulated. */
  readonly #notices: SimulatedNotices | undefined;
  #isAmountUncertain = false;

  constructor(
    customer: SimulatedCustomer,
    rules: SimulationRules,
    report: SimulationReport,
    notices?: SimulatedNotices,
  ) {
    this.#customer = customer;
    this.#rules = rules;
    this.#report = report;
    this.#notices = notices;
  }

  /** @returns false: an amount depends on notifications, so the result does not count */
  run(): boolean {
    let after = later(this.#rules.now, -1);
    for (;;) {
      const at = this.#computeNextAt(after);
      if (at >= this.#rules.until) return true;
      if (at % this.#rules.intervals.renewalMs === 0) this.#runAutoRenewal(at);
      this.#runExpiry(at);
      if (this.#isAmountUncertain) return false;
      this.#notices?.runAt(at);
      after = at;
    }
  }

  #computeNextAt(after: Instant): Instant {
    let next = this.#notices?.computeNextAt(after) ?? never;
    const { intervals, settings } = this.#rules;
    const { isBlocked } = this.#customer;
    for (const subscription of this.#customer.subscriptions) {
      const dueAt = isBlocked ? undefined : computeRenewalDueAt(subscription, settings);
      if (dueAt !== undefined) {
        const at = computeRunAt(dueAt, after, intervals.renewalMs);
        if (at < next) next = at;
      }
      const expiryAt = this.#computeExpiryAt(subscription, after);
      if (expiryAt < next) next = expiryAt;
    }
    return next;
  }

  #computeExpiryAt(subscription: SimulatedSubscription, after: Instant): Instant {
    const { state, expiresAt, changesAt, expiryFrom } = subscription;
    if (state !== 'active') return never;
    const at = changesAt !== null && changesAt < expiresAt ? changesAt : expiresAt;
    if (expiryFrom !== null && expiryFrom > at)
      return computeRunAt(expiryFrom, after, this.#rules.intervals.expiryMs);
    return at > after ? at : computeRunAt(at, after, this.#rules.intervals.expiryMs);
  }

  #runAutoRenewal(now: Instant): void {
    const { windowMs } = this.#rules.settings;
    const all = this.#customer.subscriptions.filter((one) => one.kind === 'paid' && one.autoRenew);
    const retried = all.filter(
      ({ quarantine }) => quarantine !== null && quarantine.retryAt <= now,
    );
    const skipped = new Set(all.filter(({ quarantine }) => quarantine !== null));
    const isTried = ({ state, nextTryAt }: SimulatedSubscription) =>
      state === 'active' && nextTryAt !== null && nextTryAt <= now;
    this.#renew(
      all.filter((one) => !skipped.has(one) && isTried(one)),
      now,
    );
    const isDue = ({ state, nextTryAt, expiresAt }: SimulatedSubscription) =>
      state !== 'revoked' && nextTryAt === null && expiresAt <= later(now, windowMs);
    this.#renew(
      all.filter((one) => !skipped.has(one) && isDue(one)),
      now,
    );
    for (const one of retried) one.expiryFrom = null;
    this.#renew(retried, now);
  }

  #renew(subscriptions: readonly SimulatedSubscription[], now: Instant): void {
    if (subscriptions.length === 0) return;
    const { settings } = this.#rules;
    const decided = this.#decide(subscriptions, now, (facts) =>
      decideRenewal(facts, now, settings),
    );
    for (const { facts, decision } of decided) {
      const { subscription } = facts;
      this.#reportCharge(facts, decision);
      const { quarantine } = subscription;
      subscription.quarantine = null;
      switch (decision.do) {
        case 'renew':
          this.#applyCharge(facts, decision, now);
          break;
        case 'wait-for-money':
          this.#checkAmount(facts, facts.listMinor ?? 0n, now);
          subscription.nextTryAt = decision.nextTryAt;
          if (subscription.state === 'active') this.#notices?.addLowBalance(facts, decision, now);
          break;
        case 'give-up':
          subscription.nextTryAt = never;
          break;
        case 'quarantine':
          subscription.quarantine = toQuarantined({ ...subscription, quarantine }, now);
          break;
        case 'wait-for-unblock':
        case 'nothing':
          break;
      }
    }
  }

  /** Facts in the order of the ends, which is the order of the workers. */
  #decide<D extends RenewalDecision | ExpiryDecision>(
    subscriptions: readonly SimulatedSubscription[],
    now: Instant,
    decide: (facts: SimulatedFacts) => D,
  ): Decided<D>[] {
    const facts = subscriptions.map((one) =>
      toRenewalFacts(one, this.#customer, now, this.#rules.settings),
    );
    if (facts.length === 1) {
      const [only] = facts as [SimulatedFacts];
      return [{ facts: only, decision: decide(only), balanceMinor: only.balanceMinor }];
    }
    noReservedBalance.clear();
    return decideInOrder(
      facts.sort((one, other) => one.expiresAt - other.expiresAt),
      noReservedBalance,
      decide,
    );
  }

  #runExpiry(now: Instant): void {
    const { subscriptions } = this.#customer;
    const isSlot = now % this.#rules.intervals.expiryMs === 0;
    const isRun =
      isSlot || subscriptions.some((one) => one.expiresAt === now || one.changesAt === now);
    if (!isRun) return;
    const isExamined = ({ state, expiryFrom }: SimulatedSubscription) =>
      state === 'active' && (expiryFrom === null || expiryFrom <= now);
    const changing = subscriptions.filter((one) => isExamined(one) && isTermsChangeDue(one, now));
    this.#expire(changing, now);
    this.#expire(
      subscriptions.filter((one) => isExamined(one) && one.expiresAt <= now),
      now,
    );
  }

  #expire(subscriptions: readonly SimulatedSubscription[], now: Instant): void {
    if (subscriptions.length === 0) return;
    const { settings } = this.#rules;
    const decided = this.#decide(subscriptions, now, (facts) => decideExpiry(facts, now, settings));
    for (const { facts, decision, balanceMinor } of decided) {
      const { subscription } = facts;
      if (isTermsChangeDue(subscription, now)) changeSimulatedTerms(subscription, now);
      switch (decision.do) {
        case 'renew':
          this.#applyCharge(facts, decision, now);
          break;
        case 'end':
          this.#applyEnd({ ...facts, balanceMinor }, now);
          break;
        case 'hold': {
          const changeAt = findNextPriceChange(subscription.prices, now);
          subscription.expiryFrom = changeAt < decision.until ? changeAt : decision.until;
          break;
        }
        case 'change-terms':
        case 'nothing':
          break;
      }
    }
  }

  #applyCharge(facts: SimulatedFacts, charge: Charge, now: Instant): void {
    const { startsAt, chargeMinor, listMinor } = charge;
    this.#checkAmount(facts, listMinor, now);
    applyCharge(facts, this.#customer, charge, now, this.#rules.settings);
    this.#reportOutcome(facts, { outcome: 'renewed', at: now, startsAt, amountMinor: chargeMinor });
  }

  #applyEnd(facts: SimulatedFacts, now: Instant): void {
    const { subscription, expiresAt } = facts;
    subscription.state = 'expired';
    subscription.nextTryAt = never;
    const { kind, autoRenew } = subscription;
    const decision =
      kind === 'paid' && autoRenew
        ? decideDueRenewal(facts, now, this.#rules.settings)
        : { do: 'nothing' as const };
    const isShort = decision.do === 'wait-for-money';
    if (isShort) this.#checkAmount(facts, facts.listMinor ?? 0n, now);
    this.#reportOutcome(facts, {
      outcome: isShort ? 'short' : 'ends',
      at: now,
      startsAt: expiresAt,
      amountMinor: isShort ? decision.priceMinor : null,
    });
  }

  /** Rule 4. */
  #checkAmount(facts: SimulatedFacts, listMinor: bigint, now: Instant): void {
    if (this.#notices !== undefined) return;
    const { vipPercent, noticeMs } = this.#rules.settings;
    const priceMinor = computePriceMinor(listMinor, facts, vipPercent);
    const isPriceFinal = findNextPriceChange(facts.subscription.prices, this.#rules.now) === never;
    const isCertain = isAmountCertain(priceMinor, facts.prices, now, noticeMs, isPriceFinal);
    this.#isAmountUncertain ||= !isCertain;
  }

  #reportCharge(facts: SimulatedFacts, decision: RenewalDecision): void {
    const { state, nextTryAt, isQuarantined, currency } = facts;
    const isFirst = state === 'active' && nextTryAt === null && !isQuarantined;
    const isDue = decision.do !== 'nothing' && decision.do !== 'wait-for-unblock';
    if (!isFirst || !isDue || this.#report.charge === undefined) return;
    const at = computeRenewalDueAt(facts.subscription, this.#rules.settings);
    if (at === undefined) return;
    const amountMinor =
      decision.do === 'renew'
        ? decision.chargeMinor
        : decision.do === 'wait-for-money'
          ? decision.priceMinor
          : 0n;
    this.#report.charge({ at, currency, amountMinor });
  }

  #reportOutcome(
    facts: SimulatedFacts,
    outcome: Pick<PlannedOutcome, 'outcome' | 'at' | 'startsAt' | 'amountMinor'>,
  ): void {
    if (this.#isAmountUncertain) return;
    const { telegramId, subscriptionId, plan, currency } = facts;
    this.#report.outcome({ telegramId, subscriptionId, plan, currency, ...outcome });
  }
}
