import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultColumns } from '../../../src/import-export/columns.ts';
import type { LineProblem } from '../../../src/import-export/problems.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  createImportDatabase,
  csvHeader,
  importText,
  readAllRows,
} from '../../support/import-export.ts';

const takenUuid = '99999999-9999-4999-8999-999999999999';
const uuid = '11111111-1111-4111-8111-111111111111';

const validFields: Readonly<Record<string, string>> = {
  telegram_id: '100',
  locale: 'ru',
  time_zone: 'Europe/Moscow',
  currency: 'RUB',
  balance: '149.50',
  vip: 'false',
  discount_percent: '10',
  trial_used: 'true',
  sub_token: 'token-of-100-long-enough',
  kind: 'paid',
  plan: 'basic',
  period_days: '30',
  expires_at: '2026-12-01T12:00:00+03:00',
  auto_renew: 'true',
  uuid,
};

const row = (change: Readonly<Record<string, string>> = {}): string =>
  defaultColumns.map((name) => change[name] ?? validFields[name]).join(',');

/** Fields of another customer. */
const other = { telegram_id: '200', sub_token: '', uuid: '' };

const file = (...rows: readonly string[]): string => `${[csvHeader, ...rows].join('\n')}\n`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createImportDatabase();
  await importText(
    database.url,
    file(row({ telegram_id: '999', sub_token: 'token-that-is-taken', uuid: takenUuid })),
  );
});
afterAll(() => database.close());

async function importProblems(text: string | Buffer, format: 'csv' | 'jsonl' = 'csv') {
  const before = await readAllRows(database.db);
  const outcome = await importText(database.url, text, { format, pieceBytes: 7 });
  expect(await readAllRows(database.db), 'nothing may have changed').toEqual(before);
  return outcome.outcome === 'refused' ? outcome.problems : [];
}

const at = (
  line: number,
  column: string | null,
  value: string | null,
  reason: string,
): LineProblem => ({ line, column, value, reason });

const timeReason = 'is not a time; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z';
const spreadsheetDate =
  'is a date in the format of a spreadsheet; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z';
const flagReason = 'is not a switch; expected true or false';

describe('a value that a column does not allow is reported with its line, column, value and reason', () => {
  test.each([
    ['telegram_id', '', 'is empty; expected a value'],
    ['telegram_id', '0', 'is not a Telegram id'],
    ['telegram_id', '-5', 'is not a Telegram id'],
    ['telegram_id', '9007199254740992', 'is not a Telegram id'],
    ['telegram_id', '@anna', 'is not a Telegram id'],
    ['locale', 'Russian', 'is not a language tag; expected one like ru or pt-BR'],
    ['time_zone', 'Moscow', 'is not a time zone; expected a name like Europe/Moscow'],
    ['time_zone', '+03:00', 'is not a time zone; expected a name like Europe/Moscow'],
    ['currency', 'RUR', 'is not a currency; expected an ISO 4217 code like RUB or USD, or XTR'],
    ['balance', '-0.01', 'is negative'],
    ['balance', '149.505', 'is not an amount of RUB; expected at most 2 decimals'],
    ['balance', '1e3', 'is not an amount; expected one like 149 or 149.50'],
    ['balance', '1 000', 'is not an amount; expected one like 149 or 149.50'],
    ['vip', 'yes', flagReason],
    ['discount_percent', '101', 'is not a whole number from 0 to 100'],
    ['discount_percent', '5%', 'is not a whole number from 0 to 100'],
    ['trial_used', 'maybe', flagReason],
    ['sub_token', 'short', 'is not 16 to 128 letters, digits, -, _, . and ~'],
    ['kind', 'premium', 'is not a kind; expected paid or trial'],
    ['plan', 'gold', 'is not a plan; available: basic, plus'],
    ['plan', '', 'is empty; expected a value'],
    ['period_days', '31', 'basic has no price for it in RUB; available: 30, 90, 180, 365'],
    ['period_days', '0', 'is not a whole number from 1 to 3660'],
    ['expires_at', '', 'is empty; expected a value'],
    ['expires_at', '01.12.2026', spreadsheetDate],
    ['expires_at', '2026-02-30T00:00:00Z', timeReason],
    ['expires_at', '1796083200', timeReason],
    [
      'expires_at',
      '2026-12-01T12:00:00',
      'has no offset; expected one like 2026-11-24T09:00:00+03:00',
    ],
    ['expires_at', '1970-01-01T00:00:00Z', 'is not between 2001 and 9999'],
    ['auto_renew', 'on', flagReason],
    ['uuid', '11111111111141118111111111111111', 'is not a UUID of 36 characters'],
    ['uuid', `{${uuid}}`, 'is not a UUID of 36 characters'],
  ])('%s "%s"', async (column, value, reason) => {
    const text = file(row(other), row({ [column]: value }));
    expect(await importProblems(text)).toEqual([at(3, column, value, reason)]);
  });

  test.each([
    [
      'a yen has no decimals',
      { currency: 'JPY', balance: '1.5', auto_renew: 'false' },
      'balance',
      '1.5',
      'is not an amount of JPY; expected no decimals',
    ],
    [
      'a plan without a price in the currency',
      { currency: 'EUR' },
      'plan',
      'basic',
      'has no price in EUR; available: RUB, USD, XTR',
    ],
    [
      'a period without a price in the currency',
      { currency: 'USD', period_days: '90' },
      'period_days',
      '90',
      'basic has no price for it in USD; available: 30',
    ],
    [
      'a trial that was not used',
      { kind: 'trial', auto_renew: '', trial_used: 'false' },
      'kind',
      'trial',
      'is a trial, but trial_used is false',
    ],
    [
      'a plan without a kind',
      { kind: '', period_days: '', expires_at: '', auto_renew: '', uuid: '' },
      'plan',
      'basic',
      'is not empty, but kind is; without a subscription both are empty',
    ],
  ])('%s', async (_, change, column, value, reason) => {
    expect(await importProblems(file(row(change)))).toEqual([at(2, column, value, reason)]);
  });

  test('all problems of a line are reported, and all lines with problems', async () => {
    const text = file(row({ vip: 'x', plan: 'gold' }), row(other), row({ telegram_id: 'x' }));
    const found = await importProblems(text);
    expect(found.map(({ line, column }) => [line, column])).toEqual([
      [2, 'vip'],
      [2, 'plan'],
      [4, 'telegram_id'],
      [4, 'uuid'], // The UUID of line 2, which is compared although line 2 has other problems.
    ]);
  });
});

describe('a problem between two lines names the other line', () => {
  const again = { uuid: '' };
  test.each([
    ['balance', '150', '150.00', '149.50'],
    ['locale', 'en', 'en', 'ru'],
    ['time_zone', 'UTC', 'UTC', 'Europe/Moscow'],
    ['vip', 'true', 'true', 'false'],
    ['discount_percent', '0', '0', '10'],
    ['trial_used', 'false', 'false', 'true'],
    ['sub_token', '', '', 'token-of-100-long-enough'],
  ])('customer columns that disagree: %s', async (column, value, shown, first) => {
    const text = file(row(), row(other), row({ ...again, [column]: value }));
    const reason = `disagrees with line 2 of this customer, which has "${first}"`;
    expect(await importProblems(text)).toEqual([at(4, column, shown, reason)]);
  });

  test('a UUID twice, in upper or lower case; a `sub_token` of two customers', async () => {
    const token = 'token-of-100-long-enough';
    expect(
      await importProblems(
        file(row(), row({ ...other, sub_token: token, uuid: uuid.toUpperCase() })),
      ),
    ).toEqual([
      at(3, 'sub_token', token, 'is already in line 2'),
      at(3, 'uuid', uuid, 'is already in line 2'),
    ]);
  });

  test('values that the database already has', async () => {
    const text = file(
      row(other),
      row({ telegram_id: '999', sub_token: 'token-that-is-taken', uuid: takenUuid }),
    );
    const reason = 'is in the database already';
    expect(await importProblems(text)).toEqual([
      at(3, 'sub_token', 'token-that-is-taken', reason),
      at(3, 'telegram_id', '999', reason),
      at(3, 'uuid', takenUuid, reason),
    ]);
  });
});

describe('a problem of the whole file', () => {
  test.each([
    ['an empty file', ''],
    ['only a byte order mark', '\ufeff'],
    ['only blank lines', '\n\r\n'],
  ])('%s', async (_, text) => {
    expect(await importProblems(text)).toEqual([at(1, null, null, 'the file is empty')]);
    expect(await importProblems(text, 'jsonl')).toEqual([at(1, null, null, 'the file is empty')]);
  });

  test('a header with a missing, an unknown and a repeated column; no line is checked', async () => {
    const text = `${csvHeader.replace('expires_at', 'money').replace('uuid', 'vip')}\nx\n`;
    expect(await importProblems(text)).toEqual([
      at(1, 'money', 'money', 'is not a column; see docs/import.md'),
      at(1, 'vip', 'vip', 'is given twice'),
      at(1, 'expires_at', null, 'is missing: the header must name it'),
    ]);
  });

  test('a wrong number of fields', async () => {
    expect(await importProblems(file(`${row()},`, '100,ru'))).toEqual([
      at(2, null, null, 'has 16 fields; the header has 15'),
      at(3, null, null, 'has 2 fields; the header has 15'),
    ]);
  });

  test('bytes that are not UTF-8, with their line and column; later lines are also checked', async () => {
    const text = Buffer.concat([
      Buffer.from(file(row(other), '')),
      Buffer.from('100,ru,'),
      Buffer.from([0xcc, 0xee, 0xf1]),
      Buffer.from(`${row().slice('100,ru,Europe/Moscow'.length)}\n`),
      Buffer.from(`${row({ telegram_id: '300', vip: '?' })}\n`),
    ]);
    expect(await importProblems(text)).toEqual([
      at(4, 'time_zone', '\ufffd\ufffd\ufffd', 'is not UTF-8'),
      at(5, 'vip', '?', flagReason),
    ]);
  });

  test('line numbers are those of an editor: quoted line breaks, blank lines, CRLF', async () => {
    const text = file(
      row({ ...other, locale: '"en\r\n\r\nen"' }),
      '',
      row({ vip: '"x"' }),
    ).replaceAll(/(?<!\r)\n/g, '\r\n');
    expect(await importProblems(text)).toEqual([
      at(2, 'locale', 'en\n\nen', 'is not a language tag; expected one like ru or pt-BR'),
      at(6, 'vip', 'x', flagReason),
    ]);
  });

  test('a quote that is not closed affects only its line', async () => {
    const rows = Array.from({ length: 300 }, (_, n) =>
      row({ ...other, telegram_id: String(1_000 + n) }),
    );
    rows[10] = row({ ...other, locale: '"ru' });
    rows[299] = row({ vip: '?' });
    expect(await importProblems(file(...rows))).toEqual([
      at(12, null, null, 'has a quote that is not closed'),
      at(301, 'vip', '?', flagReason),
    ]);
  });

  test('a line without an end', async () => {
    expect(await importProblems(file('x'.repeat(70_000), row({ vip: '?' })))).toEqual([
      at(2, null, null, 'is longer than 64 KiB'),
      at(3, 'vip', '?', flagReason),
    ]);
  });

  test('JSON Lines: a value that is not an object, an unknown member, a list as a member, a missing member', async () => {
    const text =
      '{"telegram_id":100}\n[1]\n{"telegram_id"\n{"telegram_id":200,"name":"A"}\n{"telegram_id":[1]}\n{"vip":true}\n';
    expect(await importProblems(text, 'jsonl')).toEqual([
      at(2, null, '[1]', 'is not a JSON object'),
      at(3, null, '{"telegram_id"', 'is not a JSON object'),
      at(4, 'name', '"A"', 'is not a column; see docs/import.md'),
      at(
        5,
        'telegram_id',
        '[1]',
        'is not a plain value; expected a text, a number, true, false or null',
      ),
      at(6, 'telegram_id', '', 'is empty; expected a value'),
    ]);
  });

  test('only the first 1,000 problems are kept, and all are counted', async () => {
    const rows = Array.from({ length: 1_500 }, () => row({ vip: '?' }));
    const outcome = await importText(database.url, file(row(other), ...rows));
    // Each line has one problem, and each line after the first also repeats its UUID.
    expect(outcome).toMatchObject({ outcome: 'refused', total: 1_500 + 1_499 });
    if (outcome.outcome !== 'refused') return;
    expect(outcome.problems).toHaveLength(1_000);
    expect(outcome.problems.at(-1)?.line).toBe(503);
  });
});
