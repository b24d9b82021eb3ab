import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { generateTestData } from '../../../src/demo/test-data.ts';
import type { FileLine } from '../../../src/import-export/columns.ts';
import { formatHeader, formatLine } from '../../../src/import-export/format.ts';
import type { FileFormat } from '../../../src/import-export/records.ts';
import { instant, parseInstant } from '../../../src/kernel/instant.ts';
import { createImportDatabase, exportText, importText } from '../../support/import-export.ts';
import { readSeed } from '../../support/seed.ts';

const now = '2026-11-24T00:00:00Z';

async function importAndExport(text: string, format: FileFormat = 'csv'): Promise<string> {
  await using database = await createImportDatabase();
  expect(await importText(database.url, text, { format })).toMatchObject({ outcome: 'imported' });
  return await exportText(database.url, format);
}

/** The lines of `text` without the tokens and UUIDs that are generated because `given` has none. */
function withoutGenerated(text: string, given: readonly string[]): string[] {
  return text.split('\n').map((line, at) => {
    if (at === 0 || line === '' || !given[at]?.endsWith(',')) return line;
    return line.split(',').with(8, '').with(14, '').join(',');
  });
}

test('an export of the imported example, imported into another database, is exported as the same bytes', async () => {
  const example = readFileSync(
    new URL('../../../examples/customers-10000.csv', import.meta.url),
    'utf8',
  );
  const lines = example.split('\n');
  const first = await importAndExport(example);
  expect(withoutGenerated(first, lines)).toEqual(withoutGenerated(example, lines));
  expect(await importAndExport(first)).toBe(first);
});

test.each(['csv', 'jsonl'] as const)(
  'an exported %s file can be imported, and is exported as the same bytes',
  async (format) => {
    let text = formatHeader(format);
    for (const line of generateTestData({
      customers: 300,
      seed: 7,
      now: parseInstant(now, 'now'),
    })) {
      text += formatLine(format, line);
    }
    const first = await importAndExport(text, format);
    expect(first.split('\n')).toHaveLength(text.split('\n').length);
    expect(await importAndExport(first, format)).toBe(first);
  },
);

test('a revoked subscription is exported with the time of its revocation as its end, and is never active again', async () => {
  await using database = await createImportDatabase();
  const row =
    '7,en,UTC,RUB,10.00,false,0,true,tokentokentoken1,paid,basic,30,2026-12-20T00:00:00.000Z,true,11111111-1111-4111-8111-111111111111\n';
  await importText(database.url, formatHeader('csv') + row);
  await database.query`UPDATE perennial.credential SET retired_at = '2026-11-24T05:00:00Z'`;
  await database.query`UPDATE perennial.subscription SET state = 'revoked'`;
  await database.setClock('2026-11-25T00:00:00Z');
  const text = await exportText(database.url);
  expect(text).toContain('2026-11-24T05:00:00.000Z,false,11111111-1111-4111-8111-111111111111');
  await using elsewhere = await createImportDatabase();
  await elsewhere.setClock('2026-11-25T00:00:00Z');
  await importText(elsewhere.url, text);
  expect(await exportText(elsewhere.url)).toBe(text);
  const { rows } = await sql`SELECT state, auto_renew FROM perennial.subscription`.execute(
    elsewhere.db,
  );
  expect(rows).toEqual([{ state: 'expired', auto_renew: false }]);
});

// Any file of valid lines. All tokens and UUIDs are given, so the import generates none.
const priced = [
  ['basic', 30, 'RUB'],
  ['basic', 365, 'RUB'],
  ['plus', 90, 'RUB'],
  ['basic', 30, 'USD'],
  ['basic', 30, 'XTR'],
] as const;
const nowMs = parseInstant(now, 'now');
const endAt = fc
  .oneof(
    fc.integer({ min: -3, max: 3 }).map((ms) => nowMs + ms),
    fc.integer({ min: Date.UTC(2001, 0, 1), max: Date.UTC(9999, 11, 31) }),
  )
  .map(instant);
const subscription = fc.record({
  price: fc.constantFrom(...priced),
  ownDays: fc.integer({ min: 1, max: 3660 }),
  kind: fc.constantFrom('paid', 'trial', null),
  expires_at: endAt,
  auto_renew: fc.boolean(),
  uuid: fc.uuid(),
});
const customer = fc.record({
  locale: fc.constantFrom('en', 'ru', 'pt-BR', 'zh-Hant-TW'),
  time_zone: fc.constantFrom('UTC', 'Europe/Moscow', 'America/Argentina/Buenos_Aires', 'Etc/GMT+3'),
  currency: fc.constantFrom('RUB', 'USD', 'XTR'),
  balance: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 15n - 1n })),
  claim: fc.constant(0n),
  vip: fc.boolean(),
  discount_percent: fc.integer({ min: 0, max: 100 }),
  trial_used: fc.boolean(),
  sub_token: fc.stringMatching(/^[A-Za-z0-9_.~-]{16,40}$/),
  blocked_reason: fc.option(fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)),
  held: fc.array(subscription, { minLength: 1, maxLength: 3 }),
});

type Subscribed = Pick<
  FileLine,
  'kind' | 'plan' | 'period_days' | 'expires_at' | 'auto_renew' | 'uuid'
>;
const withoutSubscription: Subscribed = {
  kind: null,
  plan: null,
  period_days: null,
  expires_at: null,
  auto_renew: null,
  uuid: null,
};

const anyFile = fc
  .uniqueArray(customer, { minLength: 1, maxLength: 12, selector: (one) => one.sub_token })
  .map((customers) =>
    customers.flatMap(({ held, ...one }, at): FileLine[] => {
      const telegram_id = BigInt(Number.MAX_SAFE_INTEGER - at);
      const trial_used = one.trial_used || held.some(({ kind }) => kind === 'trial');
      return held.map(({ price: [plan, days, currency], kind, ownDays, expires_at, ...given }) => {
        const auto_renew = kind === 'paid' && given.auto_renew && currency === one.currency;
        const period_days = auto_renew ? days : ownDays;
        const { uuid } = given;
        const rest =
          kind === null
            ? withoutSubscription
            : { kind, plan, period_days, expires_at, auto_renew, uuid };
        return { telegram_id, ...one, trial_used, ...rest };
      });
    }),
  )
  .filter((lines) => {
    const uuids = lines.flatMap(({ uuid }) => uuid ?? []);
    return new Set(uuids).size === uuids.length;
  })
  // A customer has a line without a subscription only if the customer has no other line.
  .map((lines) =>
    lines.filter(
      (line, at) =>
        line.kind !== null ||
        !lines.some(
          (other, place) =>
            other.telegram_id === line.telegram_id && (other.kind !== null || place < at),
        ),
    ),
  );

test(`every imported file is exported as the same bytes, in either format (seed ${readSeed()})`, async () => {
  const format = fc.constantFrom<FileFormat>('csv', 'jsonl');
  await fc.assert(
    fc.asyncProperty(anyFile, format, async (lines, kind) => {
      const text = formatHeader(kind) + lines.map((line) => formatLine(kind, line)).join('');
      expect(await importAndExport(text, kind)).toBe(text);
    }),
    { numRuns: 25 },
  );
}, 120_000);
