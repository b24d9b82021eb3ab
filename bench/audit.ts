import { fork } from 'node:child_process';
import { buildDataset } from '../testbed/dataset.ts';
import type { AuditMeasured } from './audit-run.ts';
import { receiveMessage } from './child.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import { type Benchmark, median, type Row } from './table.ts';

// The time of an audit, and proof that its memory does not grow with the database. It audits a
// tenth of the database, then all of it, each in a separate process.

async function auditOnce(url: string): Promise<AuditMeasured> {
  const child = fork(new URL('./audit-run.ts', import.meta.url).pathname, [url]);
  return (await receiveMessage(child, 'audit')) as AuditMeasured;
}

interface Request {
  readonly subscriptions: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

async function measure(
  databases: BenchDatabases,
  { subscriptions, rounds, log }: Request,
): Promise<Row> {
  const template = `book_${subscriptions}`;
  log(`building a book of ${subscriptions} subscriptions`);
  await databases.template(template, (client) =>
    buildDataset(client, { subscriptions, due: Math.ceil(subscriptions / 10) }),
  );
  const url = await databases.copy(template, 'measured');
  const audits: AuditMeasured[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const report = await auditOnce(url);
    const slowest = report.checks.slice(0, 5).map(({ id, ms }) => `${id} ${Math.round(ms)} ms`);
    log(`${Math.round(report.ms)} ms; slowest: ${slowest.join(', ')}`);
    audits.push(report);
  }
  await databases.drop('measured');
  const ms = median(audits.map((one) => one.ms));
  return {
    variant: `audit of ${subscriptions} subscriptions`,
    rate: (subscriptions * 1_000) / ms,
    peak_mb: Math.max(...audits.map((one) => one.peakMb)),
    seconds: ms / 1_000,
  };
}

export const benchmark: Benchmark = {
  description: 'the time and memory of an audit',
  async run({ subscriptions, rounds, server, log }) {
    await using databases = await openBenchDatabases(server);
    const rows: Row[] = [];
    for (const size of [Math.ceil(subscriptions / 10), subscriptions]) {
      rows.push(await measure(databases, { subscriptions: size, rounds, log }));
    }
    return rows;
  },
};
