import pg from 'pg';
import { createRandom } from '../../../src/demo/random.ts';
import { type BotApi, type CallOutcome, startBotApi } from '../../../testbed/bot-api/bot-api.ts';
import { createFaults } from '../../../testbed/bot-api/faults.ts';
import { until } from '../../../testbed/until.ts';
import { startProcess, type TestProcess } from '../../support/child-process.ts';
import { type CallsDuringWaits, countCallsDuringWaits, pendingMax } from './calls-during-waits.ts';

// Thousands of notifications through random faults of the gateway, while their courier crashes
// repeatedly. The log of the gateway is then compared with the database.

export interface DeliveryProofOptions {
  readonly url: string;
  readonly notices: number;
  readonly kills: number;
  readonly seed: number;
  readonly printLine?: (line: string) => void;
}

export interface DeliveryProofReport {
  readonly seconds: number;
  readonly calls: number;
  /** They are sent `at_least_once`. */
  readonly receipts: {
    readonly arrived: number;
    readonly duplicates: number;
    readonly lostAnswers: number;
  };
  readonly reminders: { readonly arrived: number; readonly uncertain: number };
  /** Answers 429. Each one starts a wait of the courier. */
  readonly waits: number;
  /**
   * Waits of couriers that crashed before they stored them, so that the successor cannot know them.
   * A wait lasts a second, so none began earlier than a second before the crash.
   */
  readonly lostWaits: number;
  /** Calls that arrived during the other waits. */
  readonly callsDuringWaits: CallsDuringWaits;
  /** Violations, each with its number. */
  readonly wrong: readonly string[];
}

/**
 * Customers 1 … n. Every second one has a pending receipt, and the others a reminder that is
 * relevant for hours.
 */
async function fillNotifications(client: pg.Client, notices: number): Promise<void> {
  // The clock is in the afternoon, so that no reminder waits for the morning.
  const ahead = 15 - new Date().getUTCHours();
  const zone = ahead === 0 ? 'UTC' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
  await client.query(`
    INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{"en": "Basic"}', '{all}')`);
  await client.query(
    `INSERT INTO perennial.customer (telegram_id, currency, sub_token, time_zone, created_at)
     SELECT n, 'RUB', 'token-of-the-proof-' || n, $2, now() FROM generate_series(1, $1::int) n`,
    [notices, zone],
  );
  await client.query(`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, auto_renew)
    SELECT id, 'paid', 'basic', 30, 'active', now() - interval '29 days',
      date_trunc('second', now()) + interval '20 hours', false
    FROM perennial.customer`);
  await client.query(`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, bulk, next_attempt_at, created_at)
    SELECT s.customer_id, s.id, 'telegram', k.kind, k.kind || ':' || s.id,
      jsonb_build_object('plan', 'basic', 'currency', 'RUB', 'expires_at', k.ends, 'missing', NULL,
        'amount', '149.00', 'balance_after', '0.00', 'period_days', 30, 'starts_at', k.ends,
        'ends_at', k.ends),
      k.kind = 'ends_24h', now(), now()
    FROM perennial.subscription s CROSS JOIN LATERAL (SELECT
      CASE s.customer_id % 2 WHEN 0 THEN 'receipt' ELSE 'ends_24h' END AS kind,
      to_char(s.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ends) k`);
}

/** One call in 20 has a fault. Some faults last until the deadline of the courier. */
const faultShare = 0.05;
const slowFaults: readonly CallOutcome[] = ['hang', 'hang_taken', { tooMany: 1 }, { tooMany: 1 }];

const perSecond = 400;
/** Shorter than a wait, so calls that were in progress at its start arrive before its end. */
const deadlineMs = 700;

export async function runDeliveryProof(
  request: DeliveryProofOptions,
): Promise<DeliveryProofReport> {
  const { url, notices, kills, seed, printLine = () => undefined } = request;
  const draw = createRandom(seed + 1);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await fillNotifications(client, notices);
  const api = await startBotApi({
    limits: { perSecond: 1.5 * perSecond, gapMs: 1_000 },
    conduct: createFaults(seed, faultShare, slowFaults),
  });
  const entry = new URL('./courier-process.ts', import.meta.url);
  const start = (): TestProcess =>
    startProcess(entry, [url, api.url, String(perSecond), String(deadlineMs)]);
  const couriers: TestProcess[] = [start(), start()];
  const lostWaits = new Set<object>();
  const begunMs = performance.now();
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      const at = Math.floor(((kill + draw()) * notices) / (kills + 1));
      await until(`${at} calls`, () => api.log.length >= at, 300_000);
      const victim = await findLeaseHolder(couriers);
      await victim[Symbol.asyncDispose]();
      for (const wait of await findUnstoredWaits(client, api)) lostWaits.add(wait);
      couriers[couriers.indexOf(victim)] = start();
      printLine(`kill ${kill + 1}: after ${api.log.length} calls`);
    }
    await until('nothing is owed', async () => (await countUnsent(client)) === 0, 600_000);
    const seconds = Math.round((performance.now() - begunMs) / 1_000);
    return { seconds, ...(await compareWithDatabase(client, api, lostWaits)) };
  } finally {
    for (const courier of couriers) await courier[Symbol.asyncDispose]();
    await client.end();
    await api.stop();
  }
}

/** Finds the process with the lease: the one that prints it after the other has exited. */
async function findLeaseHolder(couriers: readonly TestProcess[]): Promise<TestProcess> {
  const reports = couriers.map(async (courier) => {
    await courier.untilLine('that it delivers', (line) => line.startsWith('delivers here'));
    return courier;
  });
  for (const each of reports) each.catch(() => undefined);
  return Promise.race(reports);
}

/** Waits that the gateway requested and that a crashed courier did not store. */
async function findUnstoredWaits(client: pg.Client, api: BotApi): Promise<readonly object[]> {
  const { rows } = await client.query('SELECT rests_until FROM perennial.courier');
  const stored = rows[0]?.rests_until?.getTime() ?? 0;
  const now = performance.now();
  return api.waits.filter(
    // The row counts from the answer, which is later than the request here. 50 ms allow for two
    // clocks.
    ({ untilMs }) => untilMs > now && performance.timeOrigin + untilMs > stored + 50,
  );
}

async function countUnsent(client: pg.Client): Promise<number> {
  const { rows } = await client.query(`SELECT count(*)::int AS n FROM perennial.notification
    WHERE state = 'sending' OR state IN ('pending', 'uncertain') AND next_attempt_at < 'infinity'`);
  return rows[0].n;
}

interface NotificationRow {
  readonly chat: string;
  readonly kind: string;
  readonly state: string;
  readonly lost: number;
}

async function compareWithDatabase(client: pg.Client, api: BotApi, lostWaits: ReadonlySet<object>) {
  const { rows } = await client.query<NotificationRow>(`
    SELECT c.telegram_id::text AS chat, n.kind, n.state, n.lost_answers AS lost
    FROM perennial.notification n JOIN perennial.customer c ON c.id = n.customer_id`);
  const arrivals = new Map<string, number>();
  for (const { chat, arrived } of api.log) {
    if (arrived) arrivals.set(chat, (arrivals.get(chat) ?? 0) + 1);
  }
  const countArrivals = ({ chat }: NotificationRow) => arrivals.get(chat) ?? 0;
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const receipts = rows.filter(({ kind }) => kind === 'receipt');
  const reminders = rows.filter(({ kind }) => kind !== 'receipt');
  const waits = api.waits.filter((wait) => !lostWaits.has(wait));
  const callsDuringWaits = countCallsDuringWaits(api.log, waits);
  const violations: Readonly<Record<string, number>> = {
    'receipt that did not arrive': receipts.filter((row) => countArrivals(row) === 0).length,
    'receipt that is not marked sent': receipts.filter(({ state }) => state !== 'sent').length,
    'more duplicates than lost answers': rows.filter((row) => countArrivals(row) > 1 + row.lost)
      .length,
    'reminder that arrived twice': reminders.filter((row) => countArrivals(row) > 1).length,
    'reminder that is marked sent and did not arrive': reminders.filter(
      (row) => row.state === 'sent' && countArrivals(row) !== 1,
    ).length,
    'reminder that is neither sent nor uncertain': reminders.filter(
      ({ state }) => !['sent', 'uncertain'].includes(state),
    ).length,
    'calls during a wait beyond the pending ones':
      callsDuringWaits.most > pendingMax ? callsDuringWaits.most : 0,
    'last call during a wait, in ms after its start':
      callsDuringWaits.latestMs > deadlineMs ? callsDuringWaits.latestMs : 0,
  };
  return {
    calls: api.log.length,
    receipts: {
      arrived: receipts.filter((row) => countArrivals(row) > 0).length,
      duplicates: sum(receipts.map((row) => Math.max(0, countArrivals(row) - 1))),
      lostAnswers: sum(receipts.map(({ lost }) => lost)),
    },
    reminders: {
      arrived: reminders.filter((row) => countArrivals(row) > 0).length,
      uncertain: reminders.filter(({ state }) => state === 'uncertain').length,
    },
    waits: api.waits.length,
    lostWaits: lostWaits.size,
    callsDuringWaits,
    wrong: Object.entries(violations).flatMap(([what, n]) => (n === 0 ? [] : [`${what}: ${n}`])),
  };
}
