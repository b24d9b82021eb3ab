import { sql } from 'kysely';
import { setClock } from '../../src/db/clock.ts';
import { chance, someOf, whole } from '../../src/demo/random.ts';
import type { CredentialId, PeriodId, SubscriptionId } from '../../src/kernel/ids.ts';
import { later, minuteMs } from '../../src/kernel/instant.ts';
import { topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { createCustomer } from '../../src/subscription/customers.ts';
import { grant, revoke, setAutoRenew } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { reissue } from '../../src/subscription/reissuing.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { eachInFlight } from '../../src/xray/in-flight.ts';
import { readUserName } from '../../src/xray/names.ts';
import { compared } from '../nodes/compared.ts';
import { runOf } from '../shop.ts';
import type { Watch } from './watch.ts';
import { keepersOf, killNode, startNode, type World, type WorldNode } from './world.ts';

// What may happen. Commands are what an operator's bot would ask for; a refused one is an event too.

export type Event = (world: World, watch: Watch) => Promise<void>;

const customersMax = 40;
const call = ({ books }: World) => ({ db: books.db, actor: 'play' });

function anyOf<T>({ random }: World, things: readonly T[]): T {
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
  (work: (world: World, target: Target) => Promise<unknown>): Event =>
  async (world) => {
    const telegramId = await anybody(world);
    const subscriptionId = await oneOf(world, telegramId);
    if (subscriptionId !== undefined) await work(world, { telegramId, subscriptionId });
  };

const buys: Event = async (world) => {
  const { random } = world;
  const telegramId = await anybody(world);
  const [plan, periodDays, amountMinor] = someOf<readonly [string, number, bigint]>(random, [
    ['basic', 30, 149_00n],
    ['basic', 90, 399_00n],
    ['plus', 30, 299_00n],
  ]);
  const subscriptionId = chance(random, 60) ? await oneOf(world, telegramId) : undefined;
  if (chance(random, 90)) await topUp(call(world), { telegramId, amountMinor });
  const which = subscriptionId === undefined ? { isNew: chance(random, 30) } : { subscriptionId };
  await purchase(call(world), { telegramId, plan, periodDays, ...which });
};

const refunds: Event = async (world) => {
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

/** Hours go by; the workers come round, in either order. */
const timePasses: Event = async (world, watch) => {
  world.now = later(world.now, minuteMs * (1 + whole(world.random, 48 * 60)));
  await setClock(world.books.db, world.now);
  const workers = ['fast-expiry-cleanup', 'auto-renewal'];
  for (const name of chance(world.random, 50) ? workers : workers.toReversed()) {
    await runOf(world.books, name);
    await watch.look(name);
  }
};

const compares: Event = async (world) => {
  const lives = new Map(world.nodes.map(({ id, life }) => [id, life]));
  const { ends } = await compared(world.books, { asked: 'all' });
  for (const { node, end } of ends) {
    const which = world.nodes.find(({ id }) => id === node);
    if (which !== undefined && end === 'compared' && lives.get(node) === which.life) {
      which.life.unsure = false;
    }
  }
};

const kills: Event = async (world) => {
  const which = anyOf(world, world.nodes);
  if (which.node.up()) await killNode(which);
};

const starts: Event = async (world) => {
  const down = world.nodes.filter(({ node }) => !node.up());
  await startNode(world, anyOf(world, down.length > 0 ? down : world.nodes));
};

/** The node comes back with the users that it had some time ago. */
const restores: Event = async (world) => {
  const which = anyOf(world, world.nodes);
  await startNode(world, which, { unsure: true });
  const api = connectNode({ api: which.node.api });
  try {
    await eachInFlight(which.backup, 32, async ({ name }) => {
      const id = readUserName(name, 'perennial') as CredentialId;
      await api.addUser('vless', { name, id, flow: '' });
    });
  } finally {
    api.close();
  }
};

/** Its next change is carried out, or not, and nobody hears of it. */
const loses: Event = async (world) => {
  const which = anyOf(world, world.nodes);
  const how = someOf(world.random, ['die', 'die_after', 'lose_answer'] as const);
  if (which.node.up() && which.misconduct.length === 0) which.misconduct.push(how);
};

/** A process ends and another one begins; or loses its connection; or is told that it was replaced. */
const takesOver: Event = async (world) => {
  const { books, keepers, random } = world;
  const at = whole(random, keepers.length);
  const how = whole(random, 3);
  if (how === 0) {
    await keepers[at]?.stop();
    keepers[at] = keepersOf(books);
  } else if (how === 1) {
    await sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'perennial keepers'
      ORDER BY backend_start LIMIT 1`.execute(books.db);
  } else {
    await sql`
      UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1
      WHERE id = ${anyOf(world, world.nodes).id}`.execute(books.db);
  }
};

/** For the next one that is restored. */
export function backUp({ node }: WorldNode): readonly { readonly name: string }[] {
  return node.names('vless').map((name) => ({ name }));
}

/** How often each comes in a hand of 200. */
export const hand: Readonly<Record<string, readonly [count: number, event: Event]>> = {
  buys: [62, buys],
  'tops up': [
    14,
    async (world) => {
      const telegramId = await anybody(world);
      const amountMinor = BigInt(1 + whole(world.random, 500)) * 100n;
      await topUp(call(world), { telegramId, amountMinor });
    },
  ],
  'time passes': [32, timePasses],
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
        plan: someOf(world.random, ['basic', 'plus']),
        periodDays: 30,
        when: someOf(world.random, ['now', 'next']),
      }),
    ),
  ],
  'a node dies': [3, kills],
  'a node starts': [5, starts],
  'a node is restored': [2, restores],
  'a reply is lost': [4, loses],
  'a keeper is replaced': [6, takesOver],
  'nodes are compared': [5, compares],
};
