import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blockCustomer } from '../../../../src/subscription/commands/block.ts';
import {
  type ListedCustomer,
  listCustomers,
} from '../../../../src/subscription/queries/customer-list.ts';
import { countList } from '../../../../src/subscription/queries/list-count.ts';
import {
  type ListPage,
  type ListRequest,
  walkPages,
} from '../../../../src/subscription/queries/list-page.ts';
import { findCustomers, requireOneCustomer } from '../../../../src/subscription/queries/lookup.ts';
import {
  parseWhere,
  requireKnownNames,
} from '../../../../src/subscription/queries/subscription-filter.ts';
import { listSubscriptions } from '../../../../src/subscription/queries/subscription-list.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
} from '../../../support/shop.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await createSubscriber(database, 1n, 0n); // short
  await createSubscriber(database, 2n, 500_00n);
  await addCustomer(database, 3n, { balanceMinor: 1_000_00n });
  await buyPlan(database, 3n, { plan: 'plus' });
  await addCustomer(database, 4n, { reachable: false });
  await createSubscriber(database, 5n, 300_00n);
  await blockCustomer(createCaller(database), { telegramId: 5n, reason: 'abuse' });
  await addBalance(database, 4n, 7_00n);
});
afterAll(() => database?.close());

async function readAll<Item>(
  list: (db: TestDatabase['db'], request: ListRequest) => Promise<ListPage<Item>>,
  where: string,
  { sort, max = 2 }: { sort?: string; max?: number } = {},
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const request = { filter: parseWhere(where), max, sort, cursor };
    const page = await list(database.db, request);
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

const toIds = (items: readonly { telegram_id: number }[]) => items.map((one) => one.telegram_id);

test.each([
  ['', [1, 2, 3, 4, 5]],
  ['state=active', [1, 2, 3, 5]],
  ['state=expired', []],
  ['plan=plus', [3]],
  ['node_group=all', [1, 2, 3, 5]],
  ['node_group=fast', [3]],
  ['short=yes', [1]],
  ['short=no', [2, 3, 5]],
  ['unreachable=yes', [4]],
  ['blocked=yes', [5]],
  ['blocked=no,kind=paid', [1, 2, 3]],
  ['kind=trial', []],
  ['auto_renew=yes ends_before=2026-12-25', [1, 2, 3, 5]],
  ['ends_after=2026-12-25', []],
])('customers with %j are %j, page by page', async (where, expected) => {
  expect(toIds(await readAll(listCustomers, where))).toEqual(expected);
  const filter = parseWhere(where);
  expect(await countList(database.db, 'customers', filter)).toEqual({
    count: expected.length,
    count_is_estimated: false,
  });
});

test('a list is sorted by its order, also in reverse', async () => {
  expect(toIds(await readAll(listCustomers, '', { sort: '-telegram_id' }))).toEqual([
    5, 4, 3, 2, 1,
  ]);
  const byEnd = await readAll(listSubscriptions, '', { sort: '-expires_at' });
  expect(toIds(byEnd)).toEqual([5, 3, 2, 1]);
});

test('a list of subscriptions shows what a short renewal misses', async () => {
  const [short] = await readAll(listSubscriptions, 'short=yes');
  expect(short).toMatchObject({ telegram_id: 1, balance: '0.00', missing: '149.00' });
});

test('a cursor of another list is refused', async () => {
  const { next_cursor: cursor } = await listCustomers(database.db, {
    filter: parseWhere(''),
    max: 2,
  });
  const request = { filter: parseWhere(''), max: 2, cursor: cursor ?? '' };
  expect(() => listSubscriptions(database.db, request)).toThrow(
    'the cursor belongs to another list',
  );
  const other = { ...request, filter: parseWhere('state=active') };
  expect(() => listCustomers(database.db, other)).toThrow('the cursor belongs to another list');
});

test.each([
  ['plan=gold', 'plan: "gold" is not a plan; available: basic, mini, plus'],
  ['node_group=us', 'node_group: "us" is not a group of a plan; available: all, fast'],
])('%j is refused, because it would match nothing', async (where, sentence) => {
  await expect(requireKnownNames(database.db, parseWhere(where))).rejects.toThrow(sentence);
});

test('pages of a large table are bounded, complete and without repetition', async () => {
  await using large = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await createSubscribers(large, {
    count: 12_000,
    endsAt: '2026-12-01T09:00:00Z',
    balanceMinor: 0n,
  });
  await sql`
    UPDATE perennial.subscription SET state = 'expired', expires_at = started_at + interval '1 day'
    WHERE id % 3_000 = 0`.execute(large.db);
  const pages: number[] = [];
  const found: ListedCustomer[] = [];
  const request = { filter: parseWhere('state=expired'), max: 100 };
  for await (const { items } of walkPages((page) => listCustomers(large.db, page), request)) {
    pages.push(items.length);
    found.push(...items);
  }
  expect(found.length).toBe(4);
  expect(pages.length).toBeGreaterThan(1);
  const all = { filter: parseWhere(''), max: 20_000, sort: 'expires_at' };
  const ends: string[] = [];
  for await (const { items } of walkPages((page) => listSubscriptions(large.db, page), all)) {
    ends.push(...items.map(({ expires_at: at, id }) => `${at} ${String(id).padStart(9, '0')}`));
  }
  expect(ends.length).toBe(12_000);
  expect(ends).toEqual(ends.toSorted());
  await sql`ANALYZE perennial.customer, perennial.subscription`.execute(large.db);
  const count = await countList(large.db, 'customers', parseWhere('state=active'));
  expect(count.count_is_estimated).toBe(true);
  expect(count.count).toBeGreaterThan(10_000);
  expect(count.count).toBeLessThan(13_000);
  const short = await countList(large.db, 'subscriptions', parseWhere('short=yes'));
  expect(short).toMatchObject({ count_is_estimated: true });
  expect(short.count).toBeGreaterThan(10_000);
}, 120_000);

test('a lookup finds a customer by any value, and several by a payment reference', async () => {
  const rows = await database.query<{ id: string; token: string; uuid: string }>`
    SELECT c.id::text AS id, c.sub_token AS token, k.id::text AS uuid
    FROM perennial.customer c JOIN perennial.credential k ON k.customer_id = c.id
    WHERE c.telegram_id = 2`;
  const [row] = rows;
  if (row === undefined) throw new Error('no customer');
  const { topUp } = await import('../../../../src/subscription/commands/top-up.ts');
  for (const [telegramId, provider] of [
    [2n, 'bank'],
    [3n, 'stars'],
  ] as const) {
    const payment = { telegramId, amountMinor: 1_00n, provider, providerRef: 'ref-7' };
    await topUp(createCaller(database), payment);
  }
  const find = async (value: string) =>
    (await findCustomers(database.db, value)).map(({ telegramId, matchedBy }) => [
      Number(telegramId),
      matchedBy,
    ]);
  expect(await find('2')).toEqual([[2, 'telegram_id']]);
  expect(await find(`c${row.id}`)).toEqual([[2, 'customer_id']]);
  expect(await find(row.uuid)).toEqual([[2, 'credential']]);
  expect(await find(row.token)).toEqual([[2, 'sub_token']]);
  expect(await find('ref-7')).toEqual([
    [2, 'payment'],
    [3, 'payment'],
  ]);
  expect(await find('nothing')).toEqual([]);
  expect(await requireOneCustomer(database.db, row.token)).toBe(2n);
  await expect(requireOneCustomer(database.db, 'ref-7')).rejects.toThrow(
    '"ref-7" matches several customers: 2, 3',
  );
  await expect(requireOneCustomer(database.db, 'nothing')).rejects.toThrow('matches no customer');
});
