import { expect, test } from 'vitest';
import {
  createDelivery,
  createNotifiedSubscriber,
  createStage,
  readNotifications,
  runDelivery,
  type Stage,
} from '../../../support/delivery.ts';
import { hookDatabase } from '../../../support/hooked-pool.ts';

const noon = '2026-11-24T12:00:00Z';

/** `count` receipts of one customer, all due. */
async function enqueueReceipts({ database }: Stage, count: number): Promise<void> {
  await database.query`
    INSERT INTO perennial.notification (customer_id, channel, kind, dedupe_key, params,
      next_attempt_at, created_at)
    SELECT c.id, 'telegram', 'receipt', 'test:' || n, '{"amount": "149.00", "currency": "RUB",
        "plan": "basic", "period_days": 30, "starts_at": "2026-11-24T12:00:00.000Z",
        "ends_at": "2026-12-24T12:00:00.000Z", "balance_after": "0.00"}',
      perennial.clock(), perennial.clock()
    FROM perennial.customer c CROSS JOIN generate_series(1, ${count}) n`;
}

/** One run, with the number of its searches for due notifications. */
async function runCounted(stage: Stage, delivery = createDelivery(stage.api)) {
  let searches = 0;
  await using database = hookDatabase(stage.database, ({ when, sql: text }) => {
    if (when === 'before' && text.includes('n.bulk = false')) searches += 1;
  });
  const row = await runDelivery({ ...stage, database }, delivery);
  return { row, searches };
}

// A page is 100.
test.for([100, 101])('a walk over %i due notifications ends after them', async (count) => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  await enqueueReceipts(stage, count);
  const { row, searches } = await runCounted(stage);
  expect(row).toMatchObject({ outcome: 'success', changed: BigInt(count) });
  expect(searches).toBeLessThanOrEqual(2);
});

test('a recipient that is not free at the end of a full page waits exactly as long as the pace requires', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  await enqueueReceipts(stage, 100);
  // The first one is sent. The others are skipped, and follow once the recipient is free.
  const { row, searches } = await runCounted(stage, createDelivery(stage.api, { gapMs: 10 }));
  expect(row).toMatchObject({ outcome: 'success', changed: 100n });
  expect((await readNotifications(stage.database)).every(({ state }) => state === 'sent')).toBe(
    true,
  );
  // At most two searches per message: the page, and the rest behind it.
  expect(searches).toBeLessThanOrEqual(200);
});
