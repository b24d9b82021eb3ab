import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generateTestData } from '../../../src/demo/test-data.ts';
import { formatHeader, formatLine } from '../../../src/import-export/format.ts';
import { importCustomers } from '../../../src/import-export/import.ts';
import { parseInstant } from '../../../src/kernel/instant.ts';
import {
  createImportDatabase,
  csvHeader,
  importText,
  readAllRows,
} from '../../support/import-export.ts';

const now = '2026-11-24T00:00:00Z';

const file = (...rows: readonly string[]): string => `${[csvHeader, ...rows].join('\n')}\n`;
const ends = '2026-12-01T09:00:00.123Z';

test('a balance becomes an opening entry, a subscription one period that ends when it expires', async () => {
  await using database = await createImportDatabase();
  const outcome = await importText(
    database.url,
    file(
      `100,ru,Europe/Moscow,RUB,149.5,true,10,,token-of-100-long-enough,paid,plus,90,${ends},,11111111-1111-4111-8111-111111111111`,
      '200,,,,,,,false,,,,,,,',
    ),
  );
  expect(outcome).toEqual({
    outcome: 'imported',
    summary: {
      lines: 2,
      customers: 2,
      subscriptions: { paid: { running: 1, expired: 0 }, trial: { running: 0, expired: 0 } },
      balances: { RUB: '149.50' },
    },
    absent: [],
  });
  expect(
    await database.query`SELECT telegram_id, locale, time_zone, currency, balance_minor, vip, discount_percent,
         to_json(trial_used_at) AS trial_used_at, length(sub_token) AS token, reachable
       FROM perennial.customer ORDER BY id`,
  ).toEqual([
    {
      telegram_id: 100n,
      locale: 'ru',
      time_zone: 'Europe/Moscow',
      currency: 'RUB',
      balance_minor: 14950n,
      vip: true,
      discount_percent: 10,
      trial_used_at: '2026-11-24T00:00:00+00:00',
      token: 24,
      reachable: true,
    },
    {
      telegram_id: 200n,
      locale: 'en',
      time_zone: 'UTC',
      currency: 'RUB',
      balance_minor: 0n,
      vip: false,
      discount_percent: 0,
      trial_used_at: null,
      token: 22,
      reachable: true,
    },
  ]);
  expect(
    await database.query`SELECT amount_minor, balance_after_minor, kind, idempotency_key FROM perennial.ledger_entry`,
  ).toEqual([
    {
      amount_minor: 14950n,
      balance_after_minor: 14950n,
      kind: 'opening',
      idempotency_key: 'opening:100',
    },
  ]);
  expect(
    await database.query`SELECT s.kind, s.plan, s.period_days, s.state, s.auto_renew, s.next_try_at, p.source,
         p.amount_minor, p.ends_at = s.expires_at AS ends_then, p.starts_at = s.started_at AS starts_then,
         to_json(s.started_at) AS started_at, s.expires_at, c.id, c.retired_at
       FROM perennial.subscription s JOIN perennial.period p ON p.subscription_id = s.id
       JOIN perennial.credential c ON c.subscription_id = s.id`,
  ).toEqual([
    {
      kind: 'paid',
      plan: 'plus',
      period_days: 90,
      state: 'active',
      auto_renew: true,
      next_try_at: null,
      source: 'import',
      amount_minor: 0n,
      ends_then: true,
      starts_then: true,
      started_at: '2026-09-02T09:00:00.123+00:00',
      expires_at: parseInstant(ends, 'ends'),
      id: '11111111-1111-4111-8111-111111111111',
      retired_at: null,
    },
  ]);
  expect(
    await database.query`SELECT subject, action, actor, detail FROM perennial.event ORDER BY id`,
  ).toEqual([
    {
      subject: 'customer:1',
      action: 'imported',
      actor: 'test',
      detail: { balance_minor: '14950' },
    },
    { subject: 'customer:2', action: 'imported', actor: 'test', detail: { balance_minor: '0' } },
  ]);
});

test('a subscription that ended now or earlier is expired, without a notification and without a renewal', async () => {
  await using database = await createImportDatabase();
  const line = (id: number, expires: string, uuid: string) =>
    `${id},,,,500,,,,,paid,basic,30,${expires},true,${uuid}`;
  await importText(
    database.url,
    file(
      line(1, '2026-11-24T00:00:00.001Z', ''),
      line(2, now, '22222222-2222-4222-8222-222222222222'),
      line(3, '2026-10-01T00:00:00Z', ''),
    ),
  );
  expect(
    await database.query`SELECT s.id, s.state, s.next_try_at::text, c.retired_at = s.expires_at AS retired_then,
         c.id IS NOT NULL AS credential
       FROM perennial.subscription s LEFT JOIN perennial.credential c ON c.subscription_id = s.id
       ORDER BY s.id`,
  ).toEqual([
    { id: 1n, state: 'active', next_try_at: null, retired_then: null, credential: true },
    { id: 2n, state: 'expired', next_try_at: 'infinity', retired_then: true, credential: true },
    { id: 3n, state: 'expired', next_try_at: 'infinity', retired_then: null, credential: false },
  ]);
  expect(await database.query`SELECT * FROM perennial.notification`).toEqual([]);
});

test('a period with a distant end starts now, so that it always starts before its end', async () => {
  await using database = await createImportDatabase();
  await importText(
    database.url,
    file(
      '1,,,,,,,,,paid,basic,30,2027-11-24T00:00:00Z,,',
      '2,,,,,,,,,trial,basic,,2026-11-25T00:00:00Z,,',
    ),
  );
  expect(
    await database.query`SELECT to_json(starts_at) AS starts_at FROM perennial.period ORDER BY id`,
  ).toEqual([
    { starts_at: '2026-11-24T00:00:00+00:00' },
    { starts_at: '2026-11-22T00:00:00+00:00' },
  ]);
});

test('entitled credentials are marked on every node, not urgent; others are not marked', async () => {
  await using database = await createImportDatabase();
  await database.query`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    SELECT 'nl-' || n, '10.0.0.' || n || ':1', '{in}', '{all}', '{}' FROM generate_series(1, 2) n`;
  await importText(
    database.url,
    file(
      `1,,,,,,,,,paid,basic,30,${ends},,`,
      '2,,,,,,,,,paid,basic,30,2026-01-01T00:00:00Z,,22222222-2222-4222-8222-222222222222',
    ),
  );
  expect(
    await database.query`SELECT m.node_id, m.urgent, c.customer_id FROM perennial.access_sync m
       JOIN perennial.credential c ON c.id = m.credential_id ORDER BY 1`,
  ).toEqual([
    { node_id: 'nl-1', urgent: false, customer_id: 1n },
    { node_id: 'nl-2', urgent: false, customer_id: 1n },
  ]);
});

test('a dry run does all checks, returns the summary of an import, and changes nothing', async () => {
  await using database = await createImportDatabase();
  const before = await readAllRows(database.db);
  let text = formatHeader('csv');
  for (const line of generateTestData({ customers: 500, seed: 3, now: parseInstant(now, 'now') })) {
    text += formatLine('csv', line);
  }
  const checked = await importText(database.url, text, { dryRun: true });
  expect(checked).toMatchObject({ outcome: 'checked', summary: { customers: 500 } });
  expect(await readAllRows(database.db)).toEqual(before);
  expect(await importText(database.url, text)).toEqual({ ...checked, outcome: 'imported' });
});

test('a byte order mark, CRLF, another order of columns and a missing last line end change no row', async () => {
  const fields = ['100,,,,5,,,,,paid,basic,30', ends, ',11111111-1111-4111-8111-111111111111'];
  const plain = file(fields.join(','));
  const turned = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(',').reverse().join(','))
      .join('\n');
  const rows = [];
  for (const text of [plain, `\ufeff${plain.replaceAll('\n', '\r\n')}`, turned(plain)]) {
    await using database = await createImportDatabase();
    expect(await importText(database.url, text, { pieceBytes: 1 })).toMatchObject({
      outcome: 'imported',
    });
    rows.push(
      await database.query`SELECT telegram_id, balance_minor, s.expires_at FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id`,
    );
  }
  expect(rows[1]).toEqual(rows[0]);
  expect(rows[2]).toEqual(rows[0]);
});

test('a source that fails in the middle leaves the database unchanged', async () => {
  await using database = await createImportDatabase();
  const before = await readAllRows(database.db);
  async function* source() {
    yield Buffer.from(file('1,,,,5,,,,,,,,,,'));
    throw new Error('the disk is gone');
  }
  const request = {
    url: database.url,
    source: source(),
    format: 'csv',
    currency: 'RUB',
    actor: 'test',
  } as const;
  await expect(importCustomers(request)).rejects.toThrow('the disk is gone');
  expect(await readAllRows(database.db)).toEqual(before);
});

test('of two concurrent imports of one file, one imports all lines and the other changes nothing', async () => {
  await using database = await createImportDatabase();
  let text = formatHeader('csv');
  for (const line of generateTestData({ customers: 400, seed: 5, now: parseInstant(now, 'now') })) {
    text += formatLine('csv', line);
  }
  const both = await Promise.allSettled([
    importText(database.url, text),
    importText(database.url, text),
  ]);
  const won = both.filter((one) => one.status === 'fulfilled' && one.value.outcome === 'imported');
  expect(won).toHaveLength(1);
  for (const one of both) {
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'changed_meanwhile' });
  }
  expect(await database.query`SELECT count(*)::int FROM perennial.customer`).toEqual([
    { count: 400 },
  ]);
});

test('the example of docs/import.md can be imported', async () => {
  await using database = await createImportDatabase();
  const document = readFileSync(new URL('../../../docs/import.md', import.meta.url), 'utf8');
  const [, example = ''] = /```csv\n([^`]*)```/.exec(document) ?? [];
  expect(await importText(database.url, example)).toMatchObject({
    outcome: 'imported',
    summary: { lines: 4, customers: 3 },
  });
});
