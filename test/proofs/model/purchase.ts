import {
  type Customer,
  day,
  listLivePeriods,
  minute,
  type Period,
  type Subscription,
  type Terms,
  toMajor,
} from '../../support/customer-model.ts';
import { chooseSubscription, refused } from './choice.ts';
import { type Command, type CommandAnswer, type CommandContext, toIso } from './commands.ts';
import { forgetPaid } from './known-prices.ts';
import {
  addEntry,
  clearQuarantine,
  createSubscription,
  endPeriod,
  openCredential,
  payIn,
  retryRenewalsNow,
} from './money.ts';
import { computePercent, computePrice, findListPrice } from './prices.ts';
import { recordEndNotification, recordRefundNotification } from './refund.ts';
import { listPaymentRefusals } from './reversals.ts';
import { computeLastTerms, updateFromPeriods } from './terms.ts';

type Purchase = Extract<Command, { do: 'purchase' }>;

/** A price with the figures that made it. */
export interface PlanCost {
  readonly list: number;
  readonly percent: number;
  readonly amount: number;
}

/** Null without a current price. */
export function computeCost(
  customer: Customer,
  { plan, days }: Terms,
  { now, prices }: CommandContext,
): PlanCost | null {
  const list = findListPrice(prices, plan, days, now);
  if (list === null) return null;
  return { list, percent: computePercent(customer), amount: computePrice(customer, list) };
}

/** Extends or revives the named subscription, converts a running trial, or creates a new one. */
export function buy(customer: Customer, command: Purchase, context: CommandContext): CommandAnswer {
  const { now } = context;
  const reasons: string[] = [];
  const cost = computeCost(customer, command, context);
  const { pay } = command;
  if (pay !== undefined) reasons.push(...listPaymentRefusals(customer, pay.payment));
  const paid = pay === undefined ? 0 : pay.amount - Math.min(pay.amount, customer.claim);
  if (cost === null) reasons.push('no_price');

  const chosen = chooseSubscriptionToBuy(customer, command);
  const money = customer.balance + paid;
  const undone =
    cost === null
      ? []
      : findRenewalsToUndo(customer, cost.amount - money, chosen, command.plan, now);
  const returned = undone.reduce((sum, { amount }) => sum + amount, 0);
  if (cost !== null && cost.amount > money + returned) reasons.push('short_balance');
  if ('refused' in chosen) reasons.push(...chosen.refused);
  else if (chosen.place !== 'new') {
    const sub = customer.subs[chosen.place] as Subscription;
    const isUndone = undone.some((period) => period.sub === chosen.place);
    const runs = sub.state === 'active' && sub.expiresAt > now && !isUndone;
    if (sub.state === 'revoked') reasons.push('revoked');
    const { plan } = computeLastTerms(customer, chosen.place);
    if (sub.kind === 'paid' && runs && plan !== command.plan) reasons.push('other_plan');
  }
  if (reasons.length > 0 || cost === null || 'refused' in chosen) return refused(...reasons);

  const { place } = chosen;
  if (pay !== undefined) {
    payIn(customer, pay.amount, pay.payment, now);
    customer.events.push('topped_up');
  }
  for (const period of undone) undoRenewal(customer, period, now);
  // The rest of the payment may pay for another subscription.
  const finish = (answer: CommandAnswer): CommandAnswer => {
    if (pay !== undefined) retryRenewalsNow(customer, now);
    return answer;
  };
  if (place === 'new') {
    const sub = createSubscription(command.plan, command.days, now, command.autoRenew ?? true);
    customer.subs.push(sub);
    return finish(
      chargeAndExtend(customer, customer.subs.length - 1, command, { cost, action: 'new', now }),
    );
  }
  const sub = customer.subs[place] as Subscription;
  const action =
    sub.state === 'expired' ? 'revived' : sub.kind === 'trial' ? 'converted' : 'extended';
  if (sub.kind === 'trial') sub.autoRenew = command.autoRenew ?? true;
  return finish(chargeAndExtend(customer, place, command, { cost, action, now }));
}

function chooseSubscriptionToBuy(customer: Customer, { sub }: Purchase) {
  if (sub === 'new') return { place: 'new' as const };
  if (sub !== 'default') return chooseSubscription(customer, sub);
  const buyable = (place: number) => customer.subs[place]?.state !== 'revoked';
  if (!customer.subs.some((_, place) => buyable(place))) return { place: 'new' as const };
  return chooseSubscription(customer, 'default', buyable);
}

/**
 * The customer paid for this purchase less than 10 minutes ago, and the money revived another
 * subscription meanwhile. Those charges are refunded, the newest first, if that pays for the
 * purchase. The charge of the subscription that gets another plan is refunded in any case.
 */
function findRenewalsToUndo(
  customer: Customer,
  missing: number,
  chosen: ReturnType<typeof chooseSubscriptionToBuy>,
  plan: string,
  now: number,
): Period[] {
  const revived = customer.subs.flatMap((sub, place) => {
    const [last] = listLivePeriods(customer, place);
    if (sub.state !== 'active' || sub.paidAt === null || last?.source !== 'renewal') return [];
    const isRecent = sub.paidAt >= now - 10 * minute && last.startsAt >= sub.paidAt;
    return isRecent ? [last] : [];
  });
  const newestFirst = revived.sort((a, b) => Number(b.charge) - Number(a.charge));
  const isOwn = (period: Period) =>
    'place' in chosen && chosen.place === period.sub && period.plan !== plan;
  const own = newestFirst.filter(isOwn);
  const undone = [...own];
  const sum = () => undone.reduce((all, { amount }) => all + amount, 0);
  for (const period of newestFirst.filter((one) => !isOwn(one))) {
    if (missing <= sum()) break;
    undone.push(period);
  }
  return missing <= sum() ? undone : own;
}

function undoRenewal(customer: Customer, period: Period, now: number): void {
  endPeriod(customer, period, period.amount, now);
  (customer.subs[period.sub] as Subscription).nextTryAt = Infinity;
  recordRefundNotification(customer, period, period.amount);
  recordEndNotification(customer, period.sub);
}

export interface SaleContext {
  readonly cost: PlanCost;
  readonly action: string;
  readonly now: number;
}

/** Sells a period that starts at the end, or now if the end is past. */
export function chargeAndExtend(
  customer: Customer,
  place: number,
  terms: Terms,
  sale: SaleContext,
): CommandAnswer {
  const { cost, action, now } = sale;
  const { plan, days } = terms;
  const { amount, list, percent } = cost;
  const sub = customer.subs[place] as Subscription;
  const startsAt = Math.max(now, sub.expiresAt);
  const endsAt = startsAt + days * day;
  const charge = addEntry(customer, -amount, 'purchase', now);
  const price = { amount, list, percent, cap: null, charge, refundedAt: null, refund: null };
  const time = { plan, days, startsAt, endsAt, movedFrom: null, kind: null, partOf: null };
  customer.periods.push({ sub: place, source: 'purchase', ...time, ...price });
  Object.assign(sub, { state: 'active', nextTryAt: null });
  updateFromPeriods(customer, place, now);
  forgetPaid(sub, terms, now);
  clearQuarantine(customer);
  openCredential(sub, now);
  customer.notices.push(`receipt of ${charge} for ${toMajor(amount)}`);
  customer.events.push('purchased');
  return {
    ok: {
      subscription_id: place,
      action,
      plan,
      period_days: days,
      starts_at: toIso(startsAt),
      ends_at: toIso(endsAt),
      amount: toMajor(amount),
      balance: toMajor(customer.balance),
      ledger_entry_id: charge,
    },
  };
}
