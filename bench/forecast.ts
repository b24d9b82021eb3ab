import { fork } from 'node:child_process';
import { buildDataset } from '../testbed/dataset.ts';
import { receiveMessage } from './child.ts';
import { openBenchDatabases, withClient } from './databases.ts';
import type { ForecastMeasured } from './forecast-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// The time and memory of a forecast over 30 days. It is compared with a bare sequential read of the
// same rows by the driver: customers, subscriptions and the last charge of each. Each forecast has
// a separate process.

const days = 30;

/** As a program reads it that computes nothing, 5,000 rows at a time. */
const readSql = `
  SELECT c.id, c.telegram_id, c.currency, c.balance_minor, c.vip, c.discount_percent, s.id,
    s.kind, s.state, s.auto_renew, s.plan, s.period_days, s.expires_at, s.next_try_at,
    (SELECT p.amount_minor FROM perennial.period p
     WHERE p.subscription_id = s.id AND p.refunded_at IS NULL AND p.ledger_entry_id IS NOT NULL
     ORDER BY p.starts_at DESC LIMIT 1)
  FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
  ORDER BY c.id, s.id`;

/** @returns milliseconds */
const readRows = (url: string): Promise<number> =>
  withClient(url, async (client) => {
    const startedMs = performance.now();
    await client.query('BEGIN');
    await client.query(`DECLARE rows NO SCROLL CURSOR FOR ${readSql}`);
    for (;;) {
      const { rowCount } = await client.query({ text: 'FETCH 5000 FROM rows', rowMode: 'array' });
      if (rowCount === 0) break;
    }
    await client.query('COMMIT');
    return performance.now() - startedMs;
  });

async function forecastOnce(url: string): Promise<ForecastMeasured> {
  const file = new URL('./forecast-run.ts', import.meta.url).pathname;
  const child = fork(file, [url, String(days)], { execArgv: ['--max-semi-space-size=4'] });
  return (await receiveMessage(child, 'forecast')) as ForecastMeasured;
}

async function forecast({ subscriptions, due, rounds, server, log }: Options): Promise<Row[]> {
  await using databases = await openBenchDatabases(server);
  await databases.template('dataset', (client) => buildDataset(client, { subscriptions, due }));
  log(`built ${subscriptions} subscriptions, ${due} due`);
  const url = await databases.copy('dataset', 'measured');
  const forecasts: ForecastMeasured[] = [];
  const reads: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    reads.push(await readRows(url));
    const measured = await forecastOnce(url);
    forecasts.push(measured);
    log(
      `read ${Math.round(reads.at(-1) ?? 0)} ms; forecast ${Math.round(measured.ms)} ms, ${measured.outcomes} outcomes`,
    );
  }
  const readMs = median(reads);
  const ms = median(forecasts.map((one) => one.ms));
  return [
    { variant: 'bare read', seconds: readMs / 1_000, to_read: 1 },
    {
      variant: `forecast over ${days} days`,
      seconds: ms / 1_000,
      to_read: ms / readMs,
      cpu_s: median(forecasts.map((one) => one.cpuMs)) / 1_000,
      peak_mb: Math.max(...forecasts.map((one) => one.peakMb)),
      outcomes: forecasts[0]?.outcomes,
    },
  ];
}

export const benchmark: Benchmark = {
  description: 'a forecast over 30 days against a bare read of the same rows',
  run: forecast,
};
