import type { Customer, Period, Subscription } from '../../support/customer-model.ts';
import { toMajor } from '../../support/customer-model.ts';
import { refused } from './choice.ts';
import type { Command, CommandAnswer } from './commands.ts';
import { addEntry, computeUnused, endPeriod, payIn, retryRenewalsNow } from './money.ts';
import { computePaidBy } from './payment-lots.ts';
import { recordEndNotification } from './refund.ts';

// Payments that are charged back or move to another customer.
//
// 1. A payment belongs to the customer whose ledger received it last. It is credited once, is
//    charged back once, and moves only as a whole.
// 2. A part that the balance does not cover becomes a claim.

type CommandOf<Do extends Command['do']> = Extract<Command, { do: Do }>;

const listEntries = (customer: Customer, payment: string) =>
  customer.ledger.filter((one) => one.payment === payment || one.leaves === payment);

/** The reasons to refuse a payment. A known payment is not credited again. */
export function listPaymentRefusals(customer: Customer, payment: string): string[] {
  return listEntries(customer, payment).length === 0 ? [] : ['payment_known'];
}

/** The amount of a payment of the customer. Null if it is absent or was charged back. */
function findPaymentAmount(customer: Customer, payment: string): number | null {
  const last = listEntries(customer, payment).at(-1);
  return last?.kind === 'top_up' ? last.amount : null;
}

const isReversed = (customer: Customer, payment: string): boolean =>
  listEntries(customer, payment).some(({ kind }) => kind === 'chargeback');

/**
 * The order of ending: the latest first, but all periods of one subscription before the next one.
 */
function orderEnding(periods: readonly Period[]): Period[] {
  const latest = [...periods].reverse().sort((a, b) => b.startsAt - a.startsAt);
  return [...Map.groupBy(latest, ({ sub }) => sub).values()].flat();
}

/**
 * Ends the periods that the payment paid and that are not over, the latest first, and takes the
 * whole amount. No renewal is retried, even if the balance is higher afterwards.
 */
export function reversePayment(
  customer: Customer,
  command: CommandOf<'chargeback'>,
  now: number,
): CommandAnswer {
  const { payment, dispute } = command;
  const isKnown = customer.ledger.some((entry) => entry.dispute === dispute);
  if (isKnown) return refused('dispute_known', 'payment_reversed', 'no_payment');
  if (isReversed(customer, payment)) return refused('payment_reversed');
  const amount = findPaymentAmount(customer, payment);
  if (amount === null) return refused('no_payment');
  const paid = computePaidBy(customer, payment);
  const ending = orderEnding(
    customer.periods.filter(({ charge, endsAt, refundedAt }) => {
      return charge !== null && paid.has(charge) && endsAt > now && refundedAt === null;
    }),
  );
  let returned = 0;
  for (const period of ending) {
    const sub = customer.subs[period.sub] as Subscription;
    const part = computeUnused(period, now);
    const wasOn = sub.autoRenew;
    Object.assign(sub, { autoRenew: false, choice: null });
    endPeriod(customer, period, part, now);
    if (wasOn) customer.events.push('auto_renew_off');
    sub.nextTryAt = sub.state === 'active' ? null : Infinity;
    recordEndNotification(customer, period.sub);
    returned += part;
  }
  const taken = Math.min(customer.balance, amount);
  const claim = amount - taken;
  const entry = addEntry(customer, -taken, 'chargeback', now, { payment, dispute, claim });
  customer.events.push('charged_back');
  return {
    ok: {
      dispute,
      amount: toMajor(amount),
      periods_ended: ending.length,
      returned: toMajor(returned),
      taken: toMajor(taken),
      claim_added: toMajor(claim),
      claim: toMajor(customer.claim),
      balance: toMajor(customer.balance),
      ledger_entry_id: entry,
    },
  };
}

/**
 * The payment leaves. If it is spent, the missing part becomes a claim, or the payment does not
 * move.
 */
export function moveOut(
  customer: Customer,
  command: CommandOf<'move-out'>,
  now: number,
): CommandAnswer {
  const { payment, withClaim } = command;
  if (isReversed(customer, payment)) return refused('payment_reversed');
  const amount = findPaymentAmount(customer, payment);
  if (amount === null) return refused('no_payment', 'other_customer');
  const taken = Math.min(customer.balance, amount);
  const claim = amount - taken;
  if (claim > 0 && !withClaim) return refused('short_balance');
  const claimField = claim > 0 ? { claim } : {};
  const entry = addEntry(customer, -taken, 'adjustment', now, { leaves: payment, ...claimField });
  customer.events.push('payment_moved');
  return {
    ok: {
      amount: toMajor(amount),
      from_balance: toMajor(customer.balance),
      from_claim: toMajor(customer.claim),
      out_entry_id: entry,
    },
  };
}

/** The payment arrives as if it had been paid here. */
export function moveIn(
  customer: Customer,
  command: CommandOf<'move-in'>,
  now: number,
): CommandAnswer {
  const { payment, amount } = command;
  const { entry, claimPaid } = payIn(customer, amount, payment, now);
  retryRenewalsNow(customer, now);
  customer.events.push('payment_moved');
  return {
    ok: {
      to_balance: toMajor(customer.balance),
      claim_paid: toMajor(claimPaid),
      claim: toMajor(customer.claim),
      ledger_entry_id: entry,
    },
  };
}
