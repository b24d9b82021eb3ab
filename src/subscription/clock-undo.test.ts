import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { callOf, crowd, runOf, sells, wrongsIn } from '../../test/a-book.ts';
import { type Books, freshBooks } from '../../test/books.ts';
import { audit } from '../audit/audit.ts';
import { readClock } from '../db/clock.ts';
import { readEarlyCharges, readEarlyEnds } from './clock-effects.ts';
import { undoClock } from './clock-undo.ts';
import { readSettings } from './settings.ts';

const start = '2026-11-01T00:00:00Z';
const back = '2026-11-01T00:02:00Z';

async function effects({ db }: Books) {
  const now = await readClock(db);
  const { windowMs } = await readSettings(db);
  return { charges: await readEarlyCharges(db, now, windowMs), ends: await readEarlyEnds(db, now) };
}

/** What customers have: balance, state, end, credential that is live. */
async function standing({ db }: Books) {
  const { rows } = await sql`
    SELECT c.id, c.balance_minor, s.state, s.expires_at, k.id AS live
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    LEFT JOIN perennial.credential k ON k.subscription_id = s.id AND k.retired_at IS NULL
    ORDER BY c.id, s.id`.execute(db);
  return rows;
}

test.each([
  ['a month', '2026-12-05T00:00:00Z'],
  ['a year', '2027-11-01T00:00:00Z'],
])(
  'K10: after a jump of %s the effects are listed, and one command undoes them',
  async (_, jumped) => {
    await using books = await freshBooks({ now: start });
    await sells(books);
    await crowd(books, { count: 40, endsAt: '2026-11-20T00:00:00Z', balanceMinor: 0n });
    await sql`
      UPDATE perennial.customer SET balance_minor = 44700 WHERE id % 2 = 0`.execute(books.db);
    await sql`
      INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, created_at)
      SELECT id, balance_minor, balance_minor, 'opening', 'o:' || id, created_at
      FROM perennial.customer WHERE balance_minor > 0`.execute(books.db);
    const before = await standing(books);
    expect(await effects(books)).toEqual({ charges: [], ends: [] });

    await books.setClock(jumped);
    await runOf(books, 'auto-renewal');
    await runOf(books, 'fast-expiry-cleanup');
    await books.setClock(back);
    await runOf(books, 'auto-renewal');
    const found = await effects(books);
    expect(found.ends).toHaveLength(5);
    expect(new Set(found.charges.map((one) => one.telegramId)).size).toBe(20);

    const customers = new Set([...found.charges, ...found.ends].map((one) => one.telegramId));
    for (const customer of customers) await undoClock(callOf(books), customer);
    expect(await standing(books)).toEqual(before);
    expect(await effects(books)).toEqual({ charges: [], ends: [] });
    expect(await wrongsIn(books.db)).toEqual([]);

    const [again] = customers;
    expect(await undoClock(callOf(books), again as bigint)).toMatchObject({
      refunded_periods: 0,
      restored: 0,
    });
    // The audit states only that the append-only records of the jump are dated into the future.
    const { checks } = await audit(books.db);
    const wrong = checks.filter((one) => one.violations > 0n).map(({ id }) => id);
    expect(wrong.filter((id) => !id.includes('future'))).toEqual([]);
  },
  60_000,
);
