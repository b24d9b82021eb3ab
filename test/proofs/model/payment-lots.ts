import type { Customer } from '../../support/customer-model.ts';

// The payments that paid a period, by a replay of the ledger.
//
// 1. Each credit is a separate pile of money. A new pile lies on top. A payment that moved away and
//    came back is a new pile, because a claim replaces what the earlier one paid.
// 2. Money is taken from the top.
// 3. A refund returns the money of its charge as new piles on top, each with the payment that it
//    came from. For a partial refund, the newest money returns.
// 4. A chargeback, or a payment that moves away, takes the money of that payment first.

interface Lot {
  /** The entry of the credit. */
  readonly entry: number;
  readonly amount: number;
}

/** The amount that each charge, by its entry, took from this payment. */
export function computePaidBy(customer: Customer, payment: string): Map<number, number> {
  const findCredit = (name: string | null, before: number): number =>
    customer.ledger.findLastIndex((entry, place) => {
      return name !== null && place < before && entry.payment === name && entry.amount > 0;
    });
  const taken = new Map<number, Lot[]>();
  let lots: Lot[] = [];
  for (const [place, entry] of customer.ledger.entries()) {
    if (entry.amount > 0) {
      const refunded = customer.periods.find((period) => period.refund === place);
      const refundedLots =
        refunded?.charge === undefined ? undefined : taken.get(refunded.charge ?? -1);
      const own = [{ entry: place, amount: entry.amount }];
      lots.push(
        ...(refundedLots === undefined ? own : takeFromTop([...refundedLots], entry.amount)),
      );
      continue;
    }
    const named = findCredit(entry.leaves ?? entry.payment, place);
    const isOwn = (lot: Lot) => lot.entry === named;
    lots = [...lots.filter((lot) => !isOwn(lot)), ...lots.filter(isOwn)];
    taken.set(place, takeFromTop(lots, -entry.amount));
  }
  const credit = findCredit(payment, customer.ledger.length);
  const paidByCharge = new Map<number, number>();
  for (const [place, takenLots] of taken) {
    const own = takenLots.filter((lot) => lot.entry === credit);
    const sum = own.reduce((total, { amount }) => total + amount, 0);
    if (sum > 0) paidByCharge.set(place, sum);
  }
  return paidByCharge;
}

/** Takes an amount off the top of `piles`, and returns it as piles with the same order. */
function takeFromTop(lots: Lot[], amount: number): Lot[] {
  const drawn: Lot[] = [];
  for (let left = amount; left > 0; ) {
    const top = lots.pop();
    if (top === undefined) break;
    const part = Math.min(left, top.amount);
    drawn.unshift({ ...top, amount: part });
    if (part < top.amount) lots.push({ ...top, amount: top.amount - part });
    left -= part;
  }
  return drawn;
}
