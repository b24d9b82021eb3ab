import { expect, test } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { instant } from '../../../src/kernel/instant.ts';
import { readRelevanceFacts } from '../../../src/notifications/relevance-store.ts';
import { clearAlarms, raiseAlarms, readOpenAlarms } from '../../../src/outbox/alarms.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { createDatabase } from '../../support/database.ts';
import {
  addBalance,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';
import {
  createEarlierSubscription,
  createShortSubscriber,
  end,
  readOutcomes,
  start,
} from '../../support/warnings.ts';

// The effect of each command on pending notifications, on a real database.

const initial = {
  receipt: 'send',
  low_balance: 'send',
  ends_24h: 'too_late',
  ends_3h: 'low_balance',
};
const endMoved = {
  receipt: 'send',
  low_balance: 'end_moved',
  ends_24h: 'end_moved',
  ends_3h: 'end_moved',
};

test('without a change every notification is relevant, and about one end only the low balance', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  expect(await readOutcomes(database)).toEqual(initial);
});

test('a top-up that covers the price outdates warnings before a renewal', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await addBalance(database, 1n, 48_99n);
  expect(await readOutcomes(database)).toEqual(initial);
  await addBalance(database, 1n, 1n);
  expect(await readOutcomes(database)).toEqual({
    receipt: 'send',
    low_balance: 'will_be_renewed',
    ends_24h: 'will_be_renewed',
    ends_3h: 'will_be_renewed',
  });
});

test('a renewal outdates warnings, and both receipts are relevant', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await addBalance(database, 1n, 49_00n);
  await runWorker(database, 'auto-renewal');
  expect(await readOutcomes(database)).toEqual(endMoved);
});

test('a purchase outdates warnings', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await addBalance(database, 1n, 49_00n);
  await buyPlan(database, 1n);
  expect(await readOutcomes(database)).toEqual(endMoved);
});

test('a grant outdates warnings and is relevant, and not after it was revoked', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await grant(createCaller(database), { telegramId: 1n, days: 3 });
  expect(await readOutcomes(database)).toEqual({ ...endMoved, grant: 'send' });
  await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
  const revoked = { low_balance: 'revoked', ends_24h: 'revoked', ends_3h: 'revoked' };
  expect(await readOutcomes(database)).toEqual({
    ...endMoved,
    ...revoked,
    grant: 'revoked',
    revoke: 'send',
  });
});

test('a refund and the receipt of its period are relevant, and nothing else', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  const { id: periodId } = await database.db
    .selectFrom('perennial.period')
    .select('id')
    .executeTakeFirstOrThrow();
  await refund(createCaller(database), {
    telegramId: 1n,
    periodId: periodId as never,
    part: 'whole',
  });
  expect(await readOutcomes(database)).toEqual({ ...endMoved, refund: 'send' });
});

test('after auto-renewal was switched off the low balance is outdated, and the reminder is relevant', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: false });
  const switchedOff = { ...initial, low_balance: 'not_renewed', ends_3h: 'send' };
  expect(await readOutcomes(database)).toEqual(switchedOff);
  // While both are still relevant.
  await database.setClock('2026-11-25T05:59:59.999Z');
  expect(await readOutcomes(database)).toEqual({ ...switchedOff, ends_24h: 'later_reminder' });
});

test('the notification of an end is relevant while the subscription has ended', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await runWorkerAt(database, end, 'fast-expiry-cleanup');
  const ended = { low_balance: 'ended', ends_24h: 'ended', ends_3h: 'ended' };
  // The receipt is 30 days old now, and was never sent.
  expect(await readOutcomes(database)).toEqual({ receipt: 'too_late', ...ended, expired: 'send' });
  await addBalance(database, 1n, 49_00n);
  await runWorker(database, 'auto-renewal');
  expect(await readOutcomes(database)).toEqual({ ...endMoved, expired: 'not_ended' });
});

test('a failed message to a customer who blocked the bot delays the next one by a week', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await database.query`
    UPDATE perennial.notification
    SET state = 'failed', sending_since = '2026-11-25T07:00:00Z' WHERE kind = 'receipt'`;
  await database.query`UPDATE perennial.customer SET reachable = false`;
  expect(await readOutcomes(database)).toMatchObject({
    low_balance: 'wait',
    ends_3h: 'low_balance',
  });
});

test('the balance pays for the subscription that ends first, and the next one has the missing amount', async () => {
  await using database = await createDatabase({ now: start });
  const id = await createShortSubscriber(database);
  await addBalance(database, 1n, 49_00n);
  await createEarlierSubscription(database, id);
  expect(await readOutcomes(database)).toMatchObject({
    low_balance: 'send',
    ends_3h: 'low_balance',
  });
});

test('a cleared alarm is suppressed, and also the end of an alarm that was never sent', async () => {
  await using database = await createDatabase({ now: start });
  const params = { node: 'nl-1', waiting: 1, oldest_at: end };
  const raise = () =>
    inTransaction(database.db, (tx) => raiseAlarms(tx, [{ kind: 'alarm_removal', params }]));
  const clear = () =>
    inTransaction(database.db, async (tx) => {
      const now = await readClock(tx);
      await clearAlarms(tx, await readOpenAlarms(tx, now), now);
    });
  await raise();
  expect(await readOutcomes(database)).toEqual({ alarm_removal: 'send' });
  await clear();
  expect(await readOutcomes(database)).toEqual({
    alarm_removal: 'over',
    alarm_over: 'alarm_never_said',
  });
  await database.query`
    UPDATE perennial.notification SET state = 'sent', sent_at = ${start}
    WHERE kind = 'alarm_removal'`;
  expect(await readOutcomes(database)).toMatchObject({ alarm_over: 'send' });
  // The next alarm of the same problem, within the same millisecond. It is relevant. Its end is not
  // sent, because the earlier alarm was never sent.
  await raise();
  expect(await readOutcomes(database)).toMatchObject({ alarm_removal: 'send' });
  await clear();
  expect(await readOutcomes(database)).toEqual({
    alarm_removal: 'over',
    alarm_over: 'alarm_never_said',
  });
});

test('the context has the reader and the title of the plan', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 7n, 0n);
  const read = await inTransaction(database.db, (tx) => readRelevanceFacts(tx, [1n], instant(0)));
  expect(read.get(1n)).toMatchObject({
    reader: { telegramId: 7n, locale: 'en', timeZone: 'UTC' },
    planTitle: { en: 'Basic' },
  });
});
