import type { Customer } from './books-of.ts';

// Which payments paid a period, by a replay of the ledger.
//
// 1. Each credit is a pile of its own money. A new pile lies on top. A payment that moved away and
//    came back is a new pile: a claim stands for what the earlier one paid.
// 2. Money is taken from the top.
// 3. A refund returns the money of its charge as new piles on top, each of the payment that it came
//    from. Of a part, the newest money returns.
// 4. A chargeback, or a payment that moves away, takes the money of that payment first.

interface Pile {
  /** The entry of the credit. */
  readonly from: number;
  readonly amount: number;
}

/** What each charge, by its entry, took from this payment. */
export function paidBy(customer: Customer, payment: string): Map<number, number> {
  const creditOf = (name: string | null, before: number): number =>
    customer.ledger.findLastIndex((entry, place) => {
      return name !== null && place < before && entry.payment === name && entry.amount > 0;
    });
  const taken = new Map<number, Pile[]>();
  let piles: Pile[] = [];
  for (const [place, entry] of customer.ledger.entries()) {
    if (entry.amount > 0) {
      const given = customer.periods.find((period) => period.refund === place);
      const from = given?.charge === undefined ? undefined : taken.get(given.charge ?? -1);
      const own = [{ from: place, amount: entry.amount }];
      piles.push(...(from === undefined ? own : draw([...from], entry.amount)));
      continue;
    }
    const named = creditOf(entry.leaves ?? entry.payment, place);
    const isOwn = (pile: Pile) => pile.from === named;
    piles = [...piles.filter((pile) => !isOwn(pile)), ...piles.filter(isOwn)];
    taken.set(place, draw(piles, -entry.amount));
  }
  const credit = creditOf(payment, customer.ledger.length);
  const found = new Map<number, number>();
  for (const [place, some] of taken) {
    const own = some.filter((pile) => pile.from === credit);
    const sum = own.reduce((total, { amount }) => total + amount, 0);
    if (sum > 0) found.set(place, sum);
  }
  return found;
}

/** Takes an amount off the top of `piles`, and returns it as piles with the same order. */
function draw(piles: Pile[], amount: number): Pile[] {
  const drawn: Pile[] = [];
  for (let left = amount; left > 0; ) {
    const top = piles.pop();
    if (top === undefined) break;
    const part = Math.min(left, top.amount);
    drawn.unshift({ ...top, amount: part });
    if (part < top.amount) piles.push({ ...top, amount: top.amount - part });
    left -= part;
  }
  return drawn;
}
