import { expect, test } from 'vitest';
import { routes } from '../../../src/http/routes/index.ts';
import { hourMs } from '../../../src/kernel/instant.ts';
import { watchClock } from '../../../src/runs/clock/watch.ts';
import { dismissItem, retryItems } from '../../../src/runs/quarantine-release.ts';
import { createToken, revokeToken } from '../../../src/tokens/store.ts';
import { startApi } from '../../support/api.ts';
import { installFaultyClock } from '../../support/faulty-clock.ts';
import { addCustomer, runWorker } from '../../support/shop.ts';

test('while the time is suspect the API sells nothing, credits top-ups, and lets an admin accept the time', async () => {
  const { send, database } = await startApi();
  await database.query`UPDATE perennial.installation SET clock_at = NULL`;
  const clock = await installFaultyClock(database.db);
  await addCustomer(database, 7n, { balanceMinor: 500_00n });
  await watchClock(database.db);
  expect((await send('GET', '/v1/clock')).json).toMatchObject({ trusted: true, cause: null });

  await clock.jump(3 * hourMs);
  const order = { plan: 'basic', period_days: 30 };
  const key = 'key-1';
  const refused = await send('POST', '/v1/customers/7/purchases', { body: order, key });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('60');
  expect(refused.json).toMatchObject({
    type: 'urn:perennial:problem:clock_suspect',
    detail: expect.stringContaining('10800 s ahead of the uptime of'),
  });
  const paid = await send('POST', '/v1/customers/7/top-ups', {
    body: { amount: '10' },
    key: 'key-2',
  });
  expect([paid.status, paid.json.balance]).toEqual([201, '510.00']);
  const shown = await send('GET', '/v1/clock');
  expect(shown.json).toMatchObject({ trusted: false, cause: 'ahead', by_s: 10_800 });
  expect((await send('GET', '/readyz')).status).toBe(200);

  const accepted = await send('POST', '/v1/clock/accept');
  expect(accepted.json).toMatchObject({ accepted: true, cause: 'ahead', by_s: 10_800 });
  expect((await send('POST', '/v1/customers/7/purchases', { body: order, key })).status).toBe(201);
  const rows = await database.query<{ actor: string }>`
    SELECT actor FROM perennial.event WHERE action = 'clock_accepted'`;
  expect(rows).toEqual([{ actor: expect.stringMatching(/^api:/) }]);
});

test('K9: a command of the API raises the high-water mark, so a step back is repaired', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n, { balanceMinor: 500_00n });
  const setServerClock = (now: string) =>
    database.query`UPDATE perennial.installation SET clock_at = ${now}`;
  const markAt = async () => {
    const rows = await database.query<{ at: string }>`
      SELECT to_json(clock_high_at)#>>'{}' AS at FROM perennial.installation`;
    return Date.parse(rows[0]?.at ?? '');
  };
  await setServerClock('2027-10-25T00:00:00Z');
  await send('GET', '/v1/customers/7');
  expect(await markAt()).toBe(Date.parse('2026-11-24T09:00:00Z'));
  const order = { plan: 'basic', period_days: 30 };
  const bought = await send('POST', '/v1/customers/7/purchases', { body: order, key: 'key-1' });
  expect(bought.status).toBe(201);
  expect(await markAt()).toBe(Date.parse('2027-10-25T00:00:00Z'));

  await setServerClock('2026-11-24T09:01:00Z');
  await runWorker(database, 'raise-alarms');
  const rows = await database.query`
    SELECT FROM perennial.notification WHERE next_attempt_at > perennial.clock()`;
  expect(rows).toEqual([]);
  expect(await markAt()).toBe(Date.parse('2026-11-24T09:01:00Z'));
});

test('while commits may be lost, every request that changes something waits, except the confirmation', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n, { balanceMinor: 500_00n });
  await database.query`UPDATE perennial.installation SET clock_at = NULL`;
  await installFaultyClock(database.db);
  await database.query`
    UPDATE perennial.clock_state SET suspect_cause = 'commits_lost', suspect_by_ms = 0,
      suspect_reason = 'a test', suspect_at = perennial.clock()`;
  const writes = routes.filter(({ method }) => method !== 'GET');
  const waiting = writes.filter(({ confirmsTime }) => confirmsTime !== true);
  expect(writes.length - waiting.length).toBe(1);
  const answers = [
    await send('POST', '/v1/notices/1/cancel'),
    await send('POST', '/v1/notices/1/resend'),
    await send('POST', '/v1/workers/auto-renewal/runs'),
    await send('POST', '/v1/customers/7/top-ups', { body: { amount: '10' }, key: 'key-1' }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
  expect(answers[0]?.json).toMatchObject({ type: 'urn:perennial:problem:commits_lost' });
  expect((await send('GET', '/v1/customers/7')).status).toBe(200);
  const lost = { code: 'commits_lost' };
  const order = { name: 'bot', scopes: ['read' as const], lastsMs: undefined };
  await expect(createToken(database.db, order, 'cli')).rejects.toMatchObject(lost);
  await expect(revokeToken(database.db, 'none', 'cli')).rejects.toMatchObject(lost);
  const item = { worker: 'auto-renewal', item: '1' };
  const release = { actor: 'cli', reason: 'x' };
  await expect(dismissItem(database.db, item, release)).rejects.toMatchObject(lost);
  await expect(retryItems(database.db, item, release)).rejects.toMatchObject(lost);
  expect((await send('POST', '/v1/clock/accept')).status).toBe(200);
  expect((await send('POST', '/v1/notices/1/cancel')).status).not.toBe(503);
});
