import { expect, test } from 'vitest';
import type { CredentialId, SubscriptionId } from '../../../../src/kernel/ids.ts';
import { type Instant, isoTime, parseInstant } from '../../../../src/kernel/instant.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import { expectFault } from '../../../support/faults.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  parseTime,
} from '../../../support/shop.ts';

const begin = '2026-11-24T09:00:00Z';
const end = '2026-11-27T09:00:00Z';

async function createTrialShop(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: begin });
  return database;
}

const startTrialOf = (database: TestDatabase, telegramId: bigint, key?: string) =>
  startTrial(createCaller(database, key), { telegramId });

async function readRights({ query }: TestDatabase, id: number | bigint) {
  const rows = await query<{
    kind: string;
    live: CredentialId[];
    marks: number;
    remindAt: Instant | null;
    periods: string[];
  }>`
    SELECT s.kind, s.remind_at AS "remindAt",
      (SELECT array_agg(c.id) FROM perennial.credential c
        WHERE c.subscription_id = s.id AND c.retired_at IS NULL) AS live,
      (SELECT count(*)::int FROM perennial.access_sync m
        JOIN perennial.credential c ON c.id = m.credential_id WHERE c.subscription_id = s.id) AS marks,
      (SELECT array_agg(source || ' from ' || to_char(starts_at, 'MM-DD HH24:MI') ORDER BY starts_at)
        FROM perennial.period p WHERE p.subscription_id = s.id) AS periods
    FROM perennial.subscription s WHERE s.id = ${BigInt(id)}`;
  const [row] = rows;
  if (row === undefined) throw new Error(`there is no subscription ${id}`);
  return { ...row, remindAt: row.remindAt === null ? null : isoTime(row.remindAt) };
}

test('T6: a trial is the configured days of the configured plan, with a credential and its marks', async () => {
  await using database = await createTrialShop();
  await addCustomer(database, 1n);
  const trial = await startTrialOf(database, 1n);
  expect(trial).toMatchObject({ plan: 'basic', days: 3, ends_at: isoTime(parseTime(end)) });
  const id = BigInt(trial.subscription_id) as SubscriptionId;
  await expectSubscription(database, id, { state: 'active', ends: end, charges: 0 });
  expect(await readRights(database, id)).toMatchObject({
    kind: 'trial',
    live: [expect.any(String)],
    marks: 1,
    remindAt: '2026-11-24T15:00:00.000Z',
    periods: ['trial from 11-24 09:00'],
  });
  const rows = await database.query`
    SELECT e.action, c.trial_used_at = e.at AS noted FROM perennial.event e
    JOIN perennial.customer c ON c.id = e.customer_id WHERE e.action <> 'created'`;
  expect(rows).toEqual([{ action: 'trial_started', noted: true }]);
  expect(await findViolations(database.db)).toEqual([]);
});

test('T6: a customer gets one trial, also after it ended or was revoked', async () => {
  await using database = await createTrialShop();
  await addCustomer(database, 1n);
  await startTrialOf(database, 1n);
  const sentence = 'the customer has used the trial; a customer has one trial';
  const again = () => expect(startTrialOf(database, 1n)).rejects.toThrow(sentence);
  await again();
  await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
  await again();
  await database.setClock('2028-01-01T00:00:00Z');
  await again();
});

test('T6: a customer who has or had a subscription gets no trial, and the refusal names the subscription', async () => {
  await using database = await createTrialShop();
  await createSubscriber(database, 1n, 0n);
  await addCustomer(database, 2n);
  await grant(createCaller(database), { telegramId: 2n, days: 1, newPlan: 'plus' });
  await database.setClock('2027-06-01T00:00:00Z');
  await expect(startTrialOf(database, 1n)).rejects.toThrow(
    'a trial requires a customer without an earlier subscription; the customer has subscription 1 (paid basic, active)',
  );
  await expectFault(startTrialOf(database, 2n), 'has_paid');
});

test('T6: a trial that is not offered, or whose plan is not for sale any more, is refused', async () => {
  await using database = await createTrialShop();
  await addCustomer(database, 1n);
  await database.query`UPDATE perennial.plan SET retired_at = ${begin} WHERE key = 'basic'`;
  await expectFault(startTrialOf(database, 1n), 'no_plan');
  await database.query`DELETE FROM perennial.setting WHERE key = 'trial'`;
  await expectFault(startTrialOf(database, 1n), 'no_trial');
  await expectFault(startTrialOf(database, 9n), 'no_customer');
});

test('T6: of eight concurrent requests with different keys one gets a trial', async () => {
  await using database = await createTrialShop();
  await addCustomer(database, 1n);
  const asked = Array.from({ length: 8 }, (_, n) => startTrialOf(database, 1n, `key-${n}`));
  const settled = await Promise.allSettled(asked);
  const refusals = settled.filter((one) => one.status === 'rejected');
  expect(refusals.map(({ reason }) => reason.code)).toEqual(Array(7).fill('trial_used'));
  const rows = await database.query<{ trials: number; live: number }>`
    SELECT (SELECT count(*)::int FROM perennial.subscription) AS trials,
      (SELECT count(*)::int FROM perennial.credential WHERE retired_at IS NULL) AS live`;
  expect(rows).toEqual([{ trials: 1, live: 1 }]);
});

test('T6: a concurrent trial and purchase leave one subscription, because the second one reads the first', async () => {
  await using database = await createTrialShop();
  for (let customer = 1n; customer <= 6n; customer += 1n) {
    await addCustomer(database, customer, { balanceMinor: 149_00n });
    const both = [() => startTrialOf(database, customer), () => buyPlan(database, customer)];
    if (customer % 2n === 0n) both.reverse();
    const [one, other] = await Promise.allSettled(both.map((ask) => ask()));
    for (const settled of [one, other]) {
      if (settled?.status === 'rejected') expect(settled.reason.code).toBe('has_paid');
    }
  }
  const rows = await database.query<{ customers: number; kinds: string[] }>`
    SELECT count(DISTINCT customer_id)::int AS customers, array_agg(DISTINCT kind) AS kinds
    FROM perennial.subscription HAVING count(*) = 6`;
  expect(rows).toEqual([{ customers: 6, kinds: ['paid'] }]);
  expect(await findViolations(database.db)).toEqual([]);
});

test.each([
  ['in the middle', '2026-11-25T00:00:00Z', end],
  ['at its last moment', '2026-11-27T08:59:59.999Z', end],
  ['after its end, before it expires', '2026-11-27T09:00:30Z', '2026-11-27T09:00:30Z'],
])(
  'a purchase %s converts the trial: same subscription and credential, paid from its end',
  async (_, now, paidFrom) => {
    await using database = await createTrialShop();
    await addCustomer(database, 1n, { balanceMinor: 149_00n });
    const trial = await startTrialOf(database, 1n);
    const before = await readRights(database, trial.subscription_id);
    await database.setClock(now);
    expect(await buyPlan(database, 1n)).toBe(BigInt(trial.subscription_id));
    const after = await readRights(database, trial.subscription_id);
    const from = parseInstant(paidFrom, 'test');
    expect(after.live).toEqual(before.live);
    expect(after.kind).toBe('paid');
    expect(after.periods).toEqual([
      'trial from 11-24 09:00',
      `purchase from ${isoTime(from).slice(5, 16).replace('T', ' ')}`,
    ]);
    // The reminders are those of a paid subscription: the first is 3 days before the new end.
    const days = 24 * 60 * 60 * 1_000;
    expect(after.remindAt).toBe(new Date(from + 27 * days).toISOString());
    expect(await findViolations(database.db)).toEqual([]);
  },
);
