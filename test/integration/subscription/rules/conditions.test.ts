import { expect, test } from 'vitest';
import type { PeriodId } from '../../../../src/kernel/ids.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { readFingerprint } from '../../../support/api.ts';
import { expectFault } from '../../../support/faults.ts';
import {
  addBalance,
  addCustomer,
  createCaller,
  createShopDatabase,
  createSubscriber,
  parseTime,
} from '../../../support/shop.ts';

// A command with a condition changes nothing once the condition no longer holds.

const now = '2026-11-24T09:00:00Z';
const seen = parseTime('2026-12-24T09:00:00Z');

test('each command with another end than the present one is refused and changes nothing', async () => {
  await using database = await createShopDatabase({ now });
  const subscriptionId = await createSubscriber(database, 7n, 1_000_00n);
  const { rows } = await database.pool.query('SELECT id FROM perennial.period');
  const periodId = rows[0].id as PeriodId;
  const call = createCaller(database);
  const one = { telegramId: 7n, subscriptionId, plan: 'basic', periodDays: 30, days: 3 };
  const commands = (ifExpiresAt: typeof seen | null) => [
    () => purchase(call, { ...one, ifExpiresAt }),
    () => changePlan(call, { ...one, plan: 'plus', when: 'now', ifExpiresAt }),
    () => changePlan(call, { ...one, plan: 'plus', when: 'next', ifExpiresAt }),
    () => setAutoRenew(call, { ...one, on: false, ifExpiresAt }),
    () => grant(call, { ...one, ifExpiresAt }),
    () => refund(call, { ...one, periodId, part: 'whole', ifExpiresAt }),
    () => revoke(call, { ...one, reason: 'asked', ifExpiresAt }),
  ];
  const before = await readFingerprint(database);
  for (const command of [...commands(parseTime('2026-12-24T09:00:00.001Z')), ...commands(null)]) {
    await expectFault(command(), 'expires_at_changed');
  }
  expect(await readFingerprint(database)).toBe(before);
  for (const command of commands(seen).slice(2, 4)) await command();
  await commands(seen)[0]?.();
  // The first purchase moved the end, so the second one with the same condition is refused.
  await expectFault(commands(seen)[0]?.(), 'expires_at_changed');
});

test('a purchase with the condition of a new subscription takes effect once', async () => {
  await using database = await createShopDatabase({ now });
  await addCustomer(database, 7n, { balanceMinor: 1_000_00n });
  const order = { telegramId: 7n, plan: 'basic', periodDays: 30, ifExpiresAt: null };
  const both = await Promise.allSettled([
    purchase(createCaller(database), order),
    purchase(createCaller(database), order),
  ]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const { rows } = await database.pool.query('SELECT count(*)::int AS n FROM perennial.period');
  expect(rows).toEqual([{ n: 1 }]);
});

test('in a race of one payment all but one get `payment_known`, without the other customer', async () => {
  await using database = await createShopDatabase({ now, connectionsMax: 12 });
  const customers = Array.from({ length: 10 }, (_, index) => BigInt(7_000 + index));
  for (const telegramId of customers) await addCustomer(database, telegramId);
  const payment = { amountMinor: 100n, provider: 'stars', providerRef: 'p-1' };
  const results = await Promise.allSettled(
    customers.map((telegramId) => topUp(createCaller(database), { telegramId, ...payment })),
  );
  const refusals = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  expect(refusals).toHaveLength(9);
  for (const { code, statement } of refusals) {
    expect([code, statement]).toEqual([
      'payment_known',
      'payment p-1 of stars was credited already',
    ]);
  }
  await expect(addBalance(database, 7_000n, 5n)).resolves.toBeUndefined();
});
