import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction, openBooks, openPool } from '../../src/db/connect.ts';
import { minuteMs } from '../../src/kernel/instant.ts';
import type { CustomerKind } from '../../src/notify/kinds.ts';
import { topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { createCustomer } from '../../src/subscription/customers.ts';
import { revoke } from '../../src/subscription/granting.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { startTrial } from '../../src/subscription/trial.ts';
import { hookPool } from '../hooked-pool.ts';
import { until } from '../service/until.ts';
import { runOf } from '../shop.ts';
import { oweOne } from './owed.ts';
import { aStage, deliver, leaver, notices, runDelivery, type Stage, told } from './stage.ts';

// What happens between the moment at which a notice was found and that at which it is sent.

const noon = '2026-11-24T12:00:00Z';
const call = ({ books }: Stage) => ({ db: books.db, actor: 'test' });

/** One run, with something that happens between its finding of a notice and its lock of the customer. */
async function runWith(stage: Stage, meanwhile: () => Promise<unknown>) {
  let todo: typeof meanwhile | undefined = meanwhile;
  const pool = hookPool(openPool(stage.books.url), async ({ when, sql: text }) => {
    if (when !== 'before' || !text.includes('FOR NO KEY UPDATE SKIP LOCKED')) return;
    const now = todo;
    todo = undefined;
    await now?.();
  });
  const db = openBooks(pool);
  try {
    const row = await runDelivery({ ...stage, books: { ...stage.books, db } });
    expect(todo).toBeUndefined();
    return row;
  } finally {
    await db.destroy();
  }
}

interface Case {
  readonly kind: CustomerKind;
  readonly what: string;
  /** A customer about whom the notice is true at `at`. */
  readonly setUp: (stage: Stage) => Promise<void>;
  readonly at: string;
  readonly happens: (stage: Stage) => Promise<unknown>;
  readonly reason: string;
}

const buys = async (stage: Stage) => {
  await topUp(call(stage), { telegramId: 1n, amountMinor: 149_00n });
  await purchase(call(stage), { telegramId: 1n, plan: 'basic', periodDays: 30 });
};
const renews = async (stage: Stage) => {
  await topUp(call(stage), { telegramId: 1n, amountMinor: 149_00n });
  expect(await runOf(stage.books, 'auto-renewal')).toMatchObject({ changed: 1n });
};
const isRevoked = (stage: Stage) => revoke(call(stage), { telegramId: 1n, reason: 'test' });
const isRefunded = async (stage: Stage) => {
  const { rows } = await sql<{ id: bigint }>`SELECT id FROM perennial.period`.execute(
    stage.books.db,
  );
  await refund(call(stage), { telegramId: 1n, periodId: rows[0]?.id as never, part: 'whole' });
};
const onTrial = async (stage: Stage) => {
  await sql`INSERT INTO perennial.setting (key, value)
    VALUES ('trial', '{"plan": "basic", "days": 3}')`.execute(stage.books.db);
  await createCustomer(call(stage), { telegramId: 1n, currency: 'RUB' });
  await startTrial(call(stage), { telegramId: 1n });
};
const leaves = (stage: Stage) => leaver(stage, 1n);
const isShort = async (stage: Stage) => void (await told(stage, 1n));

const cases: readonly Case[] = [
  {
    ...{ kind: 'trial_48h', what: 'a purchase', setUp: onTrial, at: '2026-11-26T12:00:00Z' },
    ...{ happens: buys, reason: 'converted' },
  },
  {
    ...{ kind: 'ends_24h', what: 'a purchase', setUp: leaves, at: '2026-12-23T13:00:00Z' },
    ...{ happens: buys, reason: 'end_moved' },
  },
  {
    ...{ kind: 'ends_24h', what: 'a revocation', setUp: leaves, at: '2026-12-23T13:00:00Z' },
    ...{ happens: isRevoked, reason: 'revoked' },
  },
  {
    ...{ kind: 'ends_24h', what: 'a refund', setUp: leaves, at: '2026-12-23T13:00:00Z' },
    ...{ happens: isRefunded, reason: 'end_moved' },
  },
  {
    ...{ kind: 'low_balance', what: 'a renewal', setUp: isShort, at: '2026-12-24T09:00:00Z' },
    ...{ happens: renews, reason: 'end_moved' },
  },
];

test.for(cases.map((each) => [each.what, each.kind, each] as const))(
  'T1: %s between the finding and the sending of %s suppresses it, with the reason in its row',
  async ([, kind, { setUp, at, happens, reason }]) => {
    await using stage = await aStage({ now: noon });
    await setUp(stage);
    await sql`DELETE FROM perennial.notification`.execute(stage.books.db);
    await stage.books.setClock(at);
    await oweOne(stage.books, kind, 1n);
    await runWith(stage, () => happens(stage));
    const [row] = await notices(stage.books, kind);
    expect(row).toMatchObject({ state: 'suppressed', reason, attempts: 0 });
    // Said was what happened, if anything was.
    const owed = await notices(stage.books);
    const others = owed.filter((each) => each.kind !== kind && each.state === 'sent');
    expect(stage.api.log).toHaveLength(others.length);
  },
);

test.for([...new Map(cases.map((each) => [each.kind, each]))])(
  'T1: without that, %s is sent',
  async ([kind, { setUp, at }]) => {
    await using stage = await aStage({ now: noon });
    await setUp(stage);
    await sql`DELETE FROM perennial.notification`.execute(stage.books.db);
    await stage.books.setClock(at);
    await oweOne(stage.books, kind, 1n);
    await runWith(stage, async () => undefined);
    expect(await notices(stage.books)).toMatchObject([{ kind, state: 'sent' }]);
  },
);

test('T1: whose row a purchase holds is not judged before it has committed', async () => {
  await using stage = await aStage({ now: noon });
  await leaves(stage);
  await stage.books.setClock('2026-12-23T13:00:00Z');
  await oweOne(stage.books, 'ends_24h', 1n);
  const db = openBooks(openPool(stage.books.url));
  await inTransaction(stage.books.db, async (tx) => {
    await sql`SELECT FROM perennial.customer FOR NO KEY UPDATE`.execute(tx);
    const row = await runDelivery({ ...stage, books: { ...stage.books, db } });
    expect(row).toMatchObject({ outcome: 'success', examined: 0n });
  });
  await db.destroy();
  expect(stage.api.log).toEqual([]);
  await runDelivery(stage);
  expect(await notices(stage.books)).toMatchObject([{ state: 'sent' }]);
});

test('T3: no connection is held and no transaction is open while messages are on their way', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  for (let n = 1n; n <= 30n; n += 1n) await told(stage, n);
  for (let n = 1n; n <= 30n; n += 1n) await oweOne(books, 'receipt', n);
  const used = () => books.pool.totalCount - books.pool.idleCount;
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  api.conduct = async () => {
    await gate;
    return 'serve' as const;
  };
  await using _ = deliver(stage, { pollMs: 5 * minuteMs });
  // As many as are awaited at once.
  await until('all are under way', async () =>
    (await notices(books)).filter(({ state }) => state === 'sending').length === 16
      ? true
      : undefined,
  );
  await until('nothing is held', () => (used() === 0 ? true : undefined));
  const { rows } = await sql<{ open: bigint }>`
    SELECT count(*) AS open FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'`.execute(books.db);
  expect(rows).toEqual([{ open: 0n }]);
  open();
  await until('all are sent', async () =>
    (await notices(books)).every(({ state }) => state === 'sent') ? true : undefined,
  );
  expect(api.log).toHaveLength(30);
});

test('T3: a notice after the other takes one connection, not one each', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  for (let n = 1n; n <= 30n; n += 1n) await told(stage, n);
  for (let n = 1n; n <= 30n; n += 1n) await oweOne(books, 'receipt', n);
  const pool = openPool(books.url);
  const held: number[] = [];
  api.conduct = () => {
    held.push(pool.totalCount - pool.idleCount);
    return 'serve';
  };
  const db = openBooks(pool);
  await runDelivery({ ...stage, books: { ...books, db } });
  expect(api.log).toHaveLength(30);
  // That of the next notice's judgement, and those that write down what the last ones came to.
  expect(Math.max(...held)).toBeLessThanOrEqual(4);
  await db.destroy();
});
