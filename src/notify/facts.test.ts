import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { call, earlierOne, end, shortPayer, start, verdicts } from '../../test/owed-warnings.ts';
import { openShop, payer, runOf } from '../../test/shop.ts';
import { readClock } from '../db/clock.ts';
import { inTransaction } from '../db/connect.ts';
import { instant } from '../kernel/instant.ts';
import { topUp } from '../subscription/balance.ts';
import { purchase } from '../subscription/buying.ts';
import { grant, revoke, setAutoRenew } from '../subscription/granting.ts';
import { refund } from '../subscription/refunding.ts';
import { callOff, readOpenAlarms, sound } from './alarms.ts';
import { readFacts } from './facts.ts';

// On real books: what each command makes of what was owed before it.

const owed = {
  receipt: 'send',
  low_balance: 'send',
  ends_24h: 'too_late',
  ends_3h: 'low_balance',
};
const moved = {
  receipt: 'send',
  low_balance: 'end_moved',
  ends_24h: 'end_moved',
  ends_3h: 'end_moved',
};

test('while nothing changes, what is owed is said; of all about one end the short balance', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  expect(await verdicts(books)).toEqual(owed);
});

test('a top-up that covers the price makes warnings untrue before anything is renewed', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await topUp(call(books), { telegramId: 1n, amountMinor: 48_99n });
  expect(await verdicts(books)).toEqual(owed);
  await topUp(call(books), { telegramId: 1n, amountMinor: 1n });
  expect(await verdicts(books)).toEqual({
    receipt: 'send',
    low_balance: 'will_be_renewed',
    ends_24h: 'will_be_renewed',
    ends_3h: 'will_be_renewed',
  });
});

test('a renewal makes them untrue; both receipts are said', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await topUp(call(books), { telegramId: 1n, amountMinor: 49_00n });
  await runOf(books, 'auto-renewal');
  expect(await verdicts(books)).toEqual(moved);
});

test('a purchase makes them untrue', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await topUp(call(books), { telegramId: 1n, amountMinor: 49_00n });
  await purchase(call(books), { telegramId: 1n, plan: 'basic', periodDays: 30 });
  expect(await verdicts(books)).toEqual(moved);
});

test('a grant makes them untrue, and is told; taken away again, it is not', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await grant(call(books), { telegramId: 1n, days: 3 });
  expect(await verdicts(books)).toEqual({ ...moved, grant: 'send' });
  await revoke(call(books), { telegramId: 1n, reason: 'test' });
  const revoked = { low_balance: 'revoked', ends_24h: 'revoked', ends_3h: 'revoked' };
  expect(await verdicts(books)).toEqual({ ...moved, ...revoked, grant: 'revoked', revoke: 'send' });
});

test('a refund is told with the receipt of what it gave back, and nothing else is', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  const { id: periodId } = await books.db
    .selectFrom('perennial.period')
    .select('id')
    .executeTakeFirstOrThrow();
  await refund(call(books), { telegramId: 1n, periodId: periodId as never, part: 'whole' });
  expect(await verdicts(books)).toEqual({ ...moved, refund: 'send' });
});

test('auto-renewal switched off: the balance is not short any more, the end comes all the same', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await setAutoRenew(call(books), { telegramId: 1n, on: false });
  const off = { ...owed, low_balance: 'not_renewed', ends_3h: 'send' };
  expect(await verdicts(books)).toEqual(off);
  // While both may still be said.
  await books.setClock('2026-11-25T05:59:59.999Z');
  expect(await verdicts(books)).toEqual({ ...off, ends_24h: 'later_reminder' });
});

test('the end itself is told while it lasts', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await books.setClock(end);
  await runOf(books, 'fast-expiry-cleanup');
  const ended = { low_balance: 'ended', ends_24h: 'ended', ends_3h: 'ended' };
  // The receipt is 30 days old by now, and was never sent.
  expect(await verdicts(books)).toEqual({ receipt: 'too_late', ...ended, expired: 'send' });
  await topUp(call(books), { telegramId: 1n, amountMinor: 49_00n });
  await runOf(books, 'auto-renewal');
  expect(await verdicts(books)).toEqual({ ...moved, expired: 'not_ended' });
});

test('somebody who blocked the bot: a failed message is waited after, for a week', async () => {
  await using books = await freshBooks({ now: start });
  await shortPayer(books);
  await sql`
    UPDATE perennial.notification
    SET state = 'failed', sending_since = '2026-11-25T07:00:00Z' WHERE kind = 'receipt'`.execute(
    books.db,
  );
  await sql`UPDATE perennial.customer SET reachable = false`.execute(books.db);
  expect(await verdicts(books)).toMatchObject({ low_balance: 'wait', ends_3h: 'low_balance' });
});

test("a customer's balance pays for what ends first; the next one hears what is missing", async () => {
  await using books = await freshBooks({ now: start });
  const id = await shortPayer(books);
  await topUp(call(books), { telegramId: 1n, amountMinor: 49_00n });
  await earlierOne(books, id);
  expect(await verdicts(books)).toMatchObject({ low_balance: 'send', ends_3h: 'low_balance' });
});

test('an alarm that is over is not said, nor that one is over which nobody heard of', async () => {
  await using books = await freshBooks({ now: start });
  const params = { node: 'nl-1', waiting: 1, oldest_at: end };
  const raised = () =>
    inTransaction(books.db, (tx) => sound(tx, [{ kind: 'alarm_removal', params }]));
  const over = () =>
    inTransaction(books.db, async (tx) => {
      const now = await readClock(tx);
      await callOff(tx, await readOpenAlarms(tx, now), now);
    });
  await raised();
  expect(await verdicts(books)).toEqual({ alarm_removal: 'send' });
  await over();
  expect(await verdicts(books)).toEqual({ alarm_removal: 'over', alarm_over: 'alarm_never_said' });
  await sql`
    UPDATE perennial.notification SET state = 'sent', sent_at = ${start}
    WHERE kind = 'alarm_removal'`.execute(books.db);
  expect(await verdicts(books)).toMatchObject({ alarm_over: 'send' });
  // The next time of the same trouble, within the same millisecond: it is true, and its end is not
  // told since that one was never said.
  await raised();
  expect(await verdicts(books)).toMatchObject({ alarm_removal: 'send' });
  await over();
  expect(await verdicts(books)).toEqual({ alarm_removal: 'over', alarm_over: 'alarm_never_said' });
});

test('the reader, and the title of the plan that it is about', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await payer(books, 7n, 0n);
  const read = await inTransaction(books.db, (tx) => readFacts(tx, [1n], instant(0)));
  expect(read.get(1n)).toMatchObject({
    reader: { telegramId: 7n, locale: 'en', timeZone: 'UTC' },
    planTitle: { en: 'Basic' },
  });
});
