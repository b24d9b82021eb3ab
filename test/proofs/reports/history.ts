import { sql } from 'kysely';
import {
  createRandom,
  drawBoolean,
  drawInteger,
  drawOne,
  type Random,
} from '../../../src/demo/random.ts';
import { Fault } from '../../../src/kernel/faults.ts';
import type { PeriodId } from '../../../src/kernel/ids.ts';
import {
  dayMs,
  hourMs,
  type Instant,
  instant,
  later,
  parseInstant,
} from '../../../src/kernel/instant.ts';
import { adjustBalance } from '../../../src/subscription/commands/adjust.ts';
import { blockCustomer, unblockCustomer } from '../../../src/subscription/commands/block.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { applyChargeback } from '../../../src/subscription/commands/chargeback.ts';
import { setCustomer } from '../../../src/subscription/commands/customer.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { movePayment } from '../../../src/subscription/commands/move-payment.ts';
import { purchase } from '../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import { waiveClaim } from '../../../src/subscription/commands/waive-claim.ts';
import type { TestDatabase } from '../../support/database.ts';
import { importText } from '../../support/import-export.ts';
import {
  addCustomer,
  createCaller,
  createShopDatabase,
  runWorker,
  setPrice,
} from '../../support/shop.ts';

// Random months of a shop: customers of two currencies use every command that moves money or time,
// the workers renew and expire, and the clock moves forward, often exactly to the start of a month.

const startTime = parseInstant('2026-01-20T09:00:00Z', 'start');
const plans = ['basic', 'plus', 'mini'] as const;

export interface History {
  readonly database: TestDatabase;
  readonly random: Random;
  now: Instant;
  commands: number;
  refusals: number;
}

/** Customers 1 to 8 were imported, half of them with a balance or a claim. The others are new. */
export async function startHistory(seed: number): Promise<History> {
  const database = await createShopDatabase({ now: startTime });
  await setPrice(database, 'basic', 1, 7_01n, 'RUB');
  for (const plan of plans) await setPrice(database, plan, 30, 3_99n, 'USD');
  await setPrice(database, 'basic', 90, 9_99n, 'USD');
  const lines = [1, 2, 3, 4, 5, 6, 7, 8].map((id) => {
    const currency = id % 2 === 0 ? 'RUB' : 'USD';
    const end = `2026-0${1 + (id % 2)}-2${id}T10:00:00Z`;
    return `${id},en,UTC,${currency},${id % 4 === 0 ? '0.00' : `${id * 31}.07`},${id % 4 === 0 ? '5.00' : '0.00'},false,0,true,,paid,basic,30,${end},${id % 3 > 0},`;
  });
  const header =
    'telegram_id,locale,time_zone,currency,balance,claim,vip,discount_percent,trial_used,sub_token,kind,plan,period_days,expires_at,auto_renew,uuid';
  const outcome = await importText(database.url, [header, ...lines, ''].join('\n'));
  if (outcome.outcome !== 'imported') throw new Error(JSON.stringify(outcome));
  for (const id of [9n, 10n, 11n, 12n, 13n, 14n, 15n, 16n]) {
    await addCustomer(database, id, { currency: id % 2n === 0n ? 'RUB' : 'USD' });
  }
  return { database, random: createRandom(seed), now: startTime, commands: 0, refusals: 0 };
}

const drawCustomer = ({ random }: History): bigint => BigInt(1 + drawInteger(random, 16));

/** Few references, so that payments move and are charged back. */
const drawPayment = ({ random }: History) => ({
  provider: drawOne(random, ['cards', 'YooKassa', 'yookassa', 'Yoo-Kassa']),
  providerRef: `r-${drawInteger(random, 60)}`,
});

async function readOne<Row>(history: History, query: ReturnType<typeof sql<Row>>) {
  const { rows } = await query.execute(history.database.db);
  return rows[drawInteger(history.random, rows.length)];
}

/** A payment that a customer still has. */
const findPayment = (history: History) =>
  readOne(
    history,
    sql<{ telegramId: bigint; provider: string; providerRef: string }>`
      SELECT c.telegram_id AS "telegramId", e.provider, e.provider_ref AS "providerRef"
      FROM perennial.ledger_entry e JOIN perennial.customer c ON c.id = e.customer_id
      WHERE e.kind = 'top_up' AND e.provider IS NOT NULL ORDER BY e.id DESC LIMIT 20`,
  );

const findPeriod = (history: History) =>
  readOne(
    history,
    sql<{ telegramId: bigint; id: PeriodId }>`
      SELECT c.telegram_id AS "telegramId", p.id
      FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
      WHERE p.refunded_at IS NULL AND p.part_of IS NULL ORDER BY p.id DESC LIMIT 12`,
  );

type Command = (history: History) => Promise<unknown>;

const commands: readonly Command[] = [
  ...Array<Command>(5).fill(async (history) => {
    const { random, database } = history;
    const payment = drawBoolean(random, 80) ? drawPayment(history) : {};
    const amountMinor = BigInt(1 + drawInteger(random, 45_000));
    const telegramId = drawCustomer(history);
    await topUp(createCaller(database), { telegramId, amountMinor, ...payment });
  }),
  ...Array<Command>(6).fill(async (history) => {
    const { random, database } = history;
    const payment = { ...drawPayment(history), amountMinor: BigInt(drawInteger(random, 40_000)) };
    await purchase(createCaller(database), {
      telegramId: drawCustomer(history),
      plan: drawOne(random, plans),
      periodDays: drawOne(random, [30, 30, 30, 1, 90]),
      autoRenew: drawBoolean(random, 80),
      isNew: drawBoolean(random, 25),
      ...(drawBoolean(random, 30) ? { payment } : {}),
    });
  }),
  ...Array<Command>(2).fill(async (history) => {
    const { random, database } = history;
    const period = await findPeriod(history);
    if (period === undefined) return;
    await refund(createCaller(database), {
      telegramId: period.telegramId,
      periodId: period.id,
      part: drawOne(random, ['whole', 'unused']),
      payout: drawBoolean(random, 30),
      keepAutoRenew: drawBoolean(random, 50),
    });
  }),
  ...Array<Command>(3).fill(async (history) => {
    const { random, database } = history;
    await changePlan(createCaller(database), {
      telegramId: drawCustomer(history),
      plan: drawOne(random, plans),
      periodDays: 30,
      when: drawOne(random, ['now', 'next']),
      forfeit: true,
    });
  }),
  async (history) => {
    const days = 1 + drawInteger(history.random, 9);
    await grant(createCaller(history.database), { telegramId: drawCustomer(history), days });
  },
  async (history) => {
    const amountMinor = BigInt(drawInteger(history.random, 9_000) - 4_000);
    const telegramId = drawCustomer(history);
    await adjustBalance(createCaller(history.database), { telegramId, amountMinor, reason: 'x' });
  },
  async (history) => {
    const payment = await findPayment(history);
    if (payment === undefined) return;
    const dispute = `d-${drawInteger(history.random, 30)}`;
    await applyChargeback(createCaller(history.database), { ...payment, dispute });
  },
  async (history) => {
    const payment = await findPayment(history);
    if (payment === undefined) return;
    const { telegramId: from, provider, providerRef } = payment;
    const withClaim = drawBoolean(history.random, 50);
    const to = drawCustomer(history);
    await movePayment(createCaller(history.database), {
      from,
      to,
      provider,
      providerRef,
      withClaim,
    });
  },
  async (history) => {
    const telegramId = drawCustomer(history);
    await waiveClaim(createCaller(history.database), { telegramId, reason: 'x' });
  },
  async (history) => {
    const discountPercent = drawOne(history.random, [0, 0, 15, 100]);
    const telegramId = drawCustomer(history);
    await setCustomer(createCaller(history.database), { telegramId, discountPercent });
  },
  ...Array<Command>(4).fill(async (history) => {
    await startTrial(createCaller(history.database), { telegramId: drawCustomer(history) });
  }),
  async (history) => {
    const telegramId = drawCustomer(history);
    await blockCustomer(createCaller(history.database), { telegramId, reason: 'x' });
  },
  ...Array<Command>(2).fill(async (history) => {
    const telegramId = drawCustomer(history);
    await unblockCustomer(createCaller(history.database), { telegramId, reason: 'x' });
  }),
  async (history) => {
    if (!drawBoolean(history.random, 30)) return;
    await revoke(createCaller(history.database), {
      telegramId: drawCustomer(history),
      reason: 'x',
      ...(drawBoolean(history.random, 50) ? { refund: 'unused' as const } : {}),
    });
  },
];

/** The start of the next month, a few hours, or some days later. */
function drawLater({ random, now }: History): Instant {
  const date = new Date(now);
  const monthStart = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
  const kind = drawInteger(random, 20);
  if (kind === 0) return instant(monthStart);
  if (kind === 1) return instant(Math.max(now, monthStart - 1));
  return later(now, kind < 8 ? drawInteger(random, 8 * hourMs) : drawInteger(random, 4 * dayMs));
}

/** One command, a run of both workers, or a step of the clock. */
export async function continueHistory(history: History): Promise<void> {
  const { random, database } = history;
  const kind = drawInteger(random, 10);
  if (kind < 2) {
    await runWorker(database, 'auto-renewal');
    await runWorker(database, 'fast-expiry-cleanup');
    return;
  }
  if (kind < 4) {
    history.now = drawLater(history);
    await database.setClock(history.now);
    return;
  }
  history.commands += 1;
  const command = commands[drawInteger(random, commands.length)] as Command;
  await command(history).catch((error: unknown) => {
    if (!(error instanceof Fault) || error.kind !== 'permanent') throw error;
    history.refusals += 1;
  });
}
