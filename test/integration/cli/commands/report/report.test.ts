import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runLine } from '../../../../support/command-line.ts';
import { createDatabase } from '../../../../support/database.ts';
import { addCustomer, createShop, createSubscriber } from '../../../../support/shop.ts';

// `perennial report`, in this process, on a test database.

async function createReportDatabase() {
  const database = await createDatabase({ now: '2026-10-10T09:00:00Z' });
  const folder = mkdtempSync(join(tmpdir(), 'perennial-report-'));
  onTestFinished(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });
  await createShop(database);
  await createSubscriber(database, 7n, 10_00n);
  await addCustomer(database, 8n, { currency: 'USD', balanceMinor: 2_50n });
  await database.setClock('2026-11-24T09:00:00Z');
  const config = join(folder, 'perennial.yaml');
  writeFileSync(config, `database: ${JSON.stringify(database.url)}\n`);
  const run = (line: string) => runLine(`report ${line} --config ${config}`);
  return { run, folder };
}

test('the figures of the last complete month are printed as a block per currency', async () => {
  const { run } = await createReportDatabase();
  const { code, out, err } = await run('');
  expect(code, err).toBe(0);
  expect(out).toContain(
    'Report of 2026-10 (UTC): from 2026-10-01T00:00:00.000Z to 2026-11-01T00:00:00.000Z',
  );
  expect(out).toMatch(/RUB: income\n {2}collected +159\.00 {2}1 top-up\n/);
  expect(out).toMatch(/RUB: MRR\n {2}start +0\.00\n {2}new +149\.00\n {2}end +149\.00\n/);
  expect(out).toMatch(/USD: income\n {2}collected +2\.50 {2}1 top-up\n/);
  expect(out).toMatch(
    /MONTH +CUSTOMERS +PAYING CUSTOMERS +CHARGES +MRR\n {2}2026-10 +1 +1 +149\.00 +149\.00/,
  );
});

test('the ledger and the periods of a month are written as CSV', async () => {
  const { run, folder } = await createReportDatabase();
  const file = join(folder, 'ledger.csv');
  const written = await run(`--month 2026-10 --csv ledger --out ${file}`);
  expect(written.out).toBe(`wrote 3 lines to ${file}\n`);
  const [header, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(header).toBe(
    'id,created_at,telegram_id,kind,currency,amount,balance_after,claim,provider,provider_ref,dispute,payment_entry_id,out_entry_id',
  );
  expect(lines.map((line) => line.split(',').slice(1, 7).join(','))).toEqual([
    '2026-10-10T09:00:00.000Z,7,top_up,RUB,159.00,159.00',
    '2026-10-10T09:00:00.000Z,7,purchase,RUB,-149.00,10.00',
    '2026-10-10T09:00:00.000Z,8,top_up,USD,2.50,2.50',
  ]);
  const { out } = await run('--month 2026-11 --csv periods');
  const [, period = ''] = out.trimEnd().split('\n');
  // 149.00 × 8.375 / 30 days are unused at the start of November, and earned until its 9th.
  expect(period).toContain(',RUB,149.00,0.00,41.59,0.00,41.59,0.00,');
});

test.each([
  ['--out x.csv', 2, /--out: has no effect without --csv/],
  ['--month 2026-12', 2, /month: "2026-12" has not begun; expected a month until 2026-11/],
])('`report %s` is refused', async (line, code, answer) => {
  const { run } = await createReportDatabase();
  const refused = await run(line);
  expect(refused.code).toBe(code);
  expect(refused.err).toMatch(answer);
});
