import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import type { SubscriptionId } from '../../../src/kernel/ids.ts';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../../../src/kernel/instant.ts';
import { openReplica, type Replica } from '../../../src/leases/replica.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  parseTime,
  runWorker,
} from '../../support/shop.ts';

// An outage of 72 hours in virtual time. Before and after it all workers run every two hours.
// Trials begin, and paid subscriptions of four days. They begin every four hours and some minutes,
// from three days before the outage to its end, in four time zones.

const begins = parseTime('2026-11-17T00:00:00Z');
const outageFrom = parseTime('2026-11-20T00:00:00Z');
const outageUntil = later(outageFrom, 72 * hourMs);
const ends = later(outageUntil, 2 * dayMs);
const tickMs = 2 * hourMs;
const arrivalIntervalMs = 4 * hourMs + 7 * minuteMs;

const zones = ['UTC', 'Europe/Moscow', 'Asia/Tokyo', 'America/New_York'];
/** The hours of the day, in UTC, at which it is 9 in the morning and 23 in the evening there. */
const night: Readonly<Record<string, readonly [from: number, until: number]>> = {
  UTC: [23, 9],
  'Europe/Moscow': [20, 6],
  'Asia/Tokyo': [14, 0],
  'America/New_York': [4, 14],
};
const names = ['trial-notifications', 'expiry-reminders', 'auto-renewal', 'fast-expiry-cleanup'];

interface SentNotification {
  readonly subscriptionId: SubscriptionId;
  readonly kind: string;
  readonly at: Instant;
  readonly until: string;
}

interface OutageCustomer {
  readonly subscriptionId: SubscriptionId;
  readonly zone: string;
  readonly kind: 'trial' | 'unpaid' | 'renewing';
  readonly startedAt: Instant;
  readonly expiresAt: Instant;
}

let database: TestDatabase;
let replica: Replica;
let sent: SentNotification[];
let customers: OutageCustomer[];

async function runWorkers(now: Instant): Promise<void> {
  await database.setClock(now);
  for (const name of names) await runWorker(database, name, { replica });
}

/** A trial, a subscription that will not be renewed, and one that will. */
async function createArrivals(index: number): Promise<void> {
  const zone = zones[index % zones.length] as string;
  const telegramIds = [3 * index + 1, 3 * index + 2, 3 * index + 3].map(BigInt) as [
    bigint,
    bigint,
    bigint,
  ];
  await addCustomer(database, telegramIds[0], { timeZone: zone });
  await startTrial(createCaller(database), { telegramId: telegramIds[0] });
  await addCustomer(database, telegramIds[1], { timeZone: zone, balanceMinor: 60_00n });
  const week = { plan: 'mini', periodDays: 4 };
  await buyPlan(database, telegramIds[1], { ...week, autoRenew: false });
  await addCustomer(database, telegramIds[2], { timeZone: zone, balanceMinor: 60_00n });
  await buyPlan(database, telegramIds[2], week);
}

beforeAll(async () => {
  database = await createShopDatabase({ now: begins });
  await database.query`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('mini', 4, 'RUB', '2020-01-01Z', 1000)`;
  replica = openReplica(database.url);
  let index = 0;
  let arrivalAt = begins;
  for (let now = begins; now <= ends; now = later(now, tickMs)) {
    while (arrivalAt <= now && arrivalAt < outageUntil) {
      await database.setClock(arrivalAt);
      await createArrivals(index);
      index += 1;
      arrivalAt = later(arrivalAt, arrivalIntervalMs);
    }
    if (now < outageFrom || now >= outageUntil) await runWorkers(now);
  }
  await replica.close();
  ({ rows: sent } = await sql<SentNotification>`
    SELECT subscription_id AS "subscriptionId", kind, created_at AS at,
      params->>'expires_at' AS until FROM perennial.notification
    WHERE customer_id IS NOT NULL ORDER BY id`.execute(database.db));
  ({ rows: customers } = await sql<OutageCustomer>`
    SELECT s.id AS "subscriptionId", c.time_zone AS zone,
      CASE WHEN s.kind = 'trial' THEN 'trial' WHEN s.auto_renew THEN 'renewing' ELSE 'unpaid' END
        AS kind, s.started_at AS "startedAt", s.started_at + s.period_days * interval '24 hours'
        AS "expiresAt"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    ORDER BY s.id`.execute(database.db));
  await database.close();
}, 300_000);

const isNight = (zone: string, moment: Instant): boolean => {
  const [from, until] = night[zone] as readonly [number, number];
  const hour = Math.floor(moment / hourMs) % 24;
  return from > until ? hour >= from || hour < until : hour >= from && hour < until;
};

/** The first run from a time on. There is none in the outage. */
function findRunTime(moment: number): Instant {
  let now = Math.ceil(moment / tickMs) * tickMs;
  while (now >= outageFrom && now < outageUntil) now += tickMs;
  return now as Instant;
}

/** The first run that may send it. In the night only if the morning is past the end. */
function computeSendTime({ zone, expiresAt }: OutageCustomer, due: Instant): Instant {
  for (let now = findRunTime(due); ; ) {
    let morning = now;
    while (isNight(zone, morning)) morning = later(morning, hourMs);
    if (morning === now || morning >= expiresAt) return now;
    now = findRunTime(morning);
  }
}

/**
 * The expected notifications of a customer: those of the table that neither the next one nor the
 * end replaces.
 */
function listExpected(one: OutageCustomer): string[] {
  const { startedAt, expiresAt, kind: what } = one;
  const table: readonly (readonly [string, Instant])[] =
    what === 'trial'
      ? [
          ['trial_6h', later(startedAt, 6 * hourMs)],
          ['trial_48h', later(startedAt, 48 * hourMs)],
          ['trial_ending', later(expiresAt, -6 * hourMs)],
        ]
      : [
          ['ends_3d', later(expiresAt, -72 * hourMs)],
          ['ends_24h', later(expiresAt, -24 * hourMs)],
          ['ends_3h', later(expiresAt, -3 * hourMs)],
        ];
  return table.flatMap(([kind, due], n) => {
    const sendAt = computeSendTime(one, due);
    const next = table[n + 1]?.[1] ?? expiresAt;
    return sendAt < next && sendAt < expiresAt ? [`${kind} ${new Date(sendAt).toISOString()}`] : [];
  });
}

const isReminder = ({ kind }: SentNotification) => /^(trial_(6h|48h|ending)|ends_)/.test(kind);
const listSentTo = (one: OutageCustomer) =>
  sent.filter((row) => row.subscriptionId === one.subscriptionId);

test('T4: each reminder is enqueued once, at the first permitted run, unless the next one or the end replaced it', () => {
  const some = customers.filter(({ kind }) => kind !== 'renewing');
  expect(some.length).toBeGreaterThan(60);
  const wrong = some.flatMap((one) => {
    const received = listSentTo(one)
      .filter(isReminder)
      .map((row) => `${row.kind} ${new Date(row.at).toISOString()}`);
    // Customers who expired before, during and after the outage each get the notifications of the
    // table.
    const wanted = listExpected(one).filter(
      (line) => line.slice(-24) <= new Date(ends).toISOString(),
    );
    return JSON.stringify(received) === JSON.stringify(wanted)
      ? []
      : [{ one, received, expected: wanted }];
  });
  expect(wrong).toEqual([]);
  const late = sent.filter(({ at: moment }) => moment === outageUntil).filter(isReminder);
  expect(late.length).toBeGreaterThan(5);
});

test('T4: after the outage no customer gets two notifications at once, or one about a present end', () => {
  for (const one of customers) {
    const received = listSentTo(one).filter(isReminder);
    const moments = received.map(({ at: moment }) => moment);
    expect(new Set(moments).size).toBe(moments.length);
    expect(received.filter((row) => row.at >= parseTime(row.until))).toEqual([]);
    for (const row of received.filter(({ at: moment }) => isNight(one.zone, moment))) {
      // In the night only if the morning would be too late.
      expect(parseTime(row.until) - row.at).toBeLessThanOrEqual(10 * hourMs);
    }
  }
});

test('T4 R7: no receipt is missing, and a customer with enough balance gets only receipts', () => {
  const renewing = customers.filter(({ kind }) => kind === 'renewing');
  for (const one of renewing) {
    const kinds = listSentTo(one).map(({ kind }) => kind);
    const periods = Math.ceil((ends - one.startedAt + 6 * hourMs) / (4 * dayMs));
    expect(kinds).toEqual(Array.from({ length: Math.max(1, periods) }, () => 'receipt'));
  }
});
