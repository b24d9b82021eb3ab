import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { type Check, check } from '../../src/audit/check.ts';
import { checks } from '../../src/audit/index.ts';
import { dayMs, later, parseInstant } from '../../src/kernel/instant.ts';
import { topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { grant, revoke } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { type Books, freshBooks } from '../books.ts';
import { until } from '../service/until.ts';
import { openShop, payer, runOf } from '../shop.ts';

const start = '2026-11-24T09:00:00Z';
const days = (count: number) => later(parseInstant(start, 'start'), count * dayMs);
const callOn = ({ db }: Books) => ({ db, actor: 'test' });

/** A check that finds nothing and does something between two others. */
const meanwhile = (work: () => Promise<void>): Check => ({
  id: 'meanwhile',
  promise: null,
  title: 'something else goes on',
  run: async () => {
    await work();
    return { violations: 0n, sample: [] };
  },
});

const findings = async (books: Books) =>
  (await audit(books.db)).checks.flatMap(({ id, sample }) => sample.map((one) => [id, one]));

test('books are right after each command and run that there is', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  const call = callOn(books);
  const basic = { plan: 'basic', periodDays: 30 };
  await payer(books, 1n, 0n); // will be short, and expire
  await payer(books, 2n, 1_000_00n); // will be renewed
  await payer(books, 3n, 500_00n);
  await purchase(call, { telegramId: 3n, ...basic });
  const change = { telegramId: 3n, plan: 'plus', periodDays: 30 };
  await payer(books, 4n, 0n);
  await payer(books, 5n, 0n);
  await grant(call, { telegramId: 5n, days: 10, newPlan: 'plus' });
  await books.setClock(days(10));
  await changePlan(call, { ...change, when: 'now' }); // gives back two periods
  const { rows } = await sql<{ id: bigint }>`
    SELECT p.id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = 4`.execute(books.db);
  const periodId = rows[0]?.id as Parameters<typeof refund>[1]['periodId'];
  await refund(call, { telegramId: 4n, periodId, part: 'whole' });
  await revoke(call, {
    telegramId: 5n,
    refund: 'unused',
    reason: 'left',
    subscriptionId: await firstOf(books, 5n),
  });
  expect(await findings(books)).toEqual([]);

  await books.setClock(days(30));
  await runOf(books, 'auto-renewal');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await findings(books)).toEqual([]);
  await topUp(call, { telegramId: 1n, amountMinor: 149_00n });
  await runOf(books, 'auto-renewal'); // revives
  expect(await findings(books)).toEqual([]);
});

async function firstOf({ db }: Books, telegramId: bigint) {
  const { rows } = await sql<{ id: Parameters<typeof grant>[1]['subscriptionId'] & bigint }>`
    SELECT min(s.id) AS id FROM perennial.subscription s
    JOIN perennial.customer c ON c.id = s.customer_id WHERE c.telegram_id = ${telegramId}`.execute(
    db,
  );
  return (rows[0] as (typeof rows)[number]).id;
}

test('renewals that commit between any two checks raise no alarm: all see one moment', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await payer(books, 1n, 20_000_00n);
  let months = 0;
  const renewals = meanwhile(async () => {
    months += 1;
    await books.setClock(days(30 * months));
    expect(await runOf(books, 'auto-renewal')).toMatchObject({ outcome: 'success', changed: 1n });
  });
  const woven = checks.flatMap((one) => [renewals, one]);
  const report = await audit(books.db, { checks: woven });
  expect(report).toMatchObject({ ok: true, now: parseInstant(start, 'start') });
  expect(report.lookedAt).toMatchObject({ period: 1n, ledger_entry: 2n });
  expect(months).toBe(checks.length);
  expect((await audit(books.db)).lookedAt).toMatchObject({ period: BigInt(months) + 1n });
});

test('what goes wrong while an audit looks is found by the next one', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await payer(books, 1n, 0n);
  const wrong = meanwhile(async () => {
    await sql`UPDATE perennial.customer SET balance_minor = 1`.execute(books.db);
  });
  expect((await audit(books.db, { checks: [wrong, ...checks] })).ok).toBe(true);
  expect((await audit(books.db)).ok).toBe(false);
});

test('an audit can write nothing', async () => {
  await using books = await freshBooks({ now: start });
  const writing: Check = {
    ...meanwhile(async () => undefined),
    run: async (tx) => {
      await sql`DELETE FROM perennial.customer`.execute(tx);
      return { violations: 0n, sample: [] };
    },
  };
  await expect(audit(books.db, { checks: [writing] })).rejects.toThrow(/read-only transaction/);
});

test('an audit that is interrupted ends on the server too, and says so', async () => {
  await using books = await freshBooks({ now: start });
  const endless = check<object>({
    id: 'takes-hours',
    promise: null,
    title: 'this takes hours',
    find: () => sql`
      SELECT 1 AS customer_id, count(*) FROM generate_series(1, 1000000) a,
        generate_series(1, 1000000) b`,
    rows: () => ({}),
    say: () => '',
  });
  const running = async () => {
    const { rows } = await sql`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND query LIKE '%generate_series(1, 1000000) b%' AND pid <> pg_backend_pid()`.execute(
      books.db,
    );
    return rows.length > 0;
  };
  const interrupted = new AbortController();
  const audited = audit(books.db, { checks: [endless], signal: interrupted.signal });
  const refused = expect(audited).rejects.toMatchObject({ code: 'interrupted' });
  await until('the check runs', async () => (await running()) || undefined);
  interrupted.abort('SIGINT');
  await refused;
  await until('the check has ended', async () => !(await running()) || undefined);
  await expect(audit(books.db, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'interrupted',
  });
  expect((await audit(books.db)).ok).toBe(true);
});
