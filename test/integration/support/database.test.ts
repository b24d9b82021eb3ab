import { expect, test } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { instant, parseInstant } from '../../../src/kernel/instant.ts';
import { createDatabase } from '../../support/database.ts';
import { hookPool, type StatementEvent } from '../../support/hooked-pool.ts';

test('two test databases share no rows', async () => {
  await using one = await createDatabase();
  await using other = await createDatabase();
  await one.db
    .insertInto('perennial.customer')
    .values({ telegram_id: 1n, currency: 'RUB', sub_token: 's'.repeat(22), created_at: 'now' })
    .execute();
  const count = (db: typeof one.db) => db.selectFrom('perennial.customer').selectAll().execute();
  expect([(await count(one.db)).length, (await count(other.db)).length]).toEqual([1, 0]);
});

test('a stored clock keeps its time until it is set again', async () => {
  await using database = await createDatabase({ now: '2026-11-24T09:00:00Z' });
  expect(await readClock(database.db)).toBe(parseInstant('2026-11-24T09:00:00Z', 'now'));
  await database.setClock(instant(0));
  expect(await readClock(database.db)).toBe(0);
});

test('a hook receives each statement of a transaction, also BEGIN and COMMIT', async () => {
  const seen: string[] = [];
  const hook = ({ sql, n, when }: StatementEvent) => void seen.push(`${n} ${when} ${sql}`);
  await using database = await createDatabase({ wrapPool: (pool) => hookPool(pool, hook) });
  await database.db.transaction().execute(async (tx) => readClock(tx));
  expect(seen.filter((line) => line.includes('before'))).toEqual([
    '1 before begin',
    '2 before SELECT perennial.clock() AS now',
    '3 before commit',
  ]);
  expect(seen).toHaveLength(6);
});

test('a hook that throws before COMMIT undoes the transaction; a hook that throws after it does not', async () => {
  for (const when of ['before', 'after'] as const) {
    const hook = (moment: StatementEvent) => {
      if (moment.sql === 'commit' && moment.when === when) throw new Error('lost');
    };
    await using database = await createDatabase({ wrapPool: (pool) => hookPool(pool, hook) });
    const work = database.db.transaction().execute(async (tx) => {
      await tx.insertInto('perennial.setting').values({ key: 'trial', value: '{}' }).execute();
    });
    await expect(work).rejects.toThrow('lost');
    const rows = await database.db.selectFrom('perennial.setting').selectAll().execute();
    expect(rows).toHaveLength(when === 'before' ? 0 : 1);
  }
});
