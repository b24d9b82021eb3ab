import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { crowd, runOf, sells, wrongsIn } from '../a-book.ts';
import { freshBooks } from '../books.ts';
import { openReseller } from '../reseller.ts';

// How long a batch keeps everybody else in its process from a turn. Counted in processor time of
// this thread, not by the clock on the wall: on a busy machine that stands still for other reasons.

/** The longest stretch in which nothing else got a turn, while `work` goes on. */
async function longestStretchMs(work: () => Promise<unknown>): Promise<number> {
  const spentUs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  };
  let [before, longestUs] = [spentUs(), 0];
  const sample = () => {
    const now = spentUs();
    longestUs = Math.max(longestUs, now - before);
    before = now;
  };
  const turns = setInterval(sample, 1);
  await work();
  clearInterval(turns);
  sample();
  return longestUs / 1_000;
}

const batchMax = 1_000;
const count = 3 * batchMax;

const toBeReminded = sql`UPDATE perennial.subscription SET remind_at = perennial.clock()`;
const onTrial = sql`
  UPDATE perennial.subscription SET remind_at = perennial.clock(), kind = 'trial',
    auto_renew = false, started_at = expires_at - interval '3 days'`;

test.each([
  ['auto-renewal', '2026-11-30T20:00:00Z', 149_00n, undefined],
  ['fast-expiry-cleanup', '2026-12-02T00:00:00Z', 0n, undefined],
  ['trial-notifications', '2026-11-30T18:00:00Z', 0n, onTrial],
  ['expiry-reminders', '2026-11-30T12:00:00Z', 0n, toBeReminded],
])(
  'P4: batches of 1,000 of %s keep others from their turn for less than 100 ms',
  async (worker, now, balanceMinor, isDue) => {
    await using books = await freshBooks({ now });
    await sells(books);
    await crowd(books, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor });
    await isDue?.execute(books.db);
    const longestMs = await longestStretchMs(async () => {
      const run = await runOf(books, worker, { batchMax, confirmed: true });
      expect(run).toMatchObject({ outcome: 'success', changed: BigInt(count) });
    });
    expect(longestMs).toBeLessThan(100);
    expect(await wrongsIn(books.db)).toEqual([]);
  },
  120_000,
);

test('P4: a courier, which takes one after the other, keeps others from their turn for less than 100 ms', async () => {
  await using books = await freshBooks({ now: '2026-11-30T12:00:00Z' });
  await sells(books);
  await crowd(books, { count: 150, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 0n });
  await toBeReminded.execute(books.db);
  // Texts are read once, at the start of a process.
  await runOf(books, 'deliver-notifications');
  await runOf(books, 'expiry-reminders');
  const longestMs = await longestStretchMs(async () => {
    const run = await runOf(books, 'deliver-notifications');
    expect(run).toMatchObject({ outcome: 'success', changed: 150n });
  });
  expect(longestMs).toBeLessThan(100);
}, 120_000);

test('P4: reminders of a customer with 10,000 subscriptions keep others from their turn for less than 100 ms', async () => {
  await using books = await freshBooks({ now: '2026-11-01T12:30:00Z' });
  await openReseller(books, 10_000, '2026-11-03T12:00:00Z');
  await sql`
    UPDATE perennial.subscription SET remind_at = perennial.clock() WHERE id % 40 = 0`.execute(
    books.db,
  );
  // Texts are read once, at the start of a process.
  await runOf(books, 'deliver-notifications');
  const longestMs = await longestStretchMs(async () => {
    const reminded = await runOf(books, 'expiry-reminders');
    expect(reminded).toMatchObject({ outcome: 'success', changed: 250n });
    const sent = await runOf(books, 'deliver-notifications');
    expect(sent).toMatchObject({ outcome: 'success', changed: 250n });
  });
  expect(longestMs).toBeLessThan(100);
}, 120_000);

test('P4: work that gives nobody a turn is found out', async () => {
  const untilUs = process.threadCpuUsage().user + 150_000;
  const longestMs = await longestStretchMs(async () => {
    while (process.threadCpuUsage().user < untilUs);
  });
  expect(longestMs).toBeGreaterThanOrEqual(140);
});
