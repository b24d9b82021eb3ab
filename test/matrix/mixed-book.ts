import { changePlan } from '../../src/subscription/plan-change.ts';
import { startTrial } from '../../src/subscription/trial.ts';
import { buys, callOf, joins, payer, paysIn, runOf, sells } from '../a-book.ts';
import type { Books } from '../books.ts';

// A small book in which one batch of auto-renewal does all that it can do: plain renewals, a VIP's,
// one with another plan, one revived, one short, and two of one customer with money for one.

export const beginsAt = '2026-10-28T00:00:00Z';

/** When it is due: four hours before the end of those that run. */
export const dueAt = '2026-11-30T20:00:00Z';

/** What a run over it comes to. */
export const dueOutcome = { examined: 7n, changed: 5n, failed: 0n, outcome: 'success' };

/** Fills empty books whose clock stands at `beginsAt`, and moves it on to `dueAt`. */
export async function fillMixedBook(books: Books): Promise<void> {
  await sells(books);
  await payer(books, 1n, 0n);
  await books.setClock('2026-11-01T00:00:00Z');
  await payer(books, 2n, 500_00n);
  await payer(books, 3n, 0n);
  await payer(books, 4n, 149_00n);
  await paysIn(books, 4n, 149_00n);
  await buys(books, 4n, { isNew: true });
  await payer(books, 5n, 300_00n);
  const plus = { plan: 'plus', periodDays: 30, when: 'next' } as const;
  await changePlan(callOf(books), { telegramId: 5n, ...plus });
  await payer(books, 6n, 105_00n, { vip: true });
  await joins(books, 7n, { balanceMinor: 1_00n });
  await books.setClock('2026-11-27T00:01:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2026-11-28T00:00:00Z');
  await paysIn(books, 1n, 149_00n);
  await books.setClock(dueAt);
}

/** The same book, when all of them have ended: expiry renews those who can pay, and ends two. */
export async function fillEndedBook(books: Books): Promise<void> {
  await fillMixedBook(books);
  await books.setClock('2026-12-02T00:00:00Z');
}

/** Three whose month ends and three on a trial, all to be reminded. */
export const fillRemindedBook = (books: Books): Promise<void> => fillReminded(books, 3n);

/** So many whose month ends, by the first numbers, and as many on a trial, all to be reminded. */
export async function fillReminded(books: Books, ofEach: bigint): Promise<void> {
  await sells(books);
  for (let n = 1n; n <= ofEach; n += 1n) await payer(books, n, 0n);
  await books.setClock('2026-11-23T12:00:00Z');
  for (let telegramId = ofEach + 1n; telegramId <= 2n * ofEach; telegramId += 1n) {
    await joins(books, telegramId);
    await startTrial(callOf(books), { telegramId });
  }
  await books.setClock('2026-11-24T12:00:00Z');
}
