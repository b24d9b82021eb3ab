import { expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { dayMs, later } from '../../../src/kernel/instant.ts';
import { exportMonth } from '../../../src/reports/month-file.ts';
import { readReport } from '../../../src/reports/report.ts';
import { type ReportJson, toReportJson } from '../../../src/reports/report-json.ts';
import { readSeed } from '../../support/seed.ts';
import { computeFigures } from './figures.ts';
import { continueHistory, type History, startHistory } from './history.ts';
import { readRawRows } from './rows.ts';

// Random databases: each month of their histories against an independent calculation from the rows.

const histories = Number(process.env.REPORT_HISTORIES || 4);
const stepsPerHistory = 260;
const currencies = ['RUB', 'USD'];
const identityChecks = ['balance-adds-up', 'charges-are-accounted'];

const toMinor = (major: string): bigint => BigInt(major.replace('.', ''));

/** The lines between `start` and `end` add up. */
function requireSum(lines: Readonly<Record<string, string | number>>): void {
  const amounts = Object.entries(lines).map(
    ([name, value]) => [name, toMinor(String(value))] as const,
  );
  const changes = amounts.filter(([name]) => name !== 'end').map(([, amount]) => amount);
  const end = toMinor(String(lines.end));
  expect(
    changes.reduce((sum, amount) => sum + amount, 0n),
    JSON.stringify(lines),
  ).toBe(end);
}

function requireIdentities({ currencies: reports }: ReportJson): void {
  for (const { balances, time, mrr, customers } of reports) {
    requireSum(balances);
    requireSum(time);
    requireSum(mrr);
    requireSum(customers);
  }
}

async function requireIndependentFigures({ database }: History, report: ReportJson): Promise<void> {
  const rows = await readRawRows(database.db);
  const [from, until] = [Date.parse(report.from), Date.parse(report.until)];
  const expected = currencies.map((currency) => computeFigures(rows, currency, from, until));
  expect(report.currencies, `seed ${readSeed()}, ${report.month}`).toEqual(expected);
}

/** The sums of the columns of both files are figures of the report. */
async function requireFileSums({ database }: History, report: ReportJson): Promise<void> {
  const readFile = async (file: 'ledger' | 'periods') => {
    let text = '';
    for await (const piece of exportMonth({ url: database.url, file, month: report.month }))
      text += piece;
    const [header = '', ...lines] = text.trimEnd().split('\n');
    return lines.map((line) => {
      const cells = line.split(',');
      return Object.fromEntries(header.split(',').map((name, at) => [name, cells[at] ?? '']));
    });
  };
  const [ledger, periods] = [await readFile('ledger'), await readFile('periods')];
  for (const { currency, balances, time } of report.currencies) {
    const sumColumn = (rows: typeof ledger, column: string) =>
      rows
        .filter((row) => row.currency === currency)
        .reduce((sum, row) => sum + toMinor(row[column] as string), 0n);
    expect(sumColumn(ledger, 'amount')).toBe(toMinor(balances.end) - toMinor(balances.start));
    expect({
      start: sumColumn(periods, 'unused_start'),
      charged: sumColumn(periods, 'charged'),
      earned: -sumColumn(periods, 'earned'),
      refunded: -sumColumn(periods, 'refunded'),
      end: sumColumn(periods, 'unused_end'),
    }).toEqual({
      start: toMinor(time.start),
      charged: toMinor(time.charged),
      earned: toMinor(time.earned),
      refunded: toMinor(time.refunded),
      end: toMinor(time.end),
    });
  }
}

/** Counts the months in which a figure is not 0, so that the test shows what it tried. */
function countFigures({ currencies: reports }: ReportJson, seen: Map<string, number>): void {
  for (const { balances, time, mrr, customers, collected, trials, lost_because_short } of reports) {
    const groups = { balances, time, mrr, customers, collected, trials, lost_because_short };
    for (const [group, figures] of Object.entries(groups)) {
      for (const [name, value] of Object.entries(figures)) {
        if (typeof value === 'object') continue;
        const isZero = Number(value) === 0;
        const key = `${group}.${name}`;
        seen.set(key, (seen.get(key) ?? 0) + (isZero ? 0 : 1));
      }
    }
  }
}

const readMonth = async ({ database }: History, month?: string): Promise<ReportJson> =>
  toReportJson(await readReport(database.db, month));

const withoutNow = ({ now: _, ...report }: ReportJson) => report;

const toMonth = (at: number): string => new Date(at).toISOString().slice(0, 7);

/** @returns the report of each complete month, as it was when the month was over */
async function playHistory(history: History): Promise<Map<string, ReportJson>> {
  const complete = new Map<string, ReportJson>();
  let present = toMonth(history.now);
  for (let step = 0; step < stepsPerHistory; step += 1) {
    await continueHistory(history);
    if (toMonth(history.now) === present) continue;
    present = toMonth(history.now);
    const last = await readMonth(history);
    complete.set(last.month, last);
  }
  return complete;
}

test('G4: each month of a random history equals an independent calculation, and its lines add up', {
  timeout: 600_000,
}, async () => {
  const counts = { months: 0, commands: 0, refusals: 0 };
  const seen = new Map<string, number>();
  for (let n = 0; n < histories; n += 1) {
    const history = await startHistory(readSeed() + n);
    await using database = history.database;
    const complete = await playHistory(history);
    await database.setClock(later(history.now, 400 * dayMs));
    for (const [month, first] of complete) {
      const report = await readMonth(history, month);
      // A complete month never changes.
      expect(withoutNow(report), `seed ${readSeed()}`).toEqual(withoutNow(first));
      requireIdentities(report);
      await requireIndependentFigures(history, report);
      await requireFileSums(history, report);
      countFigures(report, seen);
      counts.months += 1;
    }
    await database.setClock(history.now);
    const present = await readMonth(history, toMonth(history.now));
    requireIdentities(present);
    await requireIndependentFigures(history, present);
    const { checks } = await runAudit(database.db);
    const identities = checks.filter(({ id }) => identityChecks.includes(id));
    expect(identities.flatMap(({ sample }) => sample)).toEqual([]);
    counts.commands += history.commands;
    counts.refusals += history.refusals;
  }
  const text = [...Object.entries(counts), ...seen].map(([name, count]) => `${count} ${name}`);
  const line = `reports: seed ${readSeed()}, ${histories} histories: ${text.join(', ')}`;
  process.stdout.write(`${line}\n`);
});
