import type { Customer, Period, Sub } from './books-of.ts';
import { refused } from './choosing.ts';
import { type Command, major, type Told } from './commands.ts';
import { paidBy } from './lots.ts';
import { move, payIn, takeOut, unused, wake } from './money.ts';
import { tellEnd } from './refunds.ts';

// Payments that go back or move to another customer.
//
// A payment is with the customer to whose ledger it came last. It is credited once, goes back once,
// and moves only as a whole. What the balance does not cover becomes a claim.

type Of<Do extends Command['do']> = Extract<Command, { do: Do }>;

const entriesOf = (customer: Customer, payment: string) =>
  customer.ledger.filter((one) => one.payment === payment || one.leaves === payment);

/** A payment that was seen before is not credited again. */
export function refusedPayment(customer: Customer, payment: string): string[] {
  return entriesOf(customer, payment).length === 0 ? [] : ['payment_known'];
}

/** The amount of a payment that the customer has; null: it is not there, or it went back. */
function amountOf(customer: Customer, payment: string): number | null {
  const last = entriesOf(customer, payment).at(-1);
  return last?.kind === 'top_up' ? last.amount : null;
}

const isReversed = (customer: Customer, payment: string): boolean =>
  entriesOf(customer, payment).some(({ kind }) => kind === 'chargeback');

/** The latest first, but all of one subscription before the next one. */
function inTurn(periods: readonly Period[]): Period[] {
  const latest = [...periods].reverse().sort((a, b) => b.startsAt - a.startsAt);
  return [...Map.groupBy(latest, ({ sub }) => sub).values()].flat();
}

/**
 * Ends what the payment paid and is not over, the latest first, and takes the whole amount. Nothing is
 * tried again because of it, also if the balance is higher afterwards.
 */
export function chargeBack(customer: Customer, command: Of<'chargeback'>, now: number): Told {
  const { payment, dispute } = command;
  const isKnown = customer.ledger.some((entry) => entry.dispute === dispute);
  if (isKnown) return refused('dispute_known', 'payment_reversed', 'no_payment');
  if (isReversed(customer, payment)) return refused('payment_reversed');
  const amount = amountOf(customer, payment);
  if (amount === null) return refused('no_payment');
  const paid = paidBy(customer, payment);
  const ending = inTurn(
    customer.periods.filter(({ charge, endsAt, refundedAt }) => {
      return charge !== null && paid.has(charge) && endsAt > now && refundedAt === null;
    }),
  );
  let returned = 0;
  for (const period of ending) {
    const sub = customer.subs[period.sub] as Sub;
    const part = unused(period, now);
    const wasOn = sub.autoRenew;
    Object.assign(sub, { autoRenew: false, choice: null });
    takeOut(customer, period, part, now);
    if (wasOn) customer.events.push('auto_renew_off');
    sub.nextTryAt = sub.state === 'active' ? null : Infinity;
    tellEnd(customer, period.sub);
    returned += part;
  }
  const taken = Math.min(customer.balance, amount);
  const claim = amount - taken;
  const entry = move(customer, -taken, 'chargeback', now, { payment, dispute, claim });
  customer.events.push('charged_back');
  return {
    ok: {
      dispute,
      amount: major(amount),
      periods_ended: ending.length,
      returned: major(returned),
      taken: major(taken),
      claim_added: major(claim),
      claim: major(customer.claim),
      balance: major(customer.balance),
      ledger_entry_id: entry,
    },
  };
}

/** The payment leaves. If it is spent, the missing part becomes a claim, or nothing moves. */
export function moveOut(customer: Customer, command: Of<'move-out'>, now: number): Told {
  const { payment, withClaim } = command;
  if (isReversed(customer, payment)) return refused('payment_reversed');
  const amount = amountOf(customer, payment);
  if (amount === null) return refused('no_payment', 'other_customer');
  const taken = Math.min(customer.balance, amount);
  const claim = amount - taken;
  if (claim > 0 && !withClaim) return refused('short_balance');
  const owed = claim > 0 ? { claim } : {};
  const entry = move(customer, -taken, 'adjustment', now, { leaves: payment, ...owed });
  customer.events.push('payment_moved');
  return {
    ok: {
      amount: major(amount),
      from_balance: major(customer.balance),
      from_claim: major(customer.claim),
      out_entry_id: entry,
    },
  };
}

/** The payment comes in as if it had been paid here. */
export function moveIn(customer: Customer, command: Of<'move-in'>, now: number): Told {
  const { payment, amount } = command;
  const { entry, claimPaid } = payIn(customer, amount, payment, now);
  wake(customer, now);
  customer.events.push('payment_moved');
  return {
    ok: {
      to_balance: major(customer.balance),
      claim_paid: major(claimPaid),
      claim: major(customer.claim),
      ledger_entry_id: entry,
    },
  };
}
