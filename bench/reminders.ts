import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { benchNow } from '../testbed/dataset.ts';
import { openBenchDatabases, withClient } from './databases.ts';
import type { Work } from './engine.ts';
import { measureTick } from './idle.ts';
import {
  computeRate,
  measureVariant,
  measureVariants,
  toEngineVariant,
  toRow,
  type Variant,
} from './measure.ts';
import type { Benchmark, Options, Row } from './table.ts';

// The rate of trial reminders, against one statement with all the same writes, and the cost of an
// idle run with a million running trials.

/**
 * Trials in the order of their starts. Of the due ones, one third each is 6 h and 48 h after its
 * start, and 6 h before its end. The others started in the last 6 h.
 */
const toTrialsSql = (count: number, due: number): string => `
  SET session_replication_role = replica; -- rows that are right by construction: no checks
  SET synchronous_commit = off;
  SET maintenance_work_mem = '1GB';
  UPDATE perennial.installation SET clock_at = '${new Date(benchNow).toISOString()}';
  INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{"en": "Basic"}', '{all}');
  CREATE TEMPORARY TABLE begun AS
    SELECT i, date_trunc('milliseconds', perennial.clock() - CASE
      WHEN i * 3 <= ${due} THEN interval '66 hours'
      WHEN i * 3 <= 2 * ${due} THEN interval '48 hours'
      WHEN i <= ${due} THEN interval '6 hours'
      ELSE interval '0' END
      - CASE WHEN i <= ${due} THEN (${due} - i)::float8 / ${count} * interval '35 minutes'
        ELSE (${count} - i)::float8 / ${count} * interval '350 minutes' END) AS at
    FROM generate_series(1, ${count}) AS i;
  INSERT INTO perennial.customer (telegram_id, time_zone, currency, trial_used_at, sub_token,
      created_at)
    SELECT i, ('{UTC,Europe/Moscow,Europe/Moscow,Asia/Yekaterinburg,Asia/Novosibirsk}'::text[])[
      1 + i % 5], 'RUB', at, 'token' || lpad(i::text, 17, '0'), at FROM begun ORDER BY i;
  INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, auto_renew, remind_at)
    SELECT i, 'trial', 'basic', 3, 'active', at, at + interval '72 hours', false, CASE
      WHEN i * 3 <= ${due} THEN at + interval '66 hours'
      WHEN i * 3 <= 2 * ${due} THEN at + interval '48 hours'
      ELSE at + interval '6 hours' END
    FROM begun ORDER BY i;
  INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT id, customer_id, 'trial', plan, started_at, expires_at, 'RUB'
    FROM perennial.subscription ORDER BY id;
  INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
    SELECT gen_random_uuid(), id, customer_id, started_at FROM perennial.subscription ORDER BY id;`;

async function build(client: pg.Client, count: number, due: number): Promise<void> {
  await client.query(toTrialsSql(count, due));
  await client.query('VACUUM (ANALYZE, FREEZE)');
}

const ceilingSql = await readFile(new URL('./reminders-ceiling.sql', import.meta.url), 'utf8');

/** Enough memory that the statement writes nothing to disk. */
const ceiling: Variant = (url) =>
  withClient(url, async (client) => {
    await client.query("SET work_mem = '256MB'");
    const startedMs = performance.now();
    const { rows } = await client.query(ceilingSql, [new Date(benchNow)]);
    return { changed: Number(rows[0].reminded), ms: performance.now() - startedMs, cpuMs: 0 };
  });

async function reminders({ subscriptions, due, rounds, server, log }: Options): Promise<Row[]> {
  const work: Work = { worker: 'trial-notifications' };
  await using databases = await openBenchDatabases(server);
  await databases.template('due', (client) => build(client, subscriptions, due));
  log(`built ${subscriptions} trials, ${due} to be reminded`);
  const results = await measureVariants(
    rounds,
    {
      ceiling: () => measureVariant(databases, 'due', ceiling, { work }),
      'engine, 1 run': () => measureVariant(databases, 'due', toEngineVariant(1, work), { work }),
      'engine, 2 runs': () => measureVariant(databases, 'due', toEngineVariant(2, work), { work }),
    },
    log,
  );
  const top = computeRate(results.get('ceiling'));
  const rows = [...results].map(([variant, all]) =>
    toRow(variant, all, { to_ceiling: computeRate(all) / top }, 'reminder'),
  );
  await databases.template('idle', (client) => build(client, subscriptions, 0));
  const variant = `idle tick, ${subscriptions} trials`;
  return [...rows, await measureTick(databases, 'idle', variant, work.worker)];
}

export const benchmark: Benchmark = {
  description: 'reminders of trials against one statement, and an idle tick with a million of them',
  run: reminders,
};
