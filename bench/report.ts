import { fork } from 'node:child_process';
import { buildDataset } from '../testbed/dataset.ts';
import { receiveMessage } from './child.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import type { ReportMeasured } from './report-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// The time of the report of a month, beside one bare aggregate over all periods on the same server.

/** The last complete month of the data, and the present one. */
const months = ['2026-10', '2026-11'] as const;

async function reportOnce(url: string, month: string): Promise<ReportMeasured> {
  const child = fork(new URL('./report-run.ts', import.meta.url).pathname, [url, month]);
  return (await receiveMessage(child, 'report')) as ReportMeasured;
}

async function measure(
  databases: BenchDatabases,
  month: string,
  { subscriptions, rounds, log }: Options,
): Promise<Row> {
  const url = databases.url('measured');
  const runs: ReportMeasured[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const run = await reportOnce(url, month);
    log(`${month}: report ${Math.round(run.reportMs)} ms, aggregate ${Math.round(run.bareMs)} ms`);
    runs.push(run);
  }
  const reportMs = median(runs.map((run) => run.reportMs));
  const bareMs = median(runs.map((run) => run.bareMs));
  return {
    variant: `report of ${month} over ${subscriptions} periods`,
    seconds: reportMs / 1_000,
    aggregate_seconds: bareMs / 1_000,
    ratio_to_aggregate: reportMs / bareMs,
    csv_seconds: median(runs.map((run) => run.csvMs)) / 1_000,
    csv_rows: runs[0]?.csvRows,
    peak_mb: Math.max(...runs.map((run) => run.peakMb)),
  };
}

export const benchmark: Benchmark = {
  description: 'the time of the report of a month',
  async run(options) {
    const { subscriptions, server, log } = options;
    await using databases = await openBenchDatabases(server);
    log(`building a database of ${subscriptions} subscriptions`);
    await databases.template('report', (client) =>
      buildDataset(client, { subscriptions, due: Math.ceil(subscriptions / 10) }),
    );
    await databases.copy('report', 'measured');
    const rows: Row[] = [];
    for (const month of months) rows.push(await measure(databases, month, options));
    await databases.drop('measured');
    return rows;
  },
};
