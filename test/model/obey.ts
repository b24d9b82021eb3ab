import { type Customer, day, hour, livePeriods, type Period, type Sub } from './books-of.ts';
import { buy } from './buying.ts';
import { changePlan } from './changing.ts';
import { type Chosen, choose, refused } from './choosing.ts';
import { type Command, type Effect, iso, major, type Surroundings, type Told } from './commands.ts';
import { chargeOf, isAware, learnChoice, learnMessage, learnTerms } from './known.ts';
import {
  close,
  delay,
  giveBack,
  issue,
  move,
  newSub,
  open,
  payIn,
  release,
  unused,
  wake,
} from './money.ts';
import { listPrice, priceFor, trial } from './prices.ts';
import { refund, tellRefund } from './refunds.ts';
import { chargeBack, moveIn, moveOut, refusedPayment } from './reversals.ts';
import { endOf, follow, lastTerms, nextTerms, same } from './terms.ts';

// What each command does, said again from docs/design.md and not from the program. A refusal names
// every reason that holds: which one the program says first is its own affair.

export function obey(before: Customer, command: Command, around: Surroundings): Effect {
  const customer = structuredClone(before);
  const told = carryOut(customer, command, around);
  return { customer: 'ok' in told ? customer : before, told };
}

function carryOut(customer: Customer, command: Command, around: Surroundings): Told {
  const { now } = around;
  switch (command.do) {
    case 'set':
      return set(customer, command, now);
    case 'top-up':
      return topUp(customer, command, now);
    case 'adjust':
      return adjust(customer, command, now);
    case 'chargeback':
      return chargeBack(customer, command, now);
    case 'move-out':
      return moveOut(customer, command, now);
    case 'move-in':
      return moveIn(customer, command, now);
    case 'notify':
      return notify(customer, command, now);
    case 'purchase':
      return buy(customer, command, around);
    case 'change-plan':
      return changePlan(customer, command, around);
    case 'refund':
      return refund(customer, command, now);
    case 'grant':
      return grant(customer, command, around);
    case 'revoke':
      return revoke(customer, command, now);
    case 'reissue':
      return reissue(customer, command, now);
    case 'auto-renew':
      return switchRenewal(customer, command, around);
    case 'trial':
      return beginTrial(customer, now);
    case 'expire':
      return expire(customer, now);
  }
}

type Of<Do extends Command['do']> = Extract<Command, { do: Do }>;

function set(customer: Customer, command: Of<'set'>, now: number): Told {
  if (command.vip !== undefined) customer.vip = command.vip;
  if (command.discount !== undefined) customer.discount = command.discount;
  wake(customer, now);
  customer.events.push('set');
  return { ok: { vip: customer.vip, discount_percent: customer.discount } };
}

function topUp(customer: Customer, command: Of<'top-up'>, now: number): Told {
  const { amount, payment } = command;
  const reasons = payment === undefined ? [] : refusedPayment(customer, payment);
  if (amount <= 0) reasons.push('bad_amount');
  if (reasons.length > 0) return refused(...reasons);
  const { entry, claimPaid } = payIn(customer, amount, payment ?? null, now);
  wake(customer, now);
  customer.events.push('topped_up');
  return {
    ok: {
      amount: major(amount),
      balance: major(customer.balance),
      ledger_entry_id: entry,
      claim_paid: major(claimPaid),
      claim: major(customer.claim),
    },
  };
}

function adjust(customer: Customer, { amount }: Of<'adjust'>, now: number): Told {
  if (amount === 0) return refused('bad_amount');
  if (customer.balance + amount < 0) return refused('short_balance');
  const entry = move(customer, amount, 'adjustment', now);
  if (amount > 0) wake(customer, now);
  customer.events.push('adjusted');
  return {
    ok: { amount: major(amount), balance: major(customer.balance), ledger_entry_id: entry },
  };
}

function grant(customer: Customer, command: Of<'grant'>, around: Surroundings): Told {
  const { now } = around;
  let place: number;
  if (command.sub === 'new') {
    place = customer.subs.push(newSub(command.plan, command.days, now, false)) - 1;
  } else {
    const chosen: Chosen = choose(customer, command.sub);
    if ('refused' in chosen) return chosen;
    place = chosen.place;
  }
  const sub = customer.subs[place] as Sub;
  if (sub.state === 'revoked') return refused('revoked');
  const startsAt = Math.max(now, sub.expiresAt);
  const endsAt = startsAt + command.days * day;
  const days = command.sub === 'new' ? command.days : null;
  addFree(customer, place, { source: 'grant', startsAt, endsAt, days });
  Object.assign(sub, { state: 'active', nextTryAt: null });
  follow(customer, place, now);
  learnTerms(customer, place, around);
  release(customer);
  open(sub, now);
  const notice = `grant of ${place} from ${startsAt} until ${endsAt}`;
  if (!customer.notices.includes(notice)) customer.notices.push(notice);
  customer.events.push('granted');
  return rights(customer, place, 0);
}

type Free = Pick<Period, 'startsAt' | 'endsAt' | 'days'> & { readonly source: 'trial' | 'grant' };

/** It has the plan that was decisive before. */
function addFree(customer: Customer, place: number, free: Free): void {
  const kind = free.source === 'grant' ? (customer.subs[place] as Sub).kind : null;
  const { plan } = lastTerms(customer, place);
  const sold = { list: null, percent: null, cap: null, movedFrom: null, partOf: null };
  const unpaid = { amount: 0, charge: null, refundedAt: null, refund: null };
  customer.periods.push({ sub: place, plan, kind, ...free, ...sold, ...unpaid });
}

/** Every charged period that is not over is given back, if that was asked. */
function revoke(customer: Customer, command: Of<'revoke'>, now: number): Told {
  const chosen = choose(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const { place } = chosen;
  const sub = customer.subs[place] as Sub;
  if (sub.state === 'revoked') return refused('revoked');
  let refunded = 0;
  if (command.refund !== undefined) {
    for (const period of livePeriods(customer, place)) {
      if (period.endsAt <= now || period.charge === null) continue;
      const amount = command.refund === 'whole' ? period.amount : unused(period, now);
      giveBack(customer, period, amount, now);
      tellRefund(customer, period, amount);
      refunded += amount;
    }
    // A revoked subscription is over: only its end follows.
    sub.expiresAt = endOf(customer, place);
  }
  Object.assign(sub, { state: 'revoked', nextTryAt: Infinity });
  close(sub, now);
  if (refunded > 0) delay(customer, now);
  customer.notices.push(`revoke of ${place}`);
  customer.events.push('revoked');
  return rights(customer, place, refunded);
}

function switchRenewal(customer: Customer, command: Of<'auto-renew'>, around: Surroundings): Told {
  const { now } = around;
  const chosen = choose(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const sub = customer.subs[chosen.place] as Sub;
  const reasons = [];
  if (sub.kind === 'trial') reasons.push('is_trial');
  if (sub.state === 'revoked') reasons.push('revoked');
  if (reasons.length > 0) return refused(...reasons);
  sub.autoRenew = command.on;
  const next = command.on ? stateRenewal(customer, chosen.place, around) : null;
  if (command.on) wake(customer, now);
  customer.events.push(command.on ? 'auto_renew_on' : 'auto_renew_off');
  const { ok } = rights(customer, chosen.place, 0);
  return {
    ok: { ...ok, renewal_at: next?.at ?? null, renewal_amount: next?.amount ?? null },
  };
}

/**
 * The answer states when the next renewal is due and what it takes. A customer who knew no amount
 * knows this one from now on. One that ended 7 days ago or earlier is not renewed.
 */
function stateRenewal(customer: Customer, place: number, { now, prices }: Surroundings) {
  const sub = customer.subs[place] as Sub;
  if (sub.state === 'expired' && sub.expiresAt < now - 7 * day) return null;
  const at = Math.max(now, sub.expiresAt - 6 * hour);
  const terms = nextTerms(customer, place);
  const list = listPrice(prices, terms.plan, terms.days, at);
  if (list === null) return { at: iso(at), amount: null };
  const price = priceFor(customer, list);
  if (!isAware(customer, place, terms)) learnChoice(sub, terms, price, now);
  const amount = chargeOf(customer, place, terms, { price, now: at });
  return { at: iso(at), amount: major(amount) };
}

/** Whoever runs gets another credential; the one before never comes back. */
function reissue(customer: Customer, command: Of<'reissue'>, now: number): Told {
  const chosen = choose(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const sub = customer.subs[chosen.place] as Sub;
  if (sub.state !== 'active' || sub.expiresAt <= now) return refused('not_running');
  for (const one of sub.credentials) {
    if (one.retiredAt === null) Object.assign(one, { retiredAt: now, replaced: true });
  }
  issue(sub, now);
  customer.events.push('reissued');
  return rights(customer, chosen.place, 0);
}

function rights(customer: Customer, place: number, refunded: number) {
  const sub = customer.subs[place] as Sub;
  return {
    ok: {
      subscription_id: place,
      plan: sub.plan,
      state: sub.state,
      expires_at: iso(sub.expiresAt),
      auto_renew: sub.autoRenew,
      refunded: major(refunded),
      balance: major(customer.balance),
    },
  };
}

/** Once ever, and not for somebody who has or had a subscription. */
function beginTrial(customer: Customer, now: number): Told {
  const reasons: string[] = [];
  if (customer.trialUsed) reasons.push('trial_used');
  if (customer.subs.length > 0) reasons.push('has_paid');
  if (reasons.length > 0) return refused(...reasons);
  const { plan, days } = trial;
  const endsAt = now + days * day;
  const sub = { ...newSub(plan, days, now, false), kind: 'trial' as const, expiresAt: endsAt };
  customer.subs.push(sub);
  addFree(customer, 0, { source: 'trial', startsAt: now, endsAt, days });
  open(sub, now);
  customer.trialUsed = true;
  customer.events.push('trial_started');
  return {
    ok: { subscription_id: 0, plan, days, starts_at: iso(now), ends_at: iso(endsAt) },
  };
}

/** Set-up until there is the worker: whatever is past its end, with or without money. */
function expire(customer: Customer, now: number): Told {
  for (const sub of customer.subs) {
    if (sub.state === 'active') begin(customer, customer.subs.indexOf(sub), now);
    if (sub.state !== 'active' || sub.expiresAt > now) continue;
    Object.assign(sub, { state: 'expired', nextTryAt: Infinity });
    close(sub, now);
  }
  return { ok: {} };
}

/** A period with other terms that has begun brings them. */
function begin(customer: Customer, place: number, now: number): void {
  const sub = customer.subs[place] as Sub;
  if (sub.changesAt === null || sub.changesAt > now) return;
  const { plan, days } = sub;
  follow(customer, place, now);
  if (!same(sub, { plan, days })) customer.events.push('terms_changed');
}

/** Set-up: a message that names the price of the next renewal was sent. */
function notify(customer: Customer, { sub: place, amount }: Of<'notify'>, now: number): Told {
  const sub = customer.subs[place];
  // A message states the price of a renewal, and a revoked subscription has none.
  if (sub !== undefined && sub.state !== 'revoked')
    learnMessage(sub, nextTerms(customer, place), amount, now);
  return { ok: {} };
}
