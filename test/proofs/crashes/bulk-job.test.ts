import { expect, test } from 'vitest';
import { until } from '../../../testbed/until.ts';
import type { TestDatabase } from '../../support/database.ts';
import { startPerennial } from '../../support/perennial-process.ts';
import { createShopDatabase, createSubscribers } from '../../support/shop.ts';

// A bulk job of a real process that is killed again and again. The same command with the same key
// continues it, and each customer has exactly one grant.

const customers = 6_000;
const kills = 4;

const readProcessed = async ({ query }: TestDatabase): Promise<number> => {
  const rows = await query<{ processed: number }>`
    SELECT coalesce(sum(done + skipped + failed), 0)::int AS processed
    FROM perennial.bulk_job`;
  return rows[0]?.processed ?? 0;
};

test('G3: a bulk job that is killed again and again processes each customer once', async () => {
  await using database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await createSubscribers(database, {
    ...{ count: customers, endsAt: '2026-12-10T09:00:00Z', balanceMinor: 0n },
    together: customers,
  });
  const line = ['grant', '--where', 'state=active', '--days', '2', '--key', 'outage-1', '--json'];
  for (let killed = 0; killed < kills; killed += 1) {
    const before = await readProcessed(database);
    await using command = startPerennial(line, { url: database.url });
    await until('a further batch', async () => (await readProcessed(database)) > before);
    command.kill('SIGKILL');
    expect((await command.exit).signal).toBe('SIGKILL');
  }
  expect(await readProcessed(database)).toBeLessThan(customers);
  await using last = startPerennial(line, { url: database.url });
  const { code, out } = await last.exit;
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ total: customers, done: customers, state: 'done' });
  const rows = await database.query<{ grants: number; ends: number; jobs: number }>`
    SELECT (SELECT count(*)::int FROM perennial.period WHERE source = 'grant') AS grants,
      (SELECT count(*)::int FROM perennial.subscription
        WHERE expires_at = '2026-12-12T09:00:00Z') AS ends,
      (SELECT count(*)::int FROM perennial.bulk_job) AS jobs`;
  expect(rows).toEqual([{ grants: customers, ends: customers, jobs: 1 }]);
}, 240_000);

test('G3: the service continues a bulk job whose command was killed', async () => {
  await using database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await createSubscribers(database, {
    ...{ count: customers, endsAt: '2026-12-10T09:00:00Z', balanceMinor: 0n },
    together: customers,
  });
  const line = ['grant', '--where', 'state=active', '--days', '2'];
  await using command = startPerennial(line, { url: database.url });
  await until('the first batch', async () => (await readProcessed(database)) > 0);
  command.kill('SIGKILL');
  await command.exit;
  expect(await readProcessed(database)).toBeLessThan(customers);
  await using _ = startPerennial(['start', '--role', 'worker'], {
    url: database.url,
    workers: 'bulk-jobs: { every: 1s }',
  });
  await until(
    'the end of the job',
    async () => (await readProcessed(database)) === customers,
    180_000,
  );
  const rows = await database.query<{ grants: number }>`
    SELECT count(*)::int AS grants FROM perennial.period WHERE source = 'grant'`;
  expect(rows).toEqual([{ grants: customers }]);
}, 240_000);
