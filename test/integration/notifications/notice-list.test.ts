import { expect, test } from 'vitest';
import { listNotices } from '../../../src/notifications/operator-actions.ts';
import { explain, recordStatements } from '../../../testbed/explain.ts';
import { createShopDatabase, createSubscriber } from '../../support/shop.ts';

// The pages that a list of notifications reads depend on its own page, not on the table.

test('a list by a rare kind or state reads few pages of a large table without statistics', async () => {
  await using database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await createSubscriber(database, 7n, 0n);
  await database.pool.query(`
    INSERT INTO perennial.notification (customer_id, channel, kind, dedupe_key, params, state,
      next_attempt_at, sent_at, created_at)
    SELECT c.id, 'telegram', 'renewal', 'many:' || n, '{}', 'sent', perennial.clock(),
      perennial.clock(), perennial.clock()
    FROM perennial.customer c, generate_series(1, 50000) n`);
  const { db, statements } = recordStatements(database.pool);
  const pages = [
    await listNotices(db, { max: 50, kind: 'receipt' }),
    await listNotices(db, { max: 50, state: 'pending' }),
    await listNotices(db, { max: 50, state: 'failed' }),
    await listNotices(db, { max: 50, kind: 'renewal', state: 'failed' }),
    await listNotices(db, { max: 50, kind: 'renewal', before: 1_000n }),
  ];
  expect(pages.map(({ notices }) => notices.length)).toEqual([1, 1, 0, 0, 50]);
  for (const { buffers, reads } of await explain(database.pool, statements)) {
    expect(reads).toContain('notification_list');
    expect(buffers).toBeLessThan(800);
  }
}, 60_000);
