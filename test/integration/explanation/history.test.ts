import { expect, test } from 'vitest';
import { readAhead } from '../../../src/explanation/ahead.ts';
import { readHistory } from '../../../src/explanation/history.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import { startApi } from '../../support/api.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  addBalance,
  addCustomer,
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorkerAt,
  setPrice,
} from '../../support/shop.ts';

interface Item {
  readonly at: string;
  readonly kind: string;
}

const start = '2026-11-01T12:00:00Z';

const readPlanned = async ({ db }: TestDatabase) =>
  (await readAhead(db, 1n)).items
    .filter(({ kind }) => kind === 'reminder')
    .map(({ at, notice }) => [at, notice]);

/** Runs the worker at each time, and returns what it has stored. */
async function runReminders(
  database: TestDatabase,
  worker: 'expiry-reminders' | 'trial-notifications',
  times: readonly string[],
) {
  for (const at of times) await runWorkerAt(database, at, worker);
  const { rows } = await database.pool.query<{ at: Date; kind: string }>(
    `SELECT created_at::text::timestamptz AS at, kind FROM perennial.notification
     WHERE kind NOT IN ('receipt', 'restored') ORDER BY created_at, id`,
  );
  return rows.map(({ at, kind }) => [new Date(Number(at)).toISOString(), kind]);
}

test('history has every row once over its pages, and the rows of a commit are neighbours', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 500_00n);
  for (const day of [2, 3, 4]) {
    await database.setClock(`2026-12-0${day}T09:00:00Z`);
    await addBalance(database, 7n, 100n);
    await addBalance(database, 7n, 200n);
  }
  const path = '/v1/customers/7/history';
  const whole = await send('GET', `${path}?limit=500`);
  const pages: unknown[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query = cursor === '' ? '?limit=3' : `?limit=3&cursor=${cursor}`;
    const { json } = await send('GET', `${path}${query}`);
    expect(json.items.length).toBeLessThanOrEqual(3);
    pages.push(...json.items);
    cursor = json.next_cursor;
  }
  expect(pages).toEqual(whole.json.items);
  const { rows } = await database.pool.query<{ count: string }>(`
    SELECT (SELECT count(*) FROM perennial.event WHERE customer_id IS NOT NULL)
      + (SELECT count(*) FROM perennial.ledger_entry)
      + (SELECT count(*) FROM perennial.notification WHERE customer_id IS NOT NULL) AS count`);
  expect(pages).toHaveLength(Number(rows[0]?.count));
  const times = (pages as Item[]).map(({ at }) => at);
  expect(times).toEqual(times.toSorted().reverse());
  expect(whole.json.items[0]).toMatchObject({ kind: 'event', event: { action: 'topped_up' } });
  for (const kind of ['event', 'ledger', 'notice']) {
    const { json } = await send('GET', `${path}?limit=500&kind=${kind}`);
    expect(json.items).toEqual(whole.json.items.filter((item: Item) => item.kind === kind));
  }
  expect((await send('GET', `${path}?cursor=1-2`)).json.type).toBe(
    'urn:perennial:problem:bad_input',
  );
  await expect(
    readHistory(database.db, 9n, {
      max: 1,
      after: { event: undefined, ledger: undefined, notice: undefined },
    }),
  ).rejects.toMatchObject({ code: 'no_customer' });
});

test.for(['short', 'off', 'price'] as const)(
  'the reminders ahead of an end are those that the worker stores later: %s',
  async (state) => {
    await using database = await createShopDatabase({ now: start });
    const id = await createSubscriber(database, 1n, state === 'price' ? 500_00n : 0n);
    if (state === 'off') {
      const request = { telegramId: 1n, subscriptionId: id, on: false };
      await setAutoRenew(createCaller(database), request);
    }
    if (state === 'price')
      await setPrice(database, 'basic', 30, 199_00n, 'RUB', '2026-11-25T00:00:00Z');
    const planned = await readPlanned(database);
    expect(planned.length).toBeGreaterThan(0);
    const stored = await runReminders(
      database,
      'expiry-reminders',
      planned.map(([at]) => at as string),
    );
    expect(stored).toEqual(planned);
    expect(await readPlanned(database)).toEqual([]);
  },
);

test('the reminders ahead of a trial are those that the worker stores later', async () => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n);
  await startTrial(createCaller(database), { telegramId: 1n });
  const planned = await readPlanned(database);
  expect(planned.length).toBeGreaterThan(1);
  const times = planned.map(([at]) => at as string);
  expect(await runReminders(database, 'trial-notifications', times)).toEqual(planned);
});

test('a charge ahead has its reason, and the end follows', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 149_00n);
  const { items, currency } = await readAhead(database.db, 1n);
  expect(currency).toBe('RUB');
  expect(items).toMatchObject([
    { kind: 'charge', at: '2026-12-01T06:00:00.000Z', amount: '149.00', missing: '0.00' },
    { kind: 'end', at: '2026-12-01T12:00:00.000Z', reason: { code: 'covered' } },
  ]);
});

test('of many subscriptions those that end first are ahead', async () => {
  await using database = await createShopDatabase({ now: start });
  const first = await createSubscriber(database, 1n, 0n);
  await database.query`
    WITH added AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at, auto_renew)
      SELECT s.customer_id, 'paid', 'basic', 30, 'active', s.started_at,
        s.expires_at + n * interval '1 minute', true
      FROM perennial.subscription s, generate_series(1, 150) n RETURNING *)
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB' FROM added`;
  const { items } = await readAhead(database.db, 1n);
  expect(items.find(({ kind }) => kind === 'charge')?.subscription_id).toBe(Number(first));
  expect(items.filter(({ kind }) => kind === 'charge')).toHaveLength(20);
});
