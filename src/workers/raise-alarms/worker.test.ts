import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { look, ran, told } from '../../../test/alarms.ts';
import { freshBooks } from '../../../test/books.ts';
import { crowd, openShop, runOf } from '../../../test/shop.ts';
import { inTransaction } from '../../db/connect.ts';
import { type Instant, later, minuteMs, parseInstant } from '../../kernel/instant.ts';
import { putAside, release } from '../quarantine.ts';

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const minutes = (count: number): Instant => later(start, count * minuteMs);

test('a worker that fails 3 times in a row is told once, and that it runs again', async () => {
  await using books = await freshBooks({ now: start });
  const error = { error: 'no connection' };
  await ran(books, minutes(0), 'failed', error);
  await ran(books, minutes(1), 'failed', error);
  await look(books, minutes(2));
  expect(await told(books)).toEqual([]);
  await ran(books, minutes(3), 'failed', error);
  expect(await look(books, minutes(4))).toMatchObject({ changed: 1n, detail: { raised: 1 } });
  await ran(books, minutes(5), 'failed', error);
  await look(books, minutes(6));
  const alarm = 'alarm_worker auto-renewal 3';
  expect(await told(books)).toEqual([alarm]);
  // Idle, and so of no account, but that it ends the row.
  await ran(books, minutes(7), 'success');
  await look(books, minutes(8));
  const over = 'alarm_over alarm_worker auto-renewal';
  expect(await told(books)).toEqual([alarm, over]);
  for (const minute of [10, 11, 12]) await ran(books, minutes(minute), 'failed', error);
  await look(books, minutes(13));
  expect(await told(books)).toEqual([alarm, over, alarm]);
});

test('an idle run in between is a good one: two failures and two are not four', async () => {
  await using books = await freshBooks({ now: start });
  for (const minute of [0, 1]) await ran(books, minutes(minute), 'failed');
  await ran(books, minutes(2), 'success');
  for (const minute of [3, 4]) await ran(books, minutes(minute), 'failed');
  await look(books, minutes(5));
  expect(await told(books)).toEqual([]);
});

test('idle runs leave no trace but the first after trouble', async () => {
  await using books = await freshBooks({ now: start });
  await ran(books, minutes(0), 'success');
  await ran(books, minutes(1), 'failed');
  await ran(books, minutes(2), 'success');
  await ran(books, minutes(3), 'success');
  const { rows } = await sql`SELECT outcome FROM perennial.worker_run ORDER BY id`.execute(
    books.db,
  );
  expect(rows).toEqual([{ outcome: 'failed' }, { outcome: 'success' }]);
});

test('an alarm that stays open is told again once a day', async () => {
  await using books = await freshBooks({ now: start });
  for (const minute of [0, 1, 2]) await ran(books, minutes(minute), 'failed');
  await look(books, minutes(3));
  for (const minute of [1_440, 1_441, 1_442]) await ran(books, minutes(minute), 'failed');
  await look(books, minutes(1_442.9));
  expect(await told(books)).toHaveLength(1);
  await look(books, minutes(1_443));
  await look(books, minutes(1_444));
  expect(await told(books)).toHaveLength(2);
});

test('a removal that no node confirms is told after 5 minutes, and when it is confirmed', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await crowd(books, 3, '2026-11-25T09:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await look(books, later(minutes(5), -1));
  expect(await told(books)).toEqual([]);
  await look(books, minutes(5));
  await look(books, minutes(6));
  expect(await told(books)).toEqual(['alarm_removal nl-1 3']);
  await sql`DELETE FROM perennial.access_sync`.execute(books.db);
  await look(books, minutes(7));
  expect(await told(books)).toEqual(['alarm_removal nl-1 3', 'alarm_over alarm_removal nl-1']);
});

test('a guard that holds is called off once it holds nothing', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await crowd(books, 50, '2026-11-25T09:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await look(books, minutes(1));
  const alarm = 'alarm_guard fast-expiry-cleanup 45';
  expect(await told(books)).toEqual([alarm]);
  await books.setClock(minutes(2));
  await runOf(books, 'fast-expiry-cleanup', { confirmed: true });
  await look(books, minutes(6));
  expect(await told(books)).toContain('alarm_over alarm_guard fast-expiry-cleanup');
});

test('a quarantine is told by reason, again when it has grown tenfold, and when it is empty', async () => {
  await using books = await freshBooks({ now: start });
  const aside = (items: readonly string[]) =>
    inTransaction(books.db, (tx) =>
      putAside(
        tx,
        'auto-renewal',
        items.map((item) => ({ item, reason: 'no_price', sentence: 'test' })),
        start,
      ),
    );
  const many = Array.from({ length: 10 }, (_, index) => String(index + 1));
  await aside(['1']);
  await aside(['1', '2']);
  await look(books, minutes(1));
  const alarm = 'alarm_quarantine auto-renewal';
  expect(await told(books)).toEqual([alarm]);
  await aside(many.slice(0, 9));
  expect(await told(books)).toEqual([alarm]);
  await aside(many);
  expect(await told(books)).toEqual([alarm, alarm]);
  await look(books, minutes(2));
  await inTransaction(books.db, (tx) => release(tx, 'auto-renewal', many));
  await look(books, minutes(3));
  await look(books, minutes(4));
  expect(await told(books)).toEqual([alarm, alarm, 'alarm_over alarm_quarantine auto-renewal']);
});

test('a clock that is off is told by the machine itself, once, and is over when nothing is skipped', async () => {
  await using books = await freshBooks({ now: start });
  const skew = { reason: 'off', skew_s: 47 };
  await ran(books, minutes(0), 'skipped', skew);
  await ran(books, minutes(1), 'skipped', skew);
  const alarm = 'alarm_clock host-2';
  expect(await told(books)).toEqual([alarm]);
  const { rows } = await sql`
    SELECT params->>'sentence' AS sentence FROM perennial.notification`.execute(books.db);
  const clock = expect.stringMatching(
    /^the clock of host-2 \(process \d+, replica \d+\) is 47 s ahead of the database clock$/,
  );
  expect(rows).toEqual([{ sentence: clock }]);
  // One that left its work to another process has no trouble with its clock.
  await ran(books, minutes(10), 'skipped', { reason: 'its courier is another process' });
  await look(books, later(minutes(16), -1));
  expect(await told(books)).toEqual([alarm]);
  await look(books, minutes(16));
  expect(await told(books)).toEqual([alarm, 'alarm_over alarm_clock host-2']);
});

test('replicas that look at once tell each trouble once', async () => {
  await using books = await freshBooks({ now: start });
  for (const minute of [0, 1, 2]) await ran(books, minutes(minute), 'failed');
  await Promise.all(Array.from({ length: 5 }, () => look(books, minutes(3))));
  expect(await told(books)).toEqual(['alarm_worker auto-renewal 3']);
  await ran(books, minutes(4), 'success');
  await Promise.all(Array.from({ length: 5 }, () => look(books, minutes(5))));
  expect(await told(books)).toHaveLength(2);
});

test('a look at quiet books leaves no trace', async () => {
  await using books = await freshBooks({ now: start });
  expect(await look(books, start)).toMatchObject({ outcome: 'success', examined: 0n });
  const { rows } = await sql`SELECT FROM perennial.worker_run`.execute(books.db);
  expect(rows).toEqual([]);
});
