import { expect, test } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { Fault } from '../../../../src/kernel/faults.ts';
import { tryParseInstant } from '../../../../src/kernel/instant.ts';
import { minorMax } from '../../../../src/kernel/money.ts';
import { adjustBalance } from '../../../../src/subscription/commands/adjust.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { quotePurchase } from '../../../../src/subscription/queries/quote.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  addCustomer,
  createCaller,
  createShopDatabase,
  createSubscriber,
} from '../../../support/shop.ts';

// A time or an amount that no column can hold is refused with a code, and changes nothing.

const at = '2026-11-24T09:00:00Z';

async function openShop(now = at): Promise<TestDatabase> {
  const database = await createShopDatabase({ now });
  return database;
}

const readFaultCode = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Fault ? error.code : error),
  );

test('each command refuses a period that would end after the year 9999', async () => {
  await using database = await openShop();
  const subscriptionId = await createSubscriber(database, 7n, 1_000_00n);
  await addCustomer(database, 8n, { balanceMinor: 1_000_00n });
  await database.pool.query(`
    UPDATE perennial.subscription SET expires_at = '9999-12-01Z';
    ALTER TABLE perennial.period DISABLE TRIGGER USER;
    UPDATE perennial.period SET ends_at = '9999-12-01Z';
    ALTER TABLE perennial.period ENABLE TRIGGER USER`);
  const call = createCaller(database);
  const extension = { telegramId: 7n, subscriptionId, plan: 'basic', periodDays: 30 };
  expect(await readFaultCode(purchase(call, { ...extension, periodDays: 90 }))).toBe(
    'end_too_late',
  );
  expect(await readFaultCode(quotePurchase(database.db, extension))).toBe('done');
  expect(await readFaultCode(quotePurchase(database.db, { ...extension, periodDays: 90 }))).toBe(
    'end_too_late',
  );
  expect(await readFaultCode(grant(call, { telegramId: 7n, subscriptionId, days: 31 }))).toBe(
    'end_too_late',
  );
  await database.setClock('9999-12-30T00:00:00Z');
  expect(await readFaultCode(startTrial(call, { telegramId: 8n }))).toBe('end_too_late');
  const first = { telegramId: 8n, plan: 'basic', periodDays: 30 };
  expect(await readFaultCode(purchase(call, first))).toBe('end_too_late');
  const shown = await database.pool.query('SELECT count(*)::int AS n FROM perennial.period');
  expect(shown.rows).toEqual([{ n: 1 }]);
});

test('a change of plan that would end after the year 9999 is refused', async () => {
  await using database = await openShop('9999-12-01T00:00:00Z');
  const subscriptionId = await createSubscriber(database, 7n, 1_000_00n);
  const change = { telegramId: 7n, subscriptionId, plan: 'basic', when: 'now' as const };
  expect(
    await readFaultCode(changePlan(createCaller(database), { ...change, periodDays: 90 })),
  ).toBe('end_too_late');
});

test('each command refuses a balance that the column cannot hold', async () => {
  await using database = await openShop();
  await createSubscriber(database, 7n, 0n);
  const call = createCaller(database);
  const { rows } = await database.pool.query('SELECT id FROM perennial.period');
  await adjustBalance(call, {
    telegramId: 7n,
    amountMinor: minorMax,
    reason: 'the largest balance',
  });
  expect(await readFaultCode(topUp(call, { telegramId: 7n, amountMinor: 1n }))).toBe(
    'balance_too_large',
  );
  expect(
    await readFaultCode(adjustBalance(call, { telegramId: 7n, amountMinor: 1n, reason: 'x' })),
  ).toBe('balance_too_large');
  const periodId = rows[0].id;
  expect(await readFaultCode(refund(call, { telegramId: 7n, periodId, part: 'whole' }))).toBe(
    'balance_too_large',
  );
  const { checks } = await runAudit(database.db);
  expect(checks.filter(({ violations }) => violations > 0n)).toEqual([]);
});

test.for([
  ['9999-12-31T23:59:59.999Z', true],
  ['9999-12-31T23:59:59.999-00:01', false],
  ['9999-12-31T23:00:00+01:00', true],
  ['0001-01-01T00:00:00Z', true],
  ['0001-01-01T00:00:00+00:01', false],
  ['0000-06-01T00:00:00Z', false],
] as const)('%s can be stored: %s', ([text, isStorable]) => {
  expect(tryParseInstant(text) !== undefined).toBe(isStorable);
});
