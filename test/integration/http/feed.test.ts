import { expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';
import { createSubscriber } from '../../support/shop.ts';

// The subscription URL of a customer without access: it names the end and the way to pay.

async function fetchFeed({ send, database }: TestApi, slash = '') {
  const { rows } = await database.pool.query<{ sub_token: string }>(
    'SELECT sub_token FROM perennial.customer',
  );
  const feed = await send('GET', `/sub/${rows[0]?.sub_token}${slash}`, { token: '' });
  const links = Buffer.from(feed.text, 'base64').toString().split('\n');
  const read = links.map((link) => new URL(link));
  return {
    status: feed.status,
    headers: feed.headers,
    names: read.map(({ hash }) => decodeURIComponent(hash.slice(1))),
    hosts: read.map(({ hostname, port }) => `${hostname}:${port}`),
  };
}

const formatUserinfo = (at: string) =>
  `upload=0; download=0; total=0; expire=${Date.parse(at) / 1_000}`;

const expireSql = "UPDATE perennial.subscription SET state = 'expired'";

test('after the end the feed states the past end, and one entry names it in the language of the customer', async () => {
  const api = await startApi();
  await createSubscriber(api.database, 7n, 0n);
  await api.database.pool.query(expireSql);
  await api.database.setClock('2026-12-25T09:00:00Z');
  const feed = await fetchFeed(api);
  expect(feed.status).toBe(200);
  expect(feed.headers.get('subscription-userinfo')).toBe(formatUserinfo('2026-12-24T09:00:00Z'));
  expect(feed.hosts).toEqual(['127.0.0.1:1']);
  expect(feed.names).toEqual([
    expect.stringMatching(/^Subscription ended on 24 December\. Renew it in our bot/),
  ]);
  await api.database.pool.query("UPDATE perennial.customer SET locale = 'ru'");
  expect((await fetchFeed(api)).names).toEqual([
    expect.stringMatching(/^Подписка закончилась 24 декабря\. Продлите её/),
  ]);
});

test('an end that was in the future when the access ended is not stated as a future one', async () => {
  const api = await startApi();
  await createSubscriber(api.database, 7n, 0n);
  await api.database.pool.query(expireSql);
  const { headers } = await fetchFeed(api);
  expect(headers.get('subscription-userinfo')).toBe(formatUserinfo('2026-11-24T09:00:00Z'));
});

test('a subscription past its end that still has access keeps its links, with the past end', async () => {
  const api = await startApi();
  await api.database.pool.query(`UPDATE perennial.node SET link = link || '{"port": 443}'`);
  await createSubscriber(api.database, 7n, 0n);
  await api.database.setClock('2026-12-24T10:00:00Z');
  const feed = await fetchFeed(api);
  expect(feed.names).toEqual(['nl-1']);
  expect(feed.headers.get('subscription-userinfo')).toBe(formatUserinfo('2026-12-24T09:00:00Z'));
});

test('a customer without a subscription, or without a node, gets one entry that states it', async () => {
  const api = await startApi();
  const { status } = await api.send('POST', '/v1/customers', { body: { telegram_id: 7 } });
  expect(status).toBe(201);
  const feed = await fetchFeed(api);
  expect(feed.names).toEqual([expect.stringMatching(/^No subscription yet\./)]);
  expect(feed.headers.get('subscription-userinfo')).not.toMatch(/expire=0$/);
});
