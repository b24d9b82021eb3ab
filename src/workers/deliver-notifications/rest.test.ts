import { expect, test } from 'vitest';
import { freshBooks } from '../../../test/books.ts';
import { hookPool } from '../../../test/hooked-pool.ts';
import { openBooks, openPool } from '../../db/connect.ts';
import { minuteMs, secondMs } from '../../kernel/instant.ts';
import { enterPost, readCourier } from './post.ts';
import { Rest } from './rest.ts';

const noon = '2026-11-24T12:00:00Z';
const error = 'no answer in time';

/** Books with a courier, and a hook before and after each writing of its row. */
async function aPost(hook: (when: 'before' | 'after', n: number) => Promise<void> | void) {
  const books = await freshBooks({ now: noon });
  let writes = 0;
  const pool = hookPool(openPool(books.url), ({ when, sql: text }) => {
    if (!text.includes('UPDATE perennial.courier')) return;
    if (when === 'before') writes += 1;
    return hook(when, writes);
  });
  const db = openBooks(pool);
  const entered = await enterPost(db, {
    id: 'telegram:1',
    name: 'telegram',
    takes: 'telegram',
    exclusive: true,
  });
  if (entered.is !== 'entered') throw new Error(`it is ${entered.by}'s`);
  const { post } = entered;
  const row = async () => {
    const { now, restsUntil, failures } = (await readCourier(db, post)) as never as {
      now: number;
      restsUntil: number | null;
      failures: number;
    };
    return { failures, restMs: restsUntil === null ? null : restsUntil - now };
  };
  const close = async () => {
    await db.destroy();
    await books.close();
  };
  return { db, post, row, writes: () => writes, [Symbol.asyncDispose]: close };
}

test('a wait counts from when it was told; the row gets what is left of it once it can be written', async () => {
  let away = true;
  await using stage = await aPost((when) => {
    if (away && when === 'before') throw new Error('the database is away');
  });
  const { db, post, row, writes } = stage;
  const rest = new Rest();
  expect(rest.heed({ is: 'too_many', retryAfterMs: minuteMs }, 0)).toBe(minuteMs);
  expect(rest.ms()).toBeGreaterThan(minuteMs - secondMs);
  for (let again = 0; again < 2; again += 1) await expect(rest.write(db, post)).rejects.toThrow();
  expect(await row()).toEqual({ failures: 0, restMs: null });
  away = false;
  const beforeMs = rest.ms();
  await rest.write(db, post);
  const { restMs } = await row();
  expect(restMs).toBeLessThanOrEqual(Math.ceil(beforeMs));
  expect(restMs).toBeGreaterThanOrEqual(Math.floor(rest.ms()));
  // What is written isn't written again.
  const before = writes();
  await rest.write(db, post);
  expect(writes()).toBe(before);
});

test('what is learnt by many at once takes one connection, and the row says the last of it', async () => {
  const first = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using stage = await aPost((when, n) => {
    if (n !== 1 || when !== 'before') return;
    begun.resolve();
    return first.promise;
  });
  const { db, post, row, writes } = stage;
  const rest = new Rest();
  rest.heed({ is: 'uncertain', error }, 0);
  const all = [rest.write(db, post)];
  await begun.promise;
  for (let failures = 1; failures < 16; failures += 1) {
    rest.heed({ is: 'uncertain', error }, failures);
    all.push(rest.write(db, post));
  }
  expect(writes()).toBe(1);
  first.resolve();
  await Promise.all(all);
  expect(await row()).toMatchObject({ failures: 16 });
  expect(writes()).toBe(2);
});

test('what others wrote is taken over, unless something newer is known here', async () => {
  await using stage = await aPost(() => undefined);
  const { db, post } = stage;
  const rest = new Rest();
  rest.adopt(5);
  expect(rest.failures).toBe(5);
  rest.heed({ is: 'uncertain', error }, 5);
  rest.adopt(5);
  expect(rest.failures).toBe(6);
  await rest.write(db, post);
  rest.adopt(0);
  expect(rest.failures).toBe(0);
});
