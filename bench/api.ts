import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { buildBook } from './book.ts';
import { auditBooks } from './books-made.ts';
import { messageOf } from './child.ts';
import { runEngine } from './engine.ts';
import { openPlace, using } from './place.ts';
import { type Benchmark, type Options, quantile, type Row } from './table.ts';

// How the API answers while auto-renewal works, and how much that costs the renewals: 500 requests a
// second, sent when their time has come and not when the one before was answered, so that a stall is
// counted for everybody who would have met it.

const usualLoad = { perSecond: 500, lastsS: 30 } as const;
const smallLoad = { perSecond: 50, lastsS: 2 } as const;
type Load = typeof usualLoad | typeof smallLoad;

interface Answers {
  readonly tookMs: number[];
  readonly wrong: string[];
}

/** What bots ask: mostly who somebody is, at times what something costs, and money. */
function requestOf(n: number, customers: number): { method: string; path: string; body?: string } {
  const who = 100_000_001 + ((n * 7_919) % customers);
  if (n % 10 < 6) return { method: 'GET', path: `/v1/customers/${who}` };
  if (n % 10 < 8) {
    const of = `telegram_id=${who}&plan=basic&period_days=30&new=true`;
    return { method: 'GET', path: `/v1/quote?${of}` };
  }
  if (n % 10 === 8) return { method: 'GET', path: `/v1/customers/${who}/ledger` };
  return { method: 'POST', path: `/v1/customers/${who}/top-ups`, body: '{"amount": "10"}' };
}

async function load(
  address: string,
  token: string,
  customers: number,
  { perSecond, lastsS }: Load,
): Promise<Answers> {
  const answers: Answers = { tookMs: [], wrong: [] };
  const begunMs = performance.now();
  const asked: Promise<void>[] = [];
  const one = async (n: number): Promise<void> => {
    const dueMs = begunMs + (n * 1_000) / perSecond;
    const { method, path, body } = requestOf(n, customers);
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
    if (!response.ok) answers.wrong.push(`${method} ${path}: ${response.status} ${text}`);
  };
  for (let n = 0; n < perSecond * lastsS; ) {
    const due = Math.min(
      perSecond * lastsS,
      Math.floor(((performance.now() - begunMs) * perSecond) / 1_000) + 1,
    );
    for (; n < due; n += 1) {
      asked.push(one(n).catch((error: unknown) => void answers.wrong.push(String(error))));
    }
    await pause(1);
  }
  await Promise.all(asked);
  return answers;
}

async function startApi(
  url: string,
): Promise<{ child: ChildProcess; address: string; token: string }> {
  const child = fork(new URL('./api-run.ts', import.meta.url).pathname, [url]);
  const told = (await messageOf(child, 'api')) as { address: string; token: string };
  return { child, ...told };
}

async function api({ subscriptions, due, small, server, say }: Options): Promise<Row[]> {
  const requested = small ? smallLoad : usualLoad;
  await using place = await openPlace(server);
  await place.template('book', (client) => buildBook(client, { subscriptions, due }));
  say(`built ${subscriptions} subscriptions, ${due} due`);
  const customers = await using(place.url('book'), async (client) =>
    Number((await client.query('SELECT count(*) FROM perennial.customer')).rows[0].count),
  );
  const rows: Row[] = [];
  const work = { worker: 'auto-renewal' };

  const alone = await runEngine(await place.copy('book', 'measured'), 1, work);
  const aloneRate = (sum(alone.reports) * 1_000) / alone.ms;
  rows.push({ variant: 'renewals alone', rate: Math.round(aloneRate) });
  await place.drop('measured');
  say(`renewals alone: ${Math.round(aloneRate)}/s`);

  for (const withRenewals of [false, true]) {
    const url = await place.copy('book', 'measured');
    const { child, address, token } = await startApi(url);
    const [answers, engine] = await Promise.all([
      load(address, token, customers, requested),
      withRenewals ? runEngine(url, 1, work) : undefined,
    ]);
    child.disconnect();
    await once(child, 'exit');
    const variant = withRenewals ? 'API while renewals run' : 'API alone';
    const errors = answers.wrong.length;
    const took = { p50_ms: quantile(answers.tookMs, 0.5), p99_ms: quantile(answers.tookMs, 0.99) };
    rows.push({
      variant,
      rate: Math.round(answers.tookMs.length / requested.lastsS),
      ...took,
      errors,
    });
    say(
      `${variant}: p50 ${took.p50_ms.toFixed(1)} ms, p99 ${took.p99_ms.toFixed(1)} ms, ${errors} errors`,
    );
    if (errors > 0) say(answers.wrong.slice(0, 3).join('\n'));
    if (engine !== undefined) {
      const rate = (sum(engine.reports) * 1_000) / engine.ms;
      rows.push({
        variant: 'renewals under that load',
        rate: Math.round(rate),
        to_alone: rate / aloneRate,
      });
      await using(url, (client) => auditBooks(client, url));
      say(`renewals under that load: ${Math.round(rate)}/s; books are right`);
    }
    await place.drop('measured');
  }
  return rows;
}

const sum = (reports: readonly { readonly changed: number }[]): number =>
  reports.reduce((all, { changed }) => all + changed, 0);

export const benchmark: Benchmark = {
  says: '500 requests a second for 30 s, alone and while 100,000 renewals run',
  run: api,
};
