import pg from 'pg';
import { openDatabase, openPool } from '../src/db/connect.ts';
import { openReplica } from '../src/leases/replica.ts';
import { openTelegram } from '../src/notifications/channels/telegram/telegram.ts';
import { openTexts } from '../src/notifications/texts.ts';
import { startCouriers } from '../src/workers/deliver-notifications/couriers.ts';
import { startBotApi } from '../testbed/bot-api/bot-api.ts';
import { until } from '../testbed/until.ts';
import { openBenchDatabases } from './databases.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// The share of the allowed pace that a courier reaches, and its rate without a limit. The Bot API
// is as strict and slow as Telegram.

/** Pending receipts of this many customers. */
const toReceiptsSql = (count: number): string => `
  INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{"en": "Basic"}', '{all}');
  INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    SELECT n, 'RUB', 'token-of-the-bench-' || n, now() FROM generate_series(1, ${count}) n;
  INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at)
    SELECT id, 'paid', 'basic', 30, 'active', now(), now() + interval '30 days'
    FROM perennial.customer;
  INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT customer_id, id, 'telegram', 'receipt', 'bench:' || id,
      '{"plan": "basic", "currency": "RUB", "amount": "149.00", "balance_after": "0.00",
        "period_days": 30, "starts_at": "2026-11-24T09:00:00Z", "ends_at": "2026-12-24T09:00:00Z"}',
      now(), now()
    FROM perennial.subscription;`;

interface Pace {
  readonly perSecond: number;
  readonly answerMs: number;
  readonly count: number;
}

/** Messages per second from the first to the last arrival, and the number of 429 answers. */
async function measure(url: string, { perSecond, answerMs, count }: Pace) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(toReceiptsSql(count));
  await client.query('VACUUM ANALYZE');
  const strict = perSecond <= 30 ? 30 : Number.POSITIVE_INFINITY;
  const api = await startBotApi({
    limits: { perSecond: strict, gapMs: 1_000 },
    conduct: () => ({ slowMs: answerMs }),
  });
  const [replica, db] = [openReplica(url), openDatabase(openPool(url))];
  const channel = openTelegram({
    ...{ token: '123456789:bench', api: api.url, admins: [], perSecond },
  });
  const silent = (): void => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const admins = { locale: 'en', timeZone: 'UTC' };
  const delivery = { channels: [channel], texts: openTexts(), admins };
  const couriers = startCouriers({ url, db, replica, log, ...delivery });
  const arrived = () => api.log.filter((each) => each.arrived);
  const arrivals = await until(
    'all arrived',
    () => (arrived().length === count ? arrived() : undefined),
    600_000,
  );
  await couriers.stop();
  await replica.close();
  await db.destroy();
  await client.end();
  await api.stop();
  const seconds = ((arrivals.at(-1)?.atMs ?? 0) - (arrivals[0]?.atMs ?? 0)) / 1_000;
  return { rate: (count - 1) / seconds, count429: api.waits.length };
}

async function delivery({ rounds, small, server, log }: Options): Promise<Row[]> {
  await using databases = await openBenchDatabases(server);
  await databases.template('delivery', async () => undefined);
  const variants: Readonly<Record<string, Pace>> = {
    '20 a second, answers in 80 ms': { perSecond: 20, answerMs: 80, count: small ? 20 : 600 },
    '20 a second, answers in 500 ms': { perSecond: 20, answerMs: 500, count: small ? 20 : 600 },
    'as fast as it can': { perSecond: 100_000, answerMs: 20, count: small ? 40 : 3_000 },
  };
  const rows: Row[] = [];
  for (const [variant, pace] of Object.entries(variants)) {
    const rates: number[] = [];
    let count429 = 0;
    for (let round = 1; round <= rounds; round += 1) {
      const url = await databases.copy('delivery', 'delivered');
      const measured = await measure(url, pace);
      await databases.drop('delivered');
      rates.push(measured.rate);
      count429 += measured.count429;
      log(
        `${variant}, round ${round}: ${measured.rate.toFixed(1)}/s, ${measured.count429} times 429`,
      );
    }
    const rate = median(rates);
    const share = pace.perSecond <= 30 ? { share_of_pace: rate / pace.perSecond } : {};
    rows.push({ variant, rate, ...share, told_429: count429 });
  }
  return rows;
}

export const benchmark: Benchmark = {
  description: 'the share of the allowed pace that a courier reaches',
  run: delivery,
};
