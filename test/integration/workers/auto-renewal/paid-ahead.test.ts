import { expect, test } from 'vitest';
import type { SubscriptionId } from '../../../../src/kernel/ids.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  createSubscriber,
  runWorker,
  runWorkerAt,
  setPrice,
} from '../../../support/shop.ts';
import {
  createTermsShop,
  grantDays,
  readSubscriptionView,
  start,
} from '../../../support/terms-shop.ts';

// Renewals pay at most one period ahead, and a purchase keeps the switch of the customer.

test.each([
  ['1d', 1, 99n],
  ['60d', 30, 149_00n],
])(
  'B5: with a window of %s in the database a renewal charges at most one period ahead',
  async (window, days, price) => {
    const database = await createTermsShop();
    await setPrice(database, 'mini', 1, 99n, 'RUB');
    const value = { window_ms: Number.parseInt(window, 10) * 86_400_000, retry_ms: 3_600_000 };
    const rule = JSON.stringify({ ...value, revive_ms: 604_800_000 });
    await database.query`INSERT INTO perennial.setting VALUES ('renewal', ${rule}::jsonb)`;
    await addCustomer(database, 1n, { balanceMinor: 5_000_00n });
    await buyPlan(database, 1n, { plan: days === 1 ? 'mini' : 'basic', periodDays: days });
    const renewals = async () => {
      for (let n = 0; n < 3; n += 1) await runWorker(database, 'auto-renewal');
      const { periods } = await readSubscriptionView(database);
      return periods.filter(({ source }) => source === 'renewal').map(({ amount }) => amount);
    };
    expect(await renewals()).toEqual([]);
    const half = Date.parse(start) + (days * 86_400_000) / 2;
    await database.setClock(new Date(half).toISOString());
    const one = `${price / 100n}.${String(price % 100n).padStart(2, '0')}`;
    expect(await renewals()).toEqual([one]);
  },
);

test('B5: with a long window a renewal waits for the start of a period that is already paid', async () => {
  const database = await createTermsShop();
  const rule = JSON.stringify({ window_ms: 15 * 86_400_000, retry_ms: 1, revive_ms: 1 });
  await database.query`INSERT INTO perennial.setting VALUES ('renewal', ${rule}::jsonb)`;
  await createSubscriber(database, 1n, 500_00n);
  await grantDays(database, 1);
  expect(await runWorkerAt(database, '2026-11-30T00:00:00Z', 'auto-renewal')).toMatchObject({
    changed: 0n,
  });
  expect(await runWorkerAt(database, '2026-12-01T00:00:00Z', 'auto-renewal')).toMatchObject({
    changed: 1n,
  });
});

test.each([true, false])(
  'B6: a purchase that extends keeps the switch of the customer, also if it names another value (%s)',
  async (named) => {
    const database = await createTermsShop();
    await createSubscriber(database, 1n, 500_00n);
    await setAutoRenew(createCaller(database), { telegramId: 1n, on: !named });
    await buyPlan(database, 1n, { autoRenew: named });
    expect(await readSubscriptionView(database)).toMatchObject({ auto_renew: !named });
  },
);

test('B6: a purchase that names no subscription is asked to choose between a trial and a paid one', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
  await startTrial(createCaller(database), { telegramId: 1n });
  const paid: SubscriptionId = await buyPlan(database, 1n, { plan: 'plus', isNew: true });
  await expect(buyPlan(database, 1n, { plan: 'plus' })).rejects.toMatchObject({
    code: 'which_subscription',
    message: expect.stringContaining(`(trial basic, active), ${paid} (paid plus, active)`),
  });
  expect(await buyPlan(database, 1n, { plan: 'plus', subscriptionId: paid })).toBe(paid);
});
