import { sql } from 'kysely';
import { setPrice } from '../../../src/catalog/apply.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { drawBoolean, drawInteger, drawOne, type Random } from '../../../src/demo/random.ts';
import { Fault } from '../../../src/kernel/faults.ts';
import type { PeriodId, SubscriptionId } from '../../../src/kernel/ids.ts';
import { dayMs, hourMs, type Instant, isoTime, later } from '../../../src/kernel/instant.ts';
import { adjustBalance } from '../../../src/subscription/commands/adjust.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { blockCustomer, unblockCustomer } from '../../../src/subscription/commands/block.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import {
  type CustomerFields,
  createCustomer,
  setCustomer,
} from '../../../src/subscription/commands/customer.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import type { TestDatabase } from '../../support/database.ts';
import { importText } from '../../support/import-export.ts';
import { createCaller, parseTime } from '../../support/shop.ts';

// Random shops with one customer each, and random commands on them. Each shop has its own plans, so
// shops in one database do not affect each other.

/** The first time of each database. */
export const startTime = parseTime('2026-11-24T09:00:00Z');

const lengths = [1, 2, 3, 7, 30] as const;
const currencies = ['RUB', 'USD', 'JPY'] as const;
const zones = ['UTC', 'Europe/Moscow', 'Asia/Tehran', 'America/New_York'] as const;

/** A shop of one customer, with its own plans. */
export interface Shop {
  readonly telegramId: bigint;
  readonly plans: readonly [string, string];
  readonly currency: (typeof currencies)[number];
}

const drawMinor = (random: Random): bigint => BigInt(1 + drawInteger(random, 12)) * 100n;

export async function createRandomShop(
  database: TestDatabase,
  telegramId: bigint,
  random: Random,
): Promise<Shop> {
  const plans = [`a${telegramId}`, `b${telegramId}`] as const;
  const currency = drawOne(random, currencies);
  for (const plan of plans) {
    await sql`
      INSERT INTO perennial.plan (key, title, groups)
      VALUES (${plan}, '{"en": "Plan"}', '{all}')`.execute(database.db);
    for (const days of lengths) {
      await sql`
        INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
        VALUES (${plan}, ${days}, ${currency}, '2020-01-01Z', ${drawMinor(random)})`.execute(
        database.db,
      );
    }
  }
  const shop = { telegramId, plans, currency };
  const fields = {
    timeZone: drawOne(random, zones),
    vip: drawBoolean(random, 15),
    discountPercent: drawOne(random, [0, 0, 0, 15, 33, 100]),
  };
  if (drawBoolean(random, 20)) await importCustomer(database, shop, fields, random);
  else await createCustomer(createCaller(database), { telegramId, currency, ...fields });
  return shop;
}

/** Imports the customer with one or two subscriptions, sometimes blocked. */
async function importCustomer(
  { url }: TestDatabase,
  { telegramId, plans, currency }: Shop,
  { timeZone, vip, discountPercent }: Pick<CustomerFields, 'timeZone' | 'vip' | 'discountPercent'>,
  random: Random,
): Promise<void> {
  const balance = drawInteger(random, 60);
  const blocked = drawBoolean(random, 10) ? 'imported' : '';
  const lines = plans.slice(0, 1 + drawInteger(random, 2)).map((plan) => {
    const end = isoTime(later(startTime, (1 + drawInteger(random, 300)) * hourMs));
    const days = drawOne(random, lengths);
    const isAuto = drawBoolean(random, 80);
    return `${telegramId},${timeZone},${currency},${balance},${vip},${discountPercent},${blocked},paid,${plan},${days},${end},${isAuto}`;
  });
  const header =
    'telegram_id,time_zone,currency,balance,vip,discount_percent,blocked_reason,kind,plan,period_days,expires_at,auto_renew';
  const { outcome, ...rest } = await importText(url, [header, ...lines, ''].join('\n'));
  if (outcome !== 'imported') throw new Error(JSON.stringify(rest));
}

/** A random rule set of one database. */
export async function applyRandomSettings(database: TestDatabase, random: Random): Promise<void> {
  const renewal = {
    window_ms: drawOne(random, [1, 6, 6, 6, 12]) * hourMs,
    retry_ms: drawOne(random, [1, 1, 3]) * hourMs,
    revive_ms: drawOne(random, [0, 2, 7]) * dayMs,
    notice_ms: drawOne(random, [1, 24, 24, 48]) * hourMs,
  };
  const ahead = drawOne(random, [
    [{ from_days: 90, ahead_ms: 3 * dayMs }],
    [{ from_days: 1, ahead_ms: 12 * hourMs }],
    [
      { from_days: 2, ahead_ms: dayMs },
      { from_days: 7, ahead_ms: 5 * dayMs },
    ],
  ]);
  const settings = {
    renewal,
    notices: { renewal_ahead: ahead },
    discounts: { vip_percent: drawOne(random, [30, 50]) },
    trial: { plan: 'trial', days: 3 },
  };
  await sql`
    INSERT INTO perennial.plan (key, title, groups)
    VALUES ('trial', '{"en": "Trial"}', '{all}')`.execute(database.db);
  for (const [key, value] of Object.entries(settings)) {
    await sql`
      INSERT INTO perennial.setting (key, value)
      VALUES (${key}, ${JSON.stringify(value)}::jsonb)`.execute(database.db);
  }
}

type Command = (
  database: TestDatabase,
  shop: Shop,
  random: Random,
  now: Instant,
) => Promise<unknown>;

async function readSubscriptionIds(
  { db }: TestDatabase,
  { telegramId }: Shop,
): Promise<SubscriptionId[]> {
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT s.id FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE c.telegram_id = ${telegramId} ORDER BY s.id`.execute(db);
  return rows.map(({ id }) => id);
}

/** One of the subscriptions; undefined: none, so the command chooses. */
async function drawSubscription(database: TestDatabase, shop: Shop, random: Random) {
  const ids = await readSubscriptionIds(database, shop);
  const id = ids[drawInteger(random, Math.max(ids.length, 1))];
  return id === undefined ? {} : { subscriptionId: id };
}

const buy: Command = (database, { telegramId, plans }, random) =>
  purchase(createCaller(database), {
    telegramId,
    plan: drawOne(random, plans),
    periodDays: drawOne(random, lengths),
    ...(drawBoolean(random, 40) ? { isNew: true } : {}),
  });

const pay: Command = (database, { telegramId }, random) =>
  topUp(createCaller(database), {
    telegramId,
    amountMinor: drawMinor(random) * BigInt(1 + drawInteger(random, 12)),
  });

const setRandomPrice: Command = (database, { plans, currency }, random, now) => {
  const price = {
    plan: drawOne(random, plans),
    periodDays: drawOne(random, lengths),
    currency,
    amountMinor: drawBoolean(random, 12) ? null : drawMinor(random),
  };
  const validFrom = drawBoolean(random, 50) ? now : later(now, drawInteger(random, 200) * hourMs);
  return inTransaction(database.db, (tx) => setPrice(tx, price, validFrom, now));
};

const refundRandomPeriod: Command = async (database, { telegramId }, random) => {
  const { rows } = await sql<{ id: PeriodId }>`
    SELECT p.id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = ${telegramId} AND p.refunded_at IS NULL AND p.part_of IS NULL
    ORDER BY p.starts_at DESC LIMIT 2`.execute(database.db);
  const period = rows[drawInteger(random, Math.max(rows.length, 1))];
  if (period === undefined) return;
  await refund(createCaller(database), {
    telegramId,
    periodId: period.id,
    part: drawOne(random, ['whole', 'unused']),
    keepAutoRenew: drawBoolean(random, 60),
  });
};

const commands: readonly [Command, ...Command[]] = [
  buy,
  buy,
  buy,
  buy,
  pay,
  pay,
  pay,
  pay,
  pay,
  setRandomPrice,
  setRandomPrice,
  refundRandomPeriod,
  (database, { telegramId }) => startTrial(createCaller(database), { telegramId }),
  async (database, shop, random) =>
    setAutoRenew(createCaller(database), {
      telegramId: shop.telegramId,
      on: drawBoolean(random, 80),
      ...(await drawSubscription(database, shop, random)),
    }),
  async (database, shop, random) =>
    grant(createCaller(database), {
      telegramId: shop.telegramId,
      days: drawOne(random, lengths),
      ...(drawBoolean(random, 30)
        ? { newPlan: drawOne(random, shop.plans) }
        : await drawSubscription(database, shop, random)),
    }),
  async (database, shop, random) =>
    changePlan(createCaller(database), {
      telegramId: shop.telegramId,
      plan: drawOne(random, shop.plans),
      periodDays: drawOne(random, lengths),
      when: drawOne(random, ['next', 'next', 'now']),
      ...(await drawSubscription(database, shop, random)),
    }),
  (database, { telegramId }, random) =>
    setCustomer(createCaller(database), {
      telegramId,
      vip: drawBoolean(random, 20),
      discountPercent: drawOne(random, [0, 0, 15, 50]),
    }),
  (database, { telegramId }) =>
    blockCustomer(createCaller(database), { telegramId, reason: 'a random block' }),
  ...Array<Command>(2).fill((database, { telegramId }) =>
    unblockCustomer(createCaller(database), { telegramId, reason: 'a random unblock' }),
  ),
  (database, { telegramId }, random) =>
    adjustBalance(createCaller(database), {
      telegramId,
      amountMinor: drawMinor(random) * (drawBoolean(random, 60) ? 1n : -1n),
      reason: 'a random correction',
    }),
];

/** Executes one random command. A refusal changes nothing, and is expected. */
export async function executeRandomCommand(
  database: TestDatabase,
  shop: Shop,
  random: Random,
  now: Instant,
): Promise<void> {
  try {
    await drawOne(random, commands)(database, shop, random, now);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'permanent') throw error;
  }
}
