import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../../../testbed/until.ts';
import { createDatabase } from '../../support/database.ts';
import {
  createDueSubscriptions,
  readRenewalState,
  withOwnerClient,
} from '../../support/due-subscriptions.ts';
import { startPerennial } from '../../support/perennial-process.ts';

// Two versions of the program on one database, as during an upgrade. The next version is this one
// with another number and one more migration. Replicas of this version keep running.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const root = fileURLToPath(new URL('../../../', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'perennial-next-'));
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'perennial', version: '99.1.0', type: 'module' }),
  );
  const migrations = join(folder, 'src', 'db', 'migrations');
  const number = String(readdirSync(migrations).length + 1).padStart(3, '0');
  writeFileSync(
    join(migrations, `${number}-next.sql`),
    `-- oldest-program: 0.1.0\nALTER TABLE perennial.subscription ADD COLUMN next_version text;\n`,
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 40 trials that began 6 h ago, in a time zone where it is about noon. */
const trialsDue = `
  INSERT INTO perennial.customer (telegram_id, currency, sub_token, time_zone, created_at)
    SELECT 1000 + n, 'RUB', left(md5('trial' || n), 22), 'Etc/GMT' || to_char(
      extract(hour FROM now() AT TIME ZONE 'UTC')::int - 12, 'FMSG99'), '2026-01-01Z'
    FROM generate_series(1, 40) n;
  INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, auto_renew, remind_at)
    SELECT id, 'trial', 'basic', 3, 'active', at - interval '6 hours', at + interval '66 hours',
      false, at
    FROM (SELECT id, date_trunc('second', now()) - interval '1 minute' AS at
      FROM perennial.customer WHERE telegram_id > 1000) AS trial`;

const nextEntry = () => join(folder, 'src', 'main.ts');

test('P10: versions N−1 and N side by side on N’s schema renew each period, remind of each trial and send each notification exactly once', async () => {
  await using database = await createDatabase();
  await using before = startPerennial(['start'], {
    url: database.url,
    autoRenewal: 'every: 1s, batch: 10',
  });
  await before.untilReady();

  // The upgrade: the migration of N, while N−1 runs.
  const migrated = startPerennial(['migrate'], { url: database.url, entry: nextEntry() });
  expect(await migrated.exit).toMatchObject({ code: 0 });
  await using after = startPerennial(['start'], {
    url: database.url,
    entry: nextEntry(),
    autoRenewal: 'every: 1s, batch: 10',
  });
  await after.untilReady();
  await createDueSubscriptions(database.url, 200);
  await withOwnerClient(database.url, (client) => client.query(trialsDue));
  // Runs of both versions as commands, at the same time as the services.
  const runs = [
    { worker: 'auto-renewal', entry: nextEntry() },
    { worker: 'trial-notifications', entry: nextEntry() },
    { worker: 'trial-notifications' },
  ].map(({ worker, ...version }) =>
    startPerennial(['run', worker, '--json'], {
      url: database.url,
      workers: `${worker}: { batch: 10 }`,
      ...version,
    }),
  );
  for (const run of runs) expect(await run.exit).toMatchObject({ code: 0 });
  expect(await readRenewalState(database.url)).toMatchObject({
    renewals: 200,
    due: 0,
    violations: [],
  });
  // Each notification is one line in the log of one version.
  const readLogged = () =>
    [before, after].flatMap(({ log }) => log.filter(({ msg }) => msg === 'notice')).length;
  const readNotified = async () => {
    const { rows } = await database.pool.query(`
      SELECT kind, state, count(*)::int, count(DISTINCT subscription_id)::int AS of
      FROM perennial.notification GROUP BY kind, state ORDER BY kind`);
    return rows.every(({ state }) => state === 'sent') ? rows : undefined;
  };
  expect(await until('all messages', readNotified)).toEqual([
    { kind: 'receipt', state: 'sent', count: 200, of: 200 },
    { kind: 'trial_6h', state: 'sent', count: 40, of: 40 },
  ]);
  expect(readLogged()).toBe(240);

  // N−1 also starts on the schema of N: a rollback of the program needs none of the database.
  await using back = startPerennial(['start'], { url: database.url });
  await back.untilReady();
  for (const service of [before, after, back]) {
    service.kill('SIGTERM');
    expect(await service.exit).toMatchObject({ code: 0 });
  }
});

test('P10: a version that is too old for the schema refuses to start', async () => {
  await using database = await createDatabase();
  await withOwnerClient(database.url, (client) =>
    client.query(`INSERT INTO perennial.migration (version, name, checksum, oldest_program)
      SELECT max(version) + 1, 'later', 'x', '99.0.0' FROM perennial.migration`),
  );
  const { code, err } = await startPerennial(['start'], { url: database.url }).exit;
  expect(code).toBe(2);
  expect(err).toMatch(/needs perennial 99\.0\.0 or newer; upgrade the program/);
});
