import { expect, test } from 'vitest';
import { openDatabase, openPool } from '../../../../src/db/connect.ts';
import { minuteMs, secondMs } from '../../../../src/kernel/instant.ts';
import { Backoff } from '../../../../src/workers/deliver-notifications/backoff.ts';
import {
  acquireCourier,
  readCourier,
} from '../../../../src/workers/deliver-notifications/lease.ts';
import { createDatabase } from '../../../support/database.ts';
import { hookPool } from '../../../support/hooked-pool.ts';

const noon = '2026-11-24T12:00:00Z';
const error = 'no answer in time';

/** A database with a courier, and a hook before and after each write of its row. */
async function createLease(hook: (when: 'before' | 'after', n: number) => Promise<void> | void) {
  const database = await createDatabase({ now: noon });
  let writes = 0;
  const pool = hookPool(openPool(database.url), ({ when, sql: text }) => {
    if (!text.includes('UPDATE perennial.courier')) return;
    if (when === 'before') writes += 1;
    return hook(when, writes);
  });
  const db = openDatabase(pool);
  const entered = await acquireCourier(db, {
    id: 'telegram:1',
    name: 'telegram',
    servedChannel: 'telegram',
    exclusive: true,
  });
  if (entered.is !== 'acquired') throw new Error(`it is ${entered.by}'s`);
  const { lease } = entered;
  const row = async () => {
    const { now, restsUntil, failures } = (await readCourier(db, lease)) as never as {
      now: number;
      restsUntil: number | null;
      failures: number;
    };
    return { failures, restMs: restsUntil === null ? null : restsUntil - now };
  };
  const close = async () => {
    await db.destroy();
    await database.close();
  };
  return { db, lease, row, writes: () => writes, [Symbol.asyncDispose]: close };
}

test('a pause counts from its answer, and the row gets the remaining time once it can be written', async () => {
  let away = true;
  await using stage = await createLease((when) => {
    if (away && when === 'before') throw new Error('the database is unreachable');
  });
  const { db, lease, row, writes } = stage;
  const backoff = new Backoff();
  expect(backoff.observe({ is: 'throttled', retryAfterMs: minuteMs }, 0)).toBe(minuteMs);
  expect(backoff.remainingMs()).toBeGreaterThan(minuteMs - secondMs);
  for (let attempt = 0; attempt < 2; attempt += 1)
    await expect(backoff.write(db, lease)).rejects.toThrow();
  expect(await row()).toEqual({ failures: 0, restMs: null });
  away = false;
  const beforeMs = backoff.remainingMs();
  await backoff.write(db, lease);
  const { restMs } = await row();
  expect(restMs).toBeLessThanOrEqual(Math.ceil(beforeMs));
  expect(restMs).toBeGreaterThanOrEqual(Math.floor(backoff.remainingMs()));
  // A written state is not written again.
  const before = writes();
  await backoff.write(db, lease);
  expect(writes()).toBe(before);
});

test('many observations at once take one connection, and the row has the last state', async () => {
  const first = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using stage = await createLease((when, n) => {
    if (n !== 1 || when !== 'before') return;
    begun.resolve();
    return first.promise;
  });
  const { db, lease, row, writes } = stage;
  const backoff = new Backoff();
  backoff.observe({ is: 'uncertain', error }, 0);
  const all = [backoff.write(db, lease)];
  await begun.promise;
  for (let failures = 1; failures < 16; failures += 1) {
    backoff.observe({ is: 'uncertain', error }, failures);
    all.push(backoff.write(db, lease));
  }
  expect(writes()).toBe(1);
  first.resolve();
  await Promise.all(all);
  expect(await row()).toMatchObject({ failures: 16 });
  expect(writes()).toBe(2);
});

test('the state of the row is restored, except if this process has a newer one', async () => {
  await using stage = await createLease(() => undefined);
  const { db, lease } = stage;
  const backoff = new Backoff();
  backoff.restore(5);
  expect(backoff.failures).toBe(5);
  backoff.observe({ is: 'uncertain', error }, 5);
  backoff.restore(5);
  expect(backoff.failures).toBe(6);
  await backoff.write(db, lease);
  backoff.restore(0);
  expect(backoff.failures).toBe(0);
});
