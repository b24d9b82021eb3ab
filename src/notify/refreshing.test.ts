import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { call, earlierOne, end, judgedNow, shortPayer, start } from '../../test/owed-warnings.ts';
import { runOf } from '../../test/shop.ts';
import { topUp } from '../subscription/balance.ts';

// On real books: what a notice says is what is so when it is sent.

test('R11: what is missing is enough, also where the balance is short for an earlier one too', async () => {
  await using books = await freshBooks({ now: start });
  const id = await shortPayer(books);
  await earlierOne(books, id);
  const told = { missing: '198.00', others: '149.00' };
  expect(await judgedNow(books)).toMatchObject({ low_balance: { params: told } });
  await topUp(call(books), { telegramId: 1n, amountMinor: 198_00n });
  await runOf(books, 'auto-renewal');
  const ended = await sql`
    SELECT FROM perennial.subscription WHERE expires_at <= ${end}`.execute(books.db);
  expect(ended.rows).toEqual([]);
});
