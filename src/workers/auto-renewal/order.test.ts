import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { buys, joins, paysIn, runAutoRenewal, sells, setsPrice } from '../../../test/a-book.ts';
import { freshBooks } from '../../../test/books.ts';

test('R11: one that was short and became cheaper is paid before one that ends later', async () => {
  await using books = await freshBooks({ now: '2026-11-01T09:00:00Z' });
  const { db } = books;
  await sells(books);
  await joins(books, 1n, { balanceMinor: 159_00n });
  const sooner = await buys(books, 1n, { isNew: true });
  await books.setClock('2026-11-01T12:00:00Z');
  const late = await buys(books, 1n, { isNew: true, plan: 'mini' });
  await paysIn(books, 1n, 100_00n);

  // Short of 149.00 at first; the hour passes, the price falls, and the later one comes due.
  await books.setClock('2026-12-01T04:30:00Z');
  await runAutoRenewal(books);
  await setsPrice(books, 'basic', 30, 100_00n, 'RUB', '2026-12-01T05:00:00Z');
  await books.setClock('2026-12-01T06:00:00Z');
  await runAutoRenewal(books);

  const { rows } = await sql<{ id: bigint; renewed: bigint }>`
    SELECT subscription_id AS id, count(*) FILTER (WHERE source = 'renewal') AS renewed
    FROM perennial.period GROUP BY subscription_id ORDER BY subscription_id`.execute(db);
  expect(rows).toEqual([
    { id: sooner, renewed: 1n },
    { id: late, renewed: 0n },
  ]);
});
