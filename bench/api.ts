import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { buildDataset } from '../testbed/dataset.ts';
import { receiveMessage } from './child.ts';
import { openBenchDatabases, withClient } from './databases.ts';
import { runEngine } from './engine.ts';
import { auditDatabase } from './fingerprint.ts';
import { type Benchmark, type Options, quantile, type Row } from './table.ts';

// Response times of the API during auto-renewal, and their cost for the renewals. 500 requests per
// second are sent at fixed times, without waiting for earlier answers. So a stall counts for every
// request that meets it.

const usualLoad = { perSecond: 500, durationS: 30 } as const;
const smallLoad = { perSecond: 50, durationS: 2 } as const;
type Load = typeof usualLoad | typeof smallLoad;

interface LoadResult {
  readonly tookMs: number[];
  readonly errors: string[];
}

/** The requests of bots: mostly the state of a customer, at times a price, and payments. */
function toRequest(n: number, customers: number): { method: string; path: string; body?: string } {
  const telegramId = 100_000_001 + ((n * 7_919) % customers);
  if (n % 10 < 6) return { method: 'GET', path: `/v1/customers/${telegramId}` };
  if (n % 10 < 8) {
    const query = `telegram_id=${telegramId}&plan=basic&period_days=30&new=true`;
    return { method: 'GET', path: `/v1/quote?${query}` };
  }
  if (n % 10 === 8) return { method: 'GET', path: `/v1/customers/${telegramId}/ledger` };
  return { method: 'POST', path: `/v1/customers/${telegramId}/top-ups`, body: '{"amount": "10"}' };
}

async function sendLoad(
  address: string,
  token: string,
  customers: number,
  { perSecond, durationS }: Load,
): Promise<LoadResult> {
  const answers: LoadResult = { tookMs: [], errors: [] };
  const startedMs = performance.now();
  const pending: Promise<void>[] = [];
  const sendOne = async (n: number): Promise<void> => {
    const dueMs = startedMs + (n * 1_000) / perSecond;
    const { method, path, body } = toRequest(n, customers);
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) {
      Object.assign(headers, {
        'content-type': 'application/json',
        'idempotency-key': `load-${n}`,
      });
    }
    const response = await fetch(`${address}${path}`, { method, headers, ...(body && { body }) });
    const text = await response.text();
    answers.tookMs.push(performance.now() - dueMs);
    if (!response.ok) answers.errors.push(`${method} ${path}: ${response.status} ${text}`);
  };
  for (let n = 0; n < perSecond * durationS; ) {
    const due = Math.min(
      perSecond * durationS,
      Math.floor(((performance.now() - startedMs) * perSecond) / 1_000) + 1,
    );
    for (; n < due; n += 1) {
      pending.push(sendOne(n).catch((error: unknown) => void answers.errors.push(String(error))));
    }
    await pause(1);
  }
  await Promise.all(pending);
  return answers;
}

async function startApi(
  url: string,
): Promise<{ child: ChildProcess; address: string; token: string }> {
  const child = fork(new URL('./api-run.ts', import.meta.url).pathname, [url]);
  const started = (await receiveMessage(child, 'api')) as { address: string; token: string };
  return { child, ...started };
}

async function api({ subscriptions, due, small, server, log }: Options): Promise<Row[]> {
  const requested = small ? smallLoad : usualLoad;
  await using databases = await openBenchDatabases(server);
  await databases.template('dataset', (client) => buildDataset(client, { subscriptions, due }));
  log(`built ${subscriptions} subscriptions, ${due} due`);
  const customers = await withClient(databases.url('dataset'), async (client) =>
    Number((await client.query('SELECT count(*) FROM perennial.customer')).rows[0].count),
  );
  const rows: Row[] = [];
  const work = { worker: 'auto-renewal' };

  const alone = await runEngine(await databases.copy('dataset', 'measured'), 1, work);
  const aloneRate = (countChanged(alone.reports) * 1_000) / alone.ms;
  rows.push({ variant: 'renewals alone', rate: Math.round(aloneRate) });
  await databases.drop('measured');
  log(`renewals alone: ${Math.round(aloneRate)}/s`);

  for (const withRenewals of [false, true]) {
    const url = await databases.copy('dataset', 'measured');
    const { child, address, token } = await startApi(url);
    const [answers, engine] = await Promise.all([
      sendLoad(address, token, customers, requested),
      withRenewals ? runEngine(url, 1, work) : undefined,
    ]);
    child.disconnect();
    await once(child, 'exit');
    const variant = withRenewals ? 'API while renewals run' : 'API alone';
    const errors = answers.errors.length;
    const took = { p50_ms: quantile(answers.tookMs, 0.5), p99_ms: quantile(answers.tookMs, 0.99) };
    rows.push({
      variant,
      rate: Math.round(answers.tookMs.length / requested.durationS),
      ...took,
      errors,
    });
    log(
      `${variant}: p50 ${took.p50_ms.toFixed(1)} ms, p99 ${took.p99_ms.toFixed(1)} ms, ${errors} errors`,
    );
    if (errors > 0) log(answers.errors.slice(0, 3).join('\n'));
    if (engine !== undefined) {
      const rate = (countChanged(engine.reports) * 1_000) / engine.ms;
      rows.push({
        variant: 'renewals under that load',
        rate: Math.round(rate),
        to_alone: rate / aloneRate,
      });
      await withClient(url, (client) => auditDatabase(client, url));
      log(`renewals under that load: ${Math.round(rate)}/s; audit passed`);
    }
    await databases.drop('measured');
  }
  return rows;
}

const countChanged = (reports: readonly { readonly changed: number }[]): number =>
  reports.reduce((all, { changed }) => all + changed, 0);

export const benchmark: Benchmark = {
  description: '500 requests a second for 30 s, alone and while 100,000 renewals run',
  run: api,
};
