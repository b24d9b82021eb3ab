import { expect, test } from 'vitest';
import { buildQuarantineCommand } from '../../../../../src/cli/commands/quarantine/quarantine.ts';
import type { SubscriptionId } from '../../../../../src/kernel/ids.ts';
import { runCommand } from '../../../../support/command-line.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import {
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  runAutoRenewal,
  runWorkerAt,
  setPrice,
} from '../../../../support/shop.ts';

// `perennial quarantine …`, in this process, on items that runs put there.

const due = '2026-12-24T09:00:00Z';

/** Two subscriptions without a price, in quarantine of auto-renewal, and a notification. */
async function createQuarantine() {
  const database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  const ids = [
    await createSubscriber(database, 7n, 500_00n),
    await createSubscriber(database, 8n, 500_00n),
  ] as const;
  await setPrice(database, 'basic', 30, null, 'RUB', '2026-11-24T09:00:00Z');
  await runWorkerAt(database, due, 'auto-renewal');
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'deliver-notifications', 'notice:' || min(n.id), 'pg_P0001: broken',
      perennial.clock() - interval '1 minute', perennial.clock() - interval '3 hours'
    FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id
    WHERE c.telegram_id = 8`;
  return { database, ids };
}

const run = (database: TestDatabase, ...words: string[]) =>
  runCommand(buildQuarantineCommand, database, words);

const readItems = async (database: TestDatabase, ...words: string[]) =>
  JSON.parse((await run(database, 'list', '--json', ...words)).out).items as {
    item: string;
    attempts: number;
  }[];

const readTimeline = async ({ query }: TestDatabase, id: SubscriptionId) => {
  const rows = await query<{ action: string; actor: string; detail: object }>`
    SELECT v.action, v.actor, v.detail FROM perennial.event v
    WHERE v.subject = ${`subscription:${id}`} AND v.action LIKE 'quarantine%'`;
  return rows;
};

test('`list` shows items with customers, reasons and ages, a sentence for each reason, and counts', async () => {
  const { database, ids } = await createQuarantine();
  await using _ = database;
  const { out } = await run(database, 'list');
  const lines = out.split('\n');
  expect(lines[0]).toMatch(
    /^WORKER +ITEM +CUSTOMER +SUBSCRIPTION +REASON +ATTEMPTS +FIRST FAILURE +NEXT RETRY$/,
  );
  expect(lines[1]).toMatch(
    new RegExp(`^auto-renewal +${ids[0]} +7 +${ids[0]} +no_price +1 +now +in 60 min$`),
  );
  expect(lines[3]).toMatch(
    new RegExp(`^deliver-notifications +notice:\\d+ +8 +${ids[1]} +pg_P0001 +1 +3 h ago +due$`),
  );
  expect(out).toContain(
    `\n${ids[0]}: no_price: customer 7: plan basic has no price for 30 days in RUB; 1 more\n`,
  );
  expect(out).toMatch(
    /3 items at 2026-12-24 09:00Z: 2 auto-renewal no_price, 1 deliver-notifications pg_P0001\n$/,
  );
});

test('`list` filters by worker and reason, and states that a filter matches nothing', async () => {
  const { database, ids } = await createQuarantine();
  await using _ = database;
  expect(await readItems(database, '--reason', 'pg_P0001')).toMatchObject([{ telegram_id: 8 }]);
  expect(await readItems(database, '--worker', 'auto-renewal', '--rows', '1')).toMatchObject([
    {
      worker: 'auto-renewal',
      item: String(ids[0]),
      telegram_id: 7,
      subscription_id: Number(ids[0]),
    },
  ]);
  const { out } = await run(database, 'list', '--worker', 'keep-node', '--reason', 'no_price');
  expect(out).toBe('nothing of keep-node is in quarantine with the reason "no_price"\n');
});

test('`retry` makes items due, so that the next run renews them; --dry-run changes nothing', async () => {
  const { database, ids } = await createQuarantine();
  await using _ = database;
  await setPrice(database, 'basic', 30, 149_00n, 'RUB', '2026-12-24T08:00:00Z');
  const preview = await run(database, 'retry', '--reason', 'no_price', '--dry-run');
  expect(preview.out).toBe(
    `2 items would be retried\n  auto-renewal ${ids[0]}, customer 7: no_price\n  auto-renewal ${ids[1]}, customer 8: no_price\n`,
  );
  await runAutoRenewal(database);
  await expectSubscription(database, ids[0], { quarantined: true, charges: 1 });
  const retried = await run(database, 'retry', '--reason', 'no_price');
  expect(retried.out).toMatch(/^2 items due now; auto-renewal starts if a service runs\n/);
  await runAutoRenewal(database);
  for (const id of ids) {
    await expectSubscription(database, id, { quarantined: false, charges: 2 });
  }
  expect(await readTimeline(database, ids[0])).toMatchObject([
    { action: 'quarantine_retried', actor: 'cli', detail: { failure: 'no_price', attempts: 1 } },
  ]);
});

test('a retry that fails keeps its attempts, and a dismissed item that fails is a new one', async () => {
  const { database, ids } = await createQuarantine();
  await using _ = database;
  await run(database, 'retry', String(ids[0]));
  await runAutoRenewal(database);
  expect((await readItems(database, '--worker', 'auto-renewal'))[0]?.attempts).toBe(2);
  const words = ['dismiss', String(ids[0]), '--reason', 'sold by hand'];
  expect((await run(database, ...words, '--dry-run')).out).toBe(
    `auto-renewal ${ids[0]}, customer 7 would be dismissed\n`,
  );
  expect(await readItems(database, '--worker', 'auto-renewal')).toHaveLength(2);
  expect((await run(database, ...words)).out).toBe(
    `auto-renewal ${ids[0]}, customer 7 dismissed; auto-renewal finds it again if it is still due\n`,
  );
  expect((await readTimeline(database, ids[0])).at(-1)).toMatchObject({
    action: 'quarantine_dismissed',
    actor: 'cli',
    detail: { reason: 'sold by hand', worker: 'auto-renewal', failure: 'no_price', attempts: 2 },
  });
  await expectSubscription(database, ids[0], { state: 'active', charges: 1 });
  await runAutoRenewal(database);
  expect((await readItems(database, '--worker', 'auto-renewal'))[0]?.attempts).toBe(1);
});

test('a name of two workers needs --worker for a dismissal, and unknown items name the available ones', async () => {
  const { database, ids } = await createQuarantine();
  await using _ = database;
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    VALUES ('expiry-reminders', ${String(ids[0])}, 'x: y', perennial.clock(), perennial.clock())`;
  const words = ['dismiss', String(ids[0]), '--reason', 'x'];
  await expect(run(database, ...words)).rejects.toThrow(
    `"${ids[0]}" is in quarantine of several workers; expected one of auto-renewal, expiry-reminders; pass --worker`,
  );
  await run(database, ...words, '--worker', 'expiry-reminders');
  await expect(run(database, ...words, '--worker', 'expiry-reminders')).rejects.toThrow(
    `no item "${ids[0]}" of expiry-reminders is in quarantine; available: ${ids[0]} (auto-renewal)`,
  );
  await expect(run(database, 'retry')).rejects.toThrow('ITEM: expected an item, --worker or');
});
