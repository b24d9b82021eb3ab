import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { start, verdicts } from '../../test/owed-warnings.ts';
import { openShop, payer, runOf } from '../../test/shop.ts';
import { hourMs } from '../kernel/instant.ts';

// On real books: who speaks when several workers have something to say about one end.

describe('of one end one word at a time, whichever worker is the first', () => {
  const workers = ['auto-renewal', 'expiry-reminders'] as const;
  const orders = [workers, workers.toReversed()];
  test.each(
    orders.flatMap((order) => [
      // Nothing ran since the morning before.
      [order[0], 'back 5 hours before the end', '6h', '2026-11-25T04:00:00Z', order] as const,
      [order[0], 'a window of 24 hours', '24h', '2026-11-24T09:00:00Z', order] as const,
    ]),
  )('%s first, %s', async (_, _what, window, at, order) => {
    await using books = await freshBooks({ now: start });
    await openShop(books);
    await payer(books, 1n, 100_00n);
    const window_ms = Number.parseInt(window, 10) * hourMs;
    await sql`
      INSERT INTO perennial.setting (key, value) VALUES ('renewal', ${{ window_ms }})`.execute(
      books.db,
    );
    await sql`DELETE FROM perennial.notification`.execute(books.db);
    await books.setClock(at);
    await runOf(books, order[0] as string);
    // The first one's alone: it is said, or waits for the other.
    const [[kind, alone]] = Object.entries(await verdicts(books)) as [[string, string]];
    expect([kind, alone]).toEqual(
      order[0] === 'auto-renewal' ? ['low_balance', 'send'] : ['ends_24h', 'wait'],
    );
    await runOf(books, order[1] as string);
    expect(await verdicts(books)).toEqual({ low_balance: 'send', ends_24h: 'low_balance' });
    await sql`
      UPDATE perennial.notification SET state = 'sent', sent_at = ${at}, sending_since = ${at}
      WHERE kind = 'low_balance'`.execute(books.db);
    const after = order[0] === 'auto-renewal' ? 'just_told' : 'low_balance';
    expect(await verdicts(books)).toMatchObject({ ends_24h: after });
  });

  test('a short balance that auto-renewal does not find in a quarter of an hour is not waited for', async () => {
    await using books = await freshBooks({ now: start });
    await openShop(books);
    await payer(books, 1n, 100_00n);
    await books.setClock('2026-11-25T06:00:00Z');
    await runOf(books, 'expiry-reminders');
    await books.setClock('2026-11-25T06:14:59.999Z');
    expect(await verdicts(books)).toMatchObject({ ends_3h: 'wait' });
    await books.setClock('2026-11-25T06:15:00Z');
    expect(await verdicts(books)).toMatchObject({ ends_3h: 'send' });
  });
});
