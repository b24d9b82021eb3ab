import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../src/db/connect.ts';
import type { NoticeState } from '../../../src/db/schema.ts';
import {
  cancelNotification,
  listNotices,
  resendNotification,
} from '../../../src/notifications/operator-actions.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { setCustomer } from '../../../src/subscription/commands/customer.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import {
  createCaller,
  createShop,
  createShopDatabase,
  createSubscriber,
} from '../../support/shop.ts';

const start = '2026-11-25T09:00:00Z';

/** A customer with a receipt, number 1, in this state. */
async function createReceipt(database: TestDatabase, state: NoticeState): Promise<void> {
  await createShop(database);
  await createSubscriber(database, 1n, 0n);
  await setState(database, state);
}

async function setState({ db }: Pick<TestDatabase, 'db'>, state: NoticeState): Promise<void> {
  await sql`
    UPDATE perennial.notification SET state = ${state}, sending_since = ${start},
      sent_at = ${start}, reason = 'test', next_attempt_at = '2027-01-01Z'`.execute(db);
}

async function readState({ db }: Pick<TestDatabase, 'db'>) {
  const { rows } = await sql`
    SELECT state, reason, next_attempt_at <= perennial.clock() AS due
    FROM perennial.notification`.execute(db);
  return rows[0];
}

const due = { state: 'pending', reason: null, due: true };
const refusal = /notification 1 (is being sent now|was sent 2026|is (suppressed|failed))/;

test.each<[NoticeState, object | undefined, object | undefined]>([
  ['pending', due, { state: 'suppressed', reason: 'cancelled' }],
  ['uncertain', due, { state: 'suppressed', reason: 'cancelled, may have arrived' }],
  ['sending', undefined, undefined],
  ['sent', due, undefined],
  ['suppressed', due, undefined],
  ['failed', due, undefined],
])('a notification that is %s: sent again, cancelled', async (state, resent, cancelled) => {
  await using database = await createDatabase({ now: start });
  await createReceipt(database, state);
  for (const [act, after] of [
    [resendNotification, resent],
    [cancelNotification, cancelled],
  ] as const) {
    await setState(database, state);
    if (after === undefined) {
      await expect(act(database.db, 1n, 'test')).rejects.toThrow(refusal);
      expect(await readState(database)).toMatchObject({ state, reason: 'test' });
    } else {
      await act(database.db, 1n, 'test');
      expect(await readState(database)).toMatchObject(after);
    }
  }
});

test('a notification that is cancelled after a lost answer may have arrived, in any later state', async () => {
  await using database = await createDatabase({ now: start });
  await createReceipt(database, 'pending');
  await database.query`UPDATE perennial.notification SET lost_answers = 1`;
  const reason = 'cancelled, may have arrived';
  expect(await cancelNotification(database.db, 1n, 'test')).toMatchObject({
    state: 'suppressed',
    reason,
  });
  expect(await readState(database)).toMatchObject({ state: 'suppressed', reason });
});

test('actions of a person are events of the customer', async () => {
  await using database = await createDatabase({ now: start });
  await createReceipt(database, 'sent');
  await resendNotification(database.db, 1n, 'an-operator');
  await cancelNotification(database.db, 1n, 'an-operator');
  const rows = await database.query`
    SELECT action, detail FROM perennial.event WHERE actor = 'an-operator' ORDER BY id`;
  const detail = { notice_id: '1', kind: 'receipt' };
  expect(rows).toEqual([
    { action: 'notice_resent', detail },
    { action: 'notice_cancelled', detail },
  ]);
});

test('an action during the claim of a courier waits, and is refused', async () => {
  await using database = await createDatabase({ now: start });
  await createReceipt(database, 'pending');
  const marked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const courier = inTransaction(database.db, async (tx) => {
    await sql`SELECT FROM perennial.customer WHERE telegram_id = 1 FOR NO KEY UPDATE`.execute(tx);
    marked.resolve();
    await release.promise;
    await sql`
      UPDATE perennial.notification SET state = 'sending', sending_since = ${start}`.execute(tx);
  });
  await marked.promise;
  const cancellation = cancelNotification(database.db, 1n, 'test');
  release.resolve();
  await courier;
  await expect(cancellation).rejects.toThrow('is being sent now');
  expect(await readState(database)).toMatchObject({ state: 'sending' });
});

test('an unknown notification is refused', async () => {
  await using database = await createDatabase({ now: start });
  await expect(resendNotification(database.db, 9n, 'test')).rejects.toThrow(
    'id: "9" is not a notification',
  );
});

test('the list goes back page by page and ends, also while notifications are added', async () => {
  await using database = await createShopDatabase({ now: start });
  for (const id of [1n, 2n, 3n, 4n, 5n]) await createSubscriber(database, id, 0n);
  const first = await listNotices(database.db, { max: 2 });
  expect(first.notices.map((row) => row.telegramId)).toEqual([5n, 4n]);
  await createSubscriber(database, 6n, 0n);
  const second = await listNotices(database.db, { max: 2, before: first.next ?? 0n });
  expect(second.notices.map((row) => row.telegramId)).toEqual([3n, 2n]);
  const third = await listNotices(database.db, { max: 2, before: second.next ?? 0n });
  expect(third).toMatchObject({ notices: [{ telegramId: 1n, kind: 'receipt' }], next: undefined });
  expect(await listNotices(database.db, { max: 1, telegramId: 1n })).toMatchObject({
    notices: [{ telegramId: 1n }],
    next: undefined,
  });
  const none = { notices: [], next: undefined };
  expect(await listNotices(database.db, { max: 9, state: 'sent' })).toEqual(none);
  expect(await listNotices(database.db, { max: 9, kind: 'refund' })).toEqual(none);
  await expect(listNotices(database.db, { max: 9, telegramId: 99n })).rejects.toThrow(
    '"99" is not a customer',
  );
});

test.each([
  [
    'does something',
    (database: TestDatabase) => setAutoRenew(createCaller(database), { telegramId: 1n, on: false }),
  ],
  [
    'is written down',
    (database: TestDatabase) =>
      setCustomer(createCaller(database), { telegramId: 1n, locale: 'ru' }),
  ],
  [
    'is reported as reachable',
    (database: TestDatabase) =>
      setCustomer(createCaller(database), { telegramId: 1n, reachable: true }),
  ],
])(
  'a customer who blocked the bot and %s is sent to again, with the notifications that waited',
  async (_, act) => {
    await using database = await createDatabase({ now: start });
    await createReceipt(database, 'pending');
    await database.query`UPDATE perennial.customer SET reachable = false`;
    await act(database);
    expect(await readState(database)).toMatchObject({ state: 'pending', due: true });
    const rows = await database.query`SELECT reachable FROM perennial.customer`;
    expect(rows).toEqual([{ reachable: true }]);
  },
);

test('a customer who is reported as unreachable stays unreachable', async () => {
  await using database = await createDatabase({ now: start });
  await createReceipt(database, 'pending');
  for (let again = 0; again < 2; again += 1) {
    await setCustomer(createCaller(database), { telegramId: 1n, reachable: false });
    const rows = await database.query`SELECT reachable FROM perennial.customer`;
    expect(rows).toEqual([{ reachable: false }]);
  }
});
