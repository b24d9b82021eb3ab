import {
  type Customer,
  day,
  hour,
  listLivePeriods,
  type Period,
  type Subscription,
  toMajor,
} from '../../support/customer-model.ts';
import { type ChosenSubscription, chooseSubscription, refused } from './choice.ts';
import {
  type Command,
  type CommandAnswer,
  type CommandContext,
  type CommandEffect,
  toIso,
} from './commands.ts';
import {
  computeCharge,
  isAware,
  recordChoice,
  recordFirstTerms,
  recordMessage,
} from './known-prices.ts';
import {
  addEntry,
  clearQuarantine,
  computeUnused,
  createSubscription,
  delayRenewals,
  issueCredential,
  openCredential,
  payIn,
  refundPeriod,
  retireCredentials,
  retryRenewalsNow,
} from './money.ts';
import { changePlan } from './plan-change.ts';
import { computePrice, findListPrice, trial } from './prices.ts';
import { buy } from './purchase.ts';
import { recordRefundNotification, refund } from './refund.ts';
import { listPaymentRefusals, moveIn, moveOut, reversePayment } from './reversals.ts';
import {
  computeEnd,
  computeLastTerms,
  computeNextTerms,
  isSameTerms,
  updateFromPeriods,
} from './terms.ts';

// The effect of each command, stated from docs/design.md and independently of the program. A
// refusal lists all valid reasons, because the program may return any of them.

export function applyToModel(
  before: Customer,
  command: Command,
  context: CommandContext,
): CommandEffect {
  const customer = structuredClone(before);
  const given = applyCommand(customer, command, context);
  const answer =
    before.blocked && isForbiddenWhileBlocked(command)
      ? refused('blocked', ...('refused' in given ? given.refused : []))
      : given;
  return { customer: 'ok' in answer ? customer : before, answer };
}

/** A blocked customer gets no period, no credential and no renewal. */
function isForbiddenWhileBlocked(command: Command): boolean {
  if (command.do === 'auto-renew') return command.on;
  return ['purchase', 'change-plan', 'grant', 'reissue', 'trial'].includes(command.do);
}

function applyCommand(
  customer: Customer,
  command: Command,
  context: CommandContext,
): CommandAnswer {
  const { now } = context;
  switch (command.do) {
    case 'set':
      return setCustomer(customer, command, now);
    case 'top-up':
      return topUp(customer, command, now);
    case 'adjust':
      return adjust(customer, command, now);
    case 'chargeback':
      return reversePayment(customer, command, now);
    case 'move-out':
      return moveOut(customer, command, now);
    case 'move-in':
      return moveIn(customer, command, now);
    case 'notify':
      return recordSentMessage(customer, command, now);
    case 'purchase':
      return buy(customer, command, context);
    case 'change-plan':
      return changePlan(customer, command, context);
    case 'refund':
      return refund(customer, command, now);
    case 'grant':
      return grant(customer, command, context);
    case 'revoke':
      return revoke(customer, command, now);
    case 'reissue':
      return reissue(customer, command, now);
    case 'auto-renew':
      return setAutoRenew(customer, command, context);
    case 'trial':
      return startTrial(customer, now);
    case 'block':
      return block(customer, now);
    case 'unblock':
      return unblock(customer, now);
    case 'expire':
      return expireSubscriptions(customer, now);
  }
}

type CommandOf<Do extends Command['do']> = Extract<Command, { do: Do }>;

function setCustomer(customer: Customer, command: CommandOf<'set'>, now: number): CommandAnswer {
  if (command.vip !== undefined) customer.vip = command.vip;
  if (command.discount !== undefined) customer.discount = command.discount;
  retryRenewalsNow(customer, now);
  customer.events.push('set');
  return { ok: { vip: customer.vip, discount_percent: customer.discount } };
}

function topUp(customer: Customer, command: CommandOf<'top-up'>, now: number): CommandAnswer {
  const { amount, payment } = command;
  const reasons = payment === undefined ? [] : listPaymentRefusals(customer, payment);
  if (amount <= 0) reasons.push('bad_amount');
  if (reasons.length > 0) return refused(...reasons);
  const { entry, claimPaid } = payIn(customer, amount, payment ?? null, now);
  retryRenewalsNow(customer, now);
  customer.events.push('topped_up');
  return {
    ok: {
      amount: toMajor(amount),
      balance: toMajor(customer.balance),
      ledger_entry_id: entry,
      claim_paid: toMajor(claimPaid),
      claim: toMajor(customer.claim),
    },
  };
}

function adjust(customer: Customer, { amount }: CommandOf<'adjust'>, now: number): CommandAnswer {
  if (amount === 0) return refused('bad_amount');
  if (customer.balance + amount < 0) return refused('short_balance');
  const entry = addEntry(customer, amount, 'adjustment', now);
  if (amount > 0) retryRenewalsNow(customer, now);
  customer.events.push('adjusted');
  return {
    ok: { amount: toMajor(amount), balance: toMajor(customer.balance), ledger_entry_id: entry },
  };
}

function grant(
  customer: Customer,
  command: CommandOf<'grant'>,
  context: CommandContext,
): CommandAnswer {
  const { now } = context;
  let place: number;
  if (command.sub === 'new') {
    place = customer.subs.push(createSubscription(command.plan, command.days, now, false)) - 1;
  } else {
    const chosen: ChosenSubscription = chooseSubscription(customer, command.sub);
    if ('refused' in chosen) return chosen;
    place = chosen.place;
  }
  const sub = customer.subs[place] as Subscription;
  if (sub.state === 'revoked') return refused('revoked');
  const startsAt = Math.max(now, sub.expiresAt);
  const endsAt = startsAt + command.days * day;
  const days = command.sub === 'new' ? command.days : null;
  addFreePeriod(customer, place, { source: 'grant', startsAt, endsAt, days });
  Object.assign(sub, { state: 'active', nextTryAt: null });
  updateFromPeriods(customer, place, now);
  recordFirstTerms(customer, place, context);
  clearQuarantine(customer);
  openCredential(sub, now);
  const notice = `grant of ${place} from ${startsAt} until ${endsAt}`;
  if (!customer.notices.includes(notice)) customer.notices.push(notice);
  customer.events.push('granted');
  return createRightsAnswer(customer, place, 0);
}

type FreePeriod = Pick<Period, 'startsAt' | 'endsAt' | 'days'> & {
  readonly source: 'trial' | 'grant';
};

/** It has the plan that was decisive before. */
function addFreePeriod(customer: Customer, place: number, free: FreePeriod): void {
  const kind = free.source === 'grant' ? (customer.subs[place] as Subscription).kind : null;
  const { plan } = computeLastTerms(customer, place);
  const sold = { list: null, percent: null, cap: null, movedFrom: null, partOf: null };
  const unpaid = { amount: 0, charge: null, refundedAt: null, refund: null };
  customer.periods.push({ sub: place, plan, kind, ...free, ...sold, ...unpaid });
}

/** Refunds every charged period that is not over, if requested. */
function revoke(customer: Customer, command: CommandOf<'revoke'>, now: number): CommandAnswer {
  const chosen = chooseSubscription(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const { place } = chosen;
  const sub = customer.subs[place] as Subscription;
  if (sub.state === 'revoked') return refused('revoked');
  let refunded = 0;
  if (command.refund !== undefined) {
    for (const period of listLivePeriods(customer, place)) {
      if (period.endsAt <= now || period.charge === null) continue;
      const amount = command.refund === 'whole' ? period.amount : computeUnused(period, now);
      refundPeriod(customer, period, amount, now);
      recordRefundNotification(customer, period, amount);
      refunded += amount;
    }
    // A revoked subscription has no access. Only its end follows.
    sub.expiresAt = computeEnd(customer, place);
  }
  Object.assign(sub, { state: 'revoked', nextTryAt: Infinity });
  retireCredentials(sub, now);
  if (refunded > 0) delayRenewals(customer, now);
  customer.notices.push(`revoke of ${place}`);
  customer.events.push('revoked');
  return createRightsAnswer(customer, place, refunded);
}

function setAutoRenew(
  customer: Customer,
  command: CommandOf<'auto-renew'>,
  around: CommandContext,
): CommandAnswer {
  const { now } = around;
  const chosen = chooseSubscription(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const sub = customer.subs[chosen.place] as Subscription;
  const reasons = [];
  if (sub.kind === 'trial') reasons.push('is_trial');
  if (sub.state === 'revoked') reasons.push('revoked');
  if (reasons.length > 0) return refused(...reasons);
  sub.autoRenew = command.on;
  const next = command.on ? stateRenewal(customer, chosen.place, around) : null;
  if (command.on) retryRenewalsNow(customer, now);
  customer.events.push(command.on ? 'auto_renew_on' : 'auto_renew_off');
  const { ok } = createRightsAnswer(customer, chosen.place, 0);
  return { ok: { ...ok, renewal_at: next?.at ?? null, renewal_amount: next?.amount ?? null } };
}

/**
 * The answer states when the next renewal is due and what it takes. A customer who knew no amount
 * knows this one from now on. One that ended 7 days ago or earlier is not renewed.
 */
function stateRenewal(customer: Customer, place: number, { now, prices }: CommandContext) {
  const sub = customer.subs[place] as Subscription;
  if (sub.state === 'expired' && sub.expiresAt < now - 7 * day) return null;
  const at = Math.max(now, sub.expiresAt - 6 * hour);
  const terms = computeNextTerms(customer, place);
  const list = findListPrice(prices, terms.plan, terms.days, at);
  if (list === null) return { at: toIso(at), amount: null };
  const price = computePrice(customer, list);
  if (!isAware(customer, place, terms)) recordChoice(sub, terms, price, now);
  const amount = computeCharge(customer, place, terms, { price, now: at });
  return { at: toIso(at), amount: toMajor(amount) };
}

/** A running subscription gets another credential. The previous one never returns. */
function reissue(customer: Customer, command: CommandOf<'reissue'>, now: number): CommandAnswer {
  const chosen = chooseSubscription(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const sub = customer.subs[chosen.place] as Subscription;
  if (sub.state !== 'active' || sub.expiresAt <= now) return refused('not_running');
  for (const one of sub.credentials) {
    if (one.retiredAt === null) Object.assign(one, { retiredAt: now, replaced: true });
  }
  issueCredential(sub, now);
  customer.events.push('reissued');
  return createRightsAnswer(customer, chosen.place, 0);
}

function createRightsAnswer(customer: Customer, place: number, refunded: number) {
  const sub = customer.subs[place] as Subscription;
  return {
    ok: {
      subscription_id: place,
      plan: sub.plan,
      state: sub.state,
      expires_at: toIso(sub.expiresAt),
      auto_renew: sub.autoRenew,
      refunded: toMajor(refunded),
      balance: toMajor(customer.balance),
    },
  };
}

/** Given once, and never to a customer who has or had a subscription. */
function startTrial(customer: Customer, now: number): CommandAnswer {
  const reasons: string[] = [];
  if (customer.trialUsed) reasons.push('trial_used');
  if (customer.subs.length > 0) reasons.push('has_paid');
  if (reasons.length > 0) return refused(...reasons);
  const { plan, days } = trial;
  const endsAt = now + days * day;
  const sub = {
    ...createSubscription(plan, days, now, false),
    kind: 'trial' as const,
    expiresAt: endsAt,
  };
  customer.subs.push(sub);
  addFreePeriod(customer, 0, { source: 'trial', startsAt: now, endsAt, days });
  openCredential(sub, now);
  customer.trialUsed = true;
  customer.events.push('trial_started');
  return { ok: { subscription_id: 0, plan, days, starts_at: toIso(now), ends_at: toIso(endsAt) } };
}

const listActive = ({ subs }: Customer): Subscription[] =>
  subs.filter(({ state }) => state === 'active');

/** Access ends, and time and money stay. */
function block(customer: Customer, now: number): CommandAnswer {
  if (customer.blocked) return refused('is_blocked');
  customer.blocked = true;
  const active = listActive(customer);
  for (const sub of active) retireCredentials(sub, now);
  customer.events.push('blocked');
  return { ok: { subscriptions: active.length } };
}

/** Active subscriptions have their last credentials again, and waiting renewals are due. */
function unblock(customer: Customer, now: number): CommandAnswer {
  if (!customer.blocked) return refused('not_blocked');
  customer.blocked = false;
  const active = listActive(customer);
  for (const sub of active) {
    openCredential(sub, now, 36_500);
    sub.nextTryAt = null;
  }
  clearQuarantine(customer);
  customer.events.push('unblocked');
  return { ok: { subscriptions: active.length } };
}

/**
 * Set-up in place of the worker: expires all subscriptions past their end, with or without money.
 */
function expireSubscriptions(customer: Customer, now: number): CommandAnswer {
  for (const sub of customer.subs) {
    if (sub.state === 'active') applyBegunTerms(customer, customer.subs.indexOf(sub), now);
    if (sub.state !== 'active' || sub.expiresAt > now) continue;
    Object.assign(sub, { state: 'expired', nextTryAt: Infinity });
    retireCredentials(sub, now);
  }
  return { ok: {} };
}

/** A period with other terms that has begun sets these terms. */
function applyBegunTerms(customer: Customer, place: number, now: number): void {
  const sub = customer.subs[place] as Subscription;
  if (sub.changesAt === null || sub.changesAt > now) return;
  const { plan, days } = sub;
  updateFromPeriods(customer, place, now);
  if (!isSameTerms(sub, { plan, days })) customer.events.push('terms_changed');
}

/** Set-up: a message that names the price of the next renewal was sent. */
function recordSentMessage(
  customer: Customer,
  { sub: place, amount }: CommandOf<'notify'>,
  now: number,
): CommandAnswer {
  const sub = customer.subs[place];
  // A message states the price of a renewal, and a revoked subscription has none.
  if (sub !== undefined && sub.state !== 'revoked')
    recordMessage(sub, computeNextTerms(customer, place), amount, now);
  return { ok: {} };
}
