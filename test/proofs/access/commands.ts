import { drawBoolean, drawInteger, drawOne } from '../../../src/demo/random.ts';
import type { PeriodId, SubscriptionId } from '../../../src/kernel/ids.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { blockCustomer, unblockCustomer } from '../../../src/subscription/commands/block.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { createCustomer } from '../../../src/subscription/commands/customer.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { reissue } from '../../../src/subscription/commands/reissue.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { plans } from './catalog-file.ts';
import type { Environment } from './environment.ts';

// Commands of the bot of an operator. A refused command is an event too.

export type SimulationCommand = (environment: Environment) => Promise<void>;

const customerMax = 40;
const firstCustomerMax = 20;
const createCaller = ({ database }: Environment) => ({ db: database.db, actor: 'play' });

export function pickOne<T>({ random }: Environment, items: readonly T[]): T {
  return items[drawInteger(random, items.length)] as T;
}

async function pickCustomer(environment: Environment): Promise<bigint> {
  if (environment.lastCustomer === undefined || drawBoolean(environment.random, 50))
    environment.lastCustomer = await pickOrCreateCustomer(environment);
  return environment.lastCustomer;
}

async function pickOrCreateCustomer(environment: Environment): Promise<bigint> {
  const { customers, random } = environment;
  if (customers.length < customerMax && (customers.length === 0 || drawBoolean(random, 10))) {
    const telegramId = BigInt(customers.length + 1);
    await createCustomer(createCaller(environment), { telegramId, currency: 'RUB' });
    customers.push(telegramId);
    return telegramId;
  }
  return pickOne(environment, customers);
}

/** Any subscription of a customer, in any state. */
async function pickSubscription(
  environment: Environment,
  telegramId: bigint,
): Promise<SubscriptionId | undefined> {
  const rows = await environment.database.query<{ id: SubscriptionId }>`
    SELECT s.id FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE c.telegram_id = ${telegramId} ORDER BY s.id DESC LIMIT 3`;
  return rows.length === 0 ? undefined : pickOne(environment, rows).id;
}

type SubscriptionTarget = { readonly telegramId: bigint; readonly subscriptionId: SubscriptionId };

/** A command on an existing subscription. */
const createSubscriptionCommand =
  (
    work: (environment: Environment, target: SubscriptionTarget) => Promise<unknown>,
  ): SimulationCommand =>
  async (environment) => {
    const telegramId = await pickCustomer(environment);
    const subscriptionId = await pickSubscription(environment, telegramId);
    if (subscriptionId !== undefined) await work(environment, { telegramId, subscriptionId });
  };

const buyPlan: SimulationCommand = async (environment) => {
  const { random } = environment;
  const telegramId = await pickCustomer(environment);
  const [plan, periodDays, amountMinor] = drawOne<readonly [string, number, bigint]>(random, [
    ['basic', 30, 149_00n],
    ['basic', 90, 399_00n],
    ['plus', 30, 299_00n],
    ['solo', 30, 199_00n],
  ]);
  const subscriptionId = drawBoolean(random, 60)
    ? await pickSubscription(environment, telegramId)
    : undefined;
  if (drawBoolean(random, 90)) await topUp(createCaller(environment), { telegramId, amountMinor });
  const choice =
    subscriptionId === undefined ? { isNew: drawBoolean(random, 30) } : { subscriptionId };
  await purchase(createCaller(environment), { telegramId, plan, periodDays, ...choice });
};

const refundLastPeriod: SimulationCommand = async (environment) => {
  const telegramId = await pickCustomer(environment);
  const rows = await environment.database.query<{ id: PeriodId }>`
    SELECT p.id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = ${telegramId} AND p.refunded_at IS NULL ORDER BY p.ends_at DESC LIMIT 2`;
  const [period] = rows;
  const part = drawBoolean(environment.random, 50) ? 'whole' : 'unused';
  if (period !== undefined)
    await refund(createCaller(environment), { telegramId, periodId: period.id, part });
};

/** Creates customers with purchases first, so that a short simulation has subscriptions. */
export async function createFirstCustomers(environment: Environment): Promise<void> {
  for (let count = 0; count < firstCustomerMax; count += 1) {
    const telegramId = BigInt(count + 1);
    await createCustomer(createCaller(environment), { telegramId, currency: 'RUB' });
    environment.customers.push(telegramId);
    await topUp(createCaller(environment), { telegramId, amountMinor: 500_00n });
    await purchase(createCaller(environment), {
      telegramId,
      plan: pickOne(environment, plans),
      periodDays: 30,
    });
  }
}

/** The frequency of each command among 200 events. */
export const commands: Readonly<
  Record<string, readonly [count: number, event: SimulationCommand]>
> = {
  buys: [49, buyPlan],
  'tops up': [
    13,
    async (environment) => {
      const telegramId = await pickCustomer(environment);
      const amountMinor = BigInt(1 + drawInteger(environment.random, 500)) * 100n;
      await topUp(createCaller(environment), { telegramId, amountMinor });
    },
  ],
  'is refunded': [16, refundLastPeriod],
  'is granted days': [
    10,
    createSubscriptionCommand((environment, target) =>
      grant(createCaller(environment), {
        ...target,
        days: 1 + drawInteger(environment.random, 20),
      }),
    ),
  ],
  'is revoked': [
    5,
    createSubscriptionCommand((environment, target) =>
      revoke(createCaller(environment), { ...target, reason: 'play' }),
    ),
  ],
  'is blocked': [
    4,
    async (environment) => {
      const telegramId = await pickCustomer(environment);
      await blockCustomer(createCaller(environment), { telegramId, reason: 'play' });
    },
  ],
  // More often than a block, so that most customers are not blocked.
  'is unblocked': [
    16,
    async (environment) => {
      const telegramId = await pickCustomer(environment);
      await unblockCustomer(createCaller(environment), { telegramId, reason: 'play' });
    },
  ],
  'gets a new credential': [
    16,
    createSubscriptionCommand((environment, target) => reissue(createCaller(environment), target)),
  ],
  'switches auto-renewal': [
    6,
    createSubscriptionCommand((environment, target) =>
      setAutoRenew(createCaller(environment), {
        ...target,
        on: drawBoolean(environment.random, 70),
      }),
    ),
  ],
  'changes the plan': [
    14,
    createSubscriptionCommand((environment, target) =>
      changePlan(createCaller(environment), {
        ...target,
        plan: pickOne(environment, plans),
        periodDays: 30,
        when: drawOne(environment.random, ['now', 'next']),
      }),
    ),
  ],
};
