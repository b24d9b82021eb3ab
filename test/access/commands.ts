import { sql } from 'kysely';
import { chance, someOf, whole } from '../../src/demo/random.ts';
import type { PeriodId, SubscriptionId } from '../../src/kernel/ids.ts';
import { topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { createCustomer } from '../../src/subscription/customers.ts';
import { grant, revoke, setAutoRenew } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { reissue } from '../../src/subscription/reissuing.ts';
import { plans } from './file.ts';
import type { World } from './world.ts';

// What an operator's bot asks for; a refused command is an event too.

export type Command = (world: World) => Promise<void>;

const customersMax = 40;
const openingMax = 20;
const call = ({ books }: World) => ({ db: books.db, actor: 'play' });

export function anyOf<T>({ random }: World, things: readonly T[]): T {
  return things[whole(random, things.length)] as T;
}

async function anybody(world: World): Promise<bigint> {
  if (world.lately === undefined || chance(world.random, 50)) world.lately = await somebody(world);
  return world.lately;
}

async function somebody(world: World): Promise<bigint> {
  const { customers, random } = world;
  if (customers.length < customersMax && (customers.length === 0 || chance(random, 10))) {
    const telegramId = BigInt(customers.length + 1);
    await createCustomer(call(world), { telegramId, currency: 'RUB' });
    customers.push(telegramId);
    return telegramId;
  }
  return anyOf(world, customers);
}

/** A subscription of a customer, whatever has become of it. */
async function oneOf(world: World, telegramId: bigint): Promise<SubscriptionId | undefined> {
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT s.id FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE c.telegram_id = ${telegramId} ORDER BY s.id DESC LIMIT 3`.execute(world.books.db);
  return rows.length === 0 ? undefined : anyOf(world, rows).id;
}

type Target = { readonly telegramId: bigint; readonly subscriptionId: SubscriptionId };

/** A command on a subscription that somebody has. */
const onSubscription =
  (work: (world: World, target: Target) => Promise<unknown>): Command =>
  async (world) => {
    const telegramId = await anybody(world);
    const subscriptionId = await oneOf(world, telegramId);
    if (subscriptionId !== undefined) await work(world, { telegramId, subscriptionId });
  };

const buys: Command = async (world) => {
  const { random } = world;
  const telegramId = await anybody(world);
  const [plan, periodDays, amountMinor] = someOf<readonly [string, number, bigint]>(random, [
    ['basic', 30, 149_00n],
    ['basic', 90, 399_00n],
    ['plus', 30, 299_00n],
    ['solo', 30, 199_00n],
  ]);
  const subscriptionId = chance(random, 60) ? await oneOf(world, telegramId) : undefined;
  if (chance(random, 90)) await topUp(call(world), { telegramId, amountMinor });
  const which = subscriptionId === undefined ? { isNew: chance(random, 30) } : { subscriptionId };
  await purchase(call(world), { telegramId, plan, periodDays, ...which });
};

const refunds: Command = async (world) => {
  const telegramId = await anybody(world);
  const { rows } = await sql<{ id: PeriodId }>`
    SELECT p.id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = ${telegramId} AND p.refunded_at IS NULL ORDER BY p.ends_at DESC LIMIT 2`.execute(
    world.books.db,
  );
  const [period] = rows;
  const part = chance(world.random, 50) ? 'whole' : 'unused';
  if (period !== undefined) await refund(call(world), { telegramId, periodId: period.id, part });
};

/** Some who have bought before anything else happens, or a short play would be about nobody. */
export async function opens(world: World): Promise<void> {
  for (let count = 0; count < openingMax; count += 1) {
    const telegramId = BigInt(count + 1);
    await createCustomer(call(world), { telegramId, currency: 'RUB' });
    world.customers.push(telegramId);
    await topUp(call(world), { telegramId, amountMinor: 500_00n });
    await purchase(call(world), { telegramId, plan: anyOf(world, plans), periodDays: 30 });
  }
}

/** How often each comes in a hand of 200. */
export const commands: Readonly<Record<string, readonly [count: number, event: Command]>> = {
  buys: [49, buys],
  'tops up': [
    13,
    async (world) => {
      const telegramId = await anybody(world);
      const amountMinor = BigInt(1 + whole(world.random, 500)) * 100n;
      await topUp(call(world), { telegramId, amountMinor });
    },
  ],
  'is refunded': [16, refunds],
  'is granted days': [
    10,
    onSubscription((world, target) =>
      grant(call(world), { ...target, days: 1 + whole(world.random, 20) }),
    ),
  ],
  'is revoked': [
    5,
    onSubscription((world, target) => revoke(call(world), { ...target, reason: 'play' })),
  ],
  'gets a new credential': [16, onSubscription((world, target) => reissue(call(world), target))],
  'switches auto-renewal': [
    6,
    onSubscription((world, target) =>
      setAutoRenew(call(world), { ...target, on: chance(world.random, 70) }),
    ),
  ],
  'changes the plan': [
    14,
    onSubscription((world, target) =>
      changePlan(call(world), {
        ...target,
        plan: anyOf(world, plans),
        periodDays: 30,
        when: someOf(world.random, ['now', 'next']),
      }),
    ),
  ],
};
