import { expect, test } from 'vitest';
import { startApi } from '../../support/api.ts';
import { addCustomer, createSubscriber } from '../../support/shop.ts';

// The ledger entries of all customers in the API.

interface Entry {
  readonly id: number;
  readonly telegram_id: number;
  readonly kind: string;
  readonly amount: string;
}

test('entries of all customers are listed by kind and time, the newest first, page by page', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 1_00n);
  await createSubscriber(database, 8n, 2_00n);
  const read = async (query: string) => (await send('GET', `/v1/ledger?${query}`)).json;
  const charged = await read('kind=charged&since=2026-11-24T00:00:00Z');
  expect(charged).toMatchObject({
    items: [
      { telegram_id: 8, kind: 'purchase', amount: '-149.00', currency: 'RUB' },
      { telegram_id: 7, kind: 'purchase', amount: '-149.00', currency: 'RUB' },
    ],
    next_cursor: null,
  });
  const first = await read('limit=3');
  const second = await read(`limit=3&cursor=${first.next_cursor}`);
  const entries: Entry[] = [...first.items, ...second.items];
  expect(entries.map(({ telegram_id, kind }) => `${telegram_id} ${kind}`)).toEqual([
    ...['8 purchase', '8 top_up', '7 purchase', '7 top_up'],
  ]);
  expect(second.next_cursor).toBeNull();
  const later = await read('since=2026-11-25T00:00:00Z');
  expect(later).toEqual({ items: [], next_cursor: null });
});

test('a page of a rare kind ends after 3,000 entries, and its cursor continues', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 1_00n);
  await addCustomer(database, 8n);
  await database.pool.query(`
    INSERT INTO perennial.ledger_entry
      (customer_id, amount_minor, balance_after_minor, kind, idempotency_key, created_at)
    SELECT id, 1, n, 'adjustment', n::text, perennial.clock()
    FROM perennial.customer, generate_series(1, 3000) n WHERE telegram_id = 8`);
  const first = await send('GET', '/v1/ledger?kind=charged');
  expect(first.json.items).toEqual([]);
  const second = await send('GET', `/v1/ledger?kind=charged&cursor=${first.json.next_cursor}`);
  expect(second.json).toMatchObject({ items: [{ telegram_id: 7 }], next_cursor: null });
  const recent = await send('GET', '/v1/ledger?kind=charged&since=2026-11-25T00:00:00Z');
  expect(recent.json).toEqual({ items: [], next_cursor: null });
});
