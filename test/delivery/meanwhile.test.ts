import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction, openBooks, openPool } from '../../src/db/connect.ts';
import { minuteMs } from '../../src/kernel/instant.ts';
import type { CustomerKind } from '../../src/notify/kinds.ts';
import { topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { createCustomer, setCustomer } from '../../src/subscription/customers.ts';
import { grant, revoke, setAutoRenew } from '../../src/subscription/granting.ts';
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
    expect(row).toMatchObject({ outcome: 'success' });
    return row;
  } finally {
    await db.destroy();
  }
}

interface Case {
  readonly kind: CustomerKind;
  readonly what: string;
  /** Makes a customer about whom the notice is true at `at`. */
  readonly setUp: (stage: Stage, telegramId: bigint) => Promise<unknown>;
  readonly at: string;
  /** To the first of two. */
  readonly happens: (stage: Stage) => Promise<unknown>;
  readonly reason: string;
}

const telegramId = 1n;
const topsUp = (stage: Stage) => topUp(call(stage), { telegramId, amountMinor: 149_00n });
const buys = async (stage: Stage) => {
  await topsUp(stage);
  await purchase(call(stage), { telegramId, plan: 'basic', periodDays: 30 });
};
const renews = async (stage: Stage) => {
  await topsUp(stage);
  expect(await runOf(stage.books, 'auto-renewal')).toMatchObject({ changed: 1n });
};
const isRevoked = (stage: Stage, id = telegramId) =>
  revoke(call(stage), { telegramId: id, reason: 'test' });
const isGranted = (stage: Stage, id = telegramId) =>
  grant(call(stage), { telegramId: id, days: 3 });
const switches = (on: boolean) => (stage: Stage) => setAutoRenew(call(stage), { telegramId, on });
const isRefunded = async (stage: Stage) => {
  const { rows } = await sql<{ id: bigint }>`
    SELECT min(p.id) AS id FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    WHERE c.telegram_id = ${telegramId}`.execute(stage.books.db);
  await refund(call(stage), { telegramId, periodId: rows[0]?.id as never, part: 'whole' });
};
const pays10Less = (stage: Stage) => setCustomer(call(stage), { telegramId, discountPercent: 10 });

const onTrial = async (stage: Stage, id: bigint) => {
  await sql`INSERT INTO perennial.setting (key, value)
    VALUES ('trial', '{"plan": "basic", "days": 3}') ON CONFLICT DO NOTHING`.execute(
    stage.books.db,
  );
  await createCustomer(call(stage), { telegramId: id, currency: 'RUB' });
  await startTrial(call(stage), { telegramId: id });
};
/** A month that ends by itself on December 24 at noon, and one that lacks the money to go on. */
const leaves = leaver;
const isShort = (stage: Stage, id: bigint) => told(stage, id);
const ended =
  (setUp: Case['setUp'], at: string) =>
  async (stage: Stage, id: bigint): Promise<void> => {
    await setUp(stage, id);
    // The second time for both.
    await stage.books.setClock(at);
    await runOf(stage.books, 'fast-expiry-cleanup');
    await stage.books.setClock(noon);
  };
/** Whose next month is paid for, and will cost 199. */
const paysMore = async (stage: Stage, id: bigint) => {
  await sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('basic', 30, 'RUB', '2026-12-01Z', 19900) ON CONFLICT DO NOTHING`.execute(
    stage.books.db,
  );
  await told(stage, id, 199_00n);
};
const wasGranted = async (stage: Stage, id: bigint) => {
  await told(stage, id);
  await isGranted(stage, id);
};
const wasRevoked = async (stage: Stage, id: bigint) => {
  await told(stage, id);
  await isRevoked(stage, id);
};

const end = '2026-12-24T12:00:00Z';
const [day3, day1, hour3] = [
  '2026-12-21T13:00:00Z',
  '2026-12-23T13:00:00Z',
  '2026-12-24T09:00:00Z',
];

const cases: readonly Case[] = (
  [
    ['trial_6h', 'a purchase', onTrial, '2026-11-24T18:00:00Z', buys, 'converted'],
    ['trial_48h', 'a purchase', onTrial, '2026-11-26T12:00:00Z', buys, 'converted'],
    ['trial_ending', 'a revocation', onTrial, '2026-11-27T09:00:00Z', isRevoked, 'revoked'],
    [
      ...(['trial_ended', 'a purchase'] as const),
      ...([ended(onTrial, '2026-11-27T12:00:00Z'), '2026-11-27T12:01:00Z'] as const),
      ...([buys, 'pays_already'] as const),
    ],
    ['ends_3d', 'a grant', leaves, day3, isGranted, 'end_moved'],
    ['ends_3d', 'a top-up', isShort, day3, topsUp, 'will_be_renewed'],
    ['ends_24h', 'a purchase', leaves, day1, buys, 'end_moved'],
    ['ends_24h', 'a revocation', leaves, day1, isRevoked, 'revoked'],
    ['ends_24h', 'a refund', leaves, day1, isRefunded, 'end_moved'],
    ['ends_3h', 'a purchase', leaves, hour3, buys, 'end_moved'],
    ['low_balance', 'a renewal', isShort, hour3, renews, 'end_moved'],
    ['low_balance', 'a switch', isShort, hour3, switches(false), 'not_renewed'],
    ['low_balance', 'a revocation', isShort, hour3, isRevoked, 'revoked'],
    ['expired', 'a purchase', ended(leaves, end), end, buys, 'not_ended'],
    ['expired', 'a late renewal', ended(isShort, end), end, renews, 'not_ended'],
    ['expired', 'a grant', ended(leaves, end), end, isGranted, 'not_ended'],
    ['price_change', 'a discount', paysMore, day3, pays10Less, 'price_moved'],
    ['price_change', 'a switch', paysMore, day3, switches(false), 'not_renewed'],
    ['price_change', 'a purchase', paysMore, day3, buys, 'end_moved'],
    ['price_change', 'a refund', paysMore, day3, isRefunded, 'end_moved'],
    ['grant', 'a revocation', wasGranted, day3, isRevoked, 'revoked'],
  ] as const
).map(([kind, what, setUp, at, happens, reason]) => ({ kind, what, setUp, at, happens, reason }));

test.for(cases.map((each) => [each.what, each.kind, each] as const))(
  'T1: %s between the finding and the sending of %s suppresses it, with the reason in its row',
  async ([, kind, { setUp, at, happens, reason }]) => {
    await using stage = await aStage({ now: noon });
    // To the second nothing happens: what isn't untrue is said.
    for (const id of [1n, 2n]) await setUp(stage, id);
    await sql`DELETE FROM perennial.notification`.execute(stage.books.db);
    await stage.books.setClock(at);
    for (const id of [1n, 2n]) await oweOne(stage.books, kind, id);
    await runWith(stage, () => happens(stage));
    const [first, second] = await notices(stage.books, kind);
    expect(first).toMatchObject({ state: 'suppressed', reason, attempts: 0 });
    expect(stage.api.texts(2n)).not.toEqual([]);
    expect(second).toMatchObject({ state: 'sent' });
    // Said was what happened, if anything was.
    const sent = (await notices(stage.books)).filter(({ state }) => state === 'sent');
    expect(stage.api.log).toHaveLength(sent.length);
  },
);

test.for([
  ['receipt', 'a refund', told, isRefunded],
  ['receipt', 'a revocation', told, isRevoked],
  ['refund', 'a purchase', told, buys],
  // Of another subscription: one that was revoked stays so.
  ['revoke', 'a purchase', wasRevoked, buys],
] as const)('%s is true for ever: %s in between takes nothing from it', async (each) => {
  const [kind, , setUp, happens] = each;
  await using stage = await aStage({ now: noon });
  await setUp(stage, 1n);
  await sql`DELETE FROM perennial.notification`.execute(stage.books.db);
  await oweOne(stage.books, kind, 1n);
  await runWith(stage, () => happens(stage));
  expect((await notices(stage.books, kind))[0]).toMatchObject({ state: 'sent' });
});

test('T1: whose row a purchase holds is not judged before it has committed', async () => {
  await using stage = await aStage({ now: noon });
  await leaves(stage, 1n);
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
