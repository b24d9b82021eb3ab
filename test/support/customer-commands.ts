import type { PeriodId, SubscriptionId } from '../../src/kernel/ids.ts';
import { adjustBalance } from '../../src/subscription/commands/adjust.ts';
import { setAutoRenew } from '../../src/subscription/commands/auto-renew.ts';
import { changePlan } from '../../src/subscription/commands/change-plan.ts';
import { createCustomer, setCustomer } from '../../src/subscription/commands/customer.ts';
import { grant } from '../../src/subscription/commands/grant.ts';
import { purchase } from '../../src/subscription/commands/purchase.ts';
import { refund } from '../../src/subscription/commands/refund.ts';
import { reissue } from '../../src/subscription/commands/reissue.ts';
import { revoke } from '../../src/subscription/commands/revoke.ts';
import { topUp } from '../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../src/subscription/commands/trial.ts';
import type { Caller, CommandResult } from '../../src/subscription/store/command-context.ts';
import type { TestDatabase } from './database.ts';
import { addCustomer, createShop, createSubscriber } from './shop.ts';

// All commands that move money or rights, each with two different bodies. The customer has had
// `basic` from the start and has 500.00 RUB left.

export const customerCreatedAt = '2026-11-01T00:00:00Z';

export async function createCommandCustomers(database: TestDatabase): Promise<void> {
  await createShop(database);
  await createSubscriber(database, 1n, 500_00n);
  for (const newcomer of [2n, 3n]) await addCustomer(database, newcomer);
  await database.setClock('2026-11-10T12:34:56.789Z');
}

type TestCommand = (call: Caller, other: boolean) => Promise<CommandResult>;

const telegramId = 1n;
/** The first period of a new database. */
const periodId = 1n as PeriodId;
const subscriptionId = 1n as SubscriptionId;

export const commands: Readonly<Record<string, TestCommand>> = {
  'top-up': (call, other) =>
    topUp(call, {
      telegramId,
      amountMinor: other ? 2_00n : 1_00n,
      provider: 'bank',
      providerRef: 'payment-1',
    }),
  adjust: (call, other) =>
    adjustBalance(call, { telegramId, amountMinor: other ? -2_00n : -1_00n, reason: 'test' }),
  purchase: (call, other) =>
    purchase(call, { telegramId, plan: 'basic', periodDays: other ? 90 : 30 }),
  'purchase of a new one': (call, other) =>
    purchase(call, { telegramId, plan: other ? 'basic' : 'plus', periodDays: 30, isNew: true }),
  trial: (call, other) => startTrial(call, { telegramId: other ? 3n : 2n }),
  refund: (call, other) => refund(call, { telegramId, periodId, part: other ? 'unused' : 'whole' }),
  grant: (call, other) => grant(call, { telegramId, days: other ? 6 : 5 }),
  revoke: (call, other) =>
    revoke(call, { telegramId, refund: other ? 'unused' : 'whole', reason: 'test' }),
  reissue: (call, other) => reissue(call, other ? { telegramId, subscriptionId } : { telegramId }),
  'auto-renew': (call, other) => setAutoRenew(call, { telegramId, on: other }),
  'change-plan now': (call, other) =>
    changePlan(call, { telegramId, plan: other ? 'mini' : 'plus', periodDays: 30, when: 'now' }),
  'change-plan at the next renewal': (call, other) =>
    changePlan(call, { telegramId, plan: other ? 'mini' : 'plus', periodDays: 30, when: 'next' }),
  create: (call, other) =>
    createCustomer(call, { telegramId: 9n, currency: other ? 'USD' : 'RUB' }),
  set: (call, other) => setCustomer(call, { telegramId, discountPercent: other ? 20 : 10 }),
};
