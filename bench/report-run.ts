import { sql } from 'kysely';
import { longLimits, openDatabase, openPool } from '../src/db/connect.ts';
import { stopwatch } from '../src/kernel/stopwatch.ts';
import { exportMonth } from '../src/reports/month-file.ts';
import { readReport } from '../src/reports/report.ts';

// A process that reads the report of a month, one bare aggregate over the periods, and the CSV of
// the month. `report.ts` starts it.

export interface ReportMeasured {
  readonly reportMs: number;
  readonly bareMs: number;
  readonly csvMs: number;
  readonly csvRows: number;
  readonly peakMb: number;
}

const [, , url, month] = process.argv as [string, string, string, string];
const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 1 }));
// The first statement connects, and loads the catalogs.
await sql`SELECT count(*) FROM perennial.plan`.execute(db);

async function measureMs(work: () => Promise<unknown>): Promise<number> {
  const elapsedMs = stopwatch();
  await work();
  return elapsedMs();
}

const bareMs = await measureMs(() =>
  sql`SELECT currency, count(*), sum(amount_minor) FROM perennial.period GROUP BY currency`.execute(
    db,
  ),
);
const reportMs = await measureMs(() => readReport(db, month));
let csvRows = 0;
const onRows = (rows: number) => {
  csvRows = rows;
};
const csvMs = await measureMs(async () => {
  for await (const _ of exportMonth({ url, file: 'periods', month, onRows }));
});
const peakMb = process.resourceUsage().maxRSS / 1_024;
const measured: ReportMeasured = { reportMs, bareMs, csvMs, csvRows, peakMb };
process.send?.(measured);
await db.destroy();
process.disconnect?.();
