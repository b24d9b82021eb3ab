import { fork } from 'node:child_process';
import { buildDataset } from '../testbed/dataset.ts';
import type { AuditMeasured, AuditMode } from './audit-run.ts';
import { receiveMessage } from './child.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import { runEngine } from './engine.ts';
import { type Benchmark, median, type Row } from './table.ts';

// The time of an audit, and proof that its memory does not grow with the database. It audits a
// tenth of the database, then all of it, each in a separate process. After an audit of everything,
// it audits only the changes: none, and the renewals of a day.

async function auditOnce(url: string, mode: AuditMode): Promise<AuditMeasured> {
  const file = new URL('./audit-run.ts', import.meta.url).pathname;
  const child = fork(file, [url, mode]);
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
): Promise<Row[]> {
  const template = `book_${subscriptions}`;
  const day = Math.ceil(subscriptions / 30);
  log(`building a book of ${subscriptions} subscriptions, ${day} of them due`);
  await databases.template(template, (client) => buildDataset(client, { subscriptions, due: day }));
  const url = await databases.copy(template, 'measured');
  const measureMode = async (mode: AuditMode, count: number, variant: string, wholeMs?: number) => {
    const audits: AuditMeasured[] = [];
    for (let round = 0; round < count; round += 1) {
      const report = await auditOnce(url, mode);
      const slowest = report.checks.slice(0, 5).map(({ id, ms }) => `${id} ${Math.round(ms)} ms`);
      log(`${mode}: ${Math.round(report.ms)} ms; slowest: ${slowest.join(', ')}`);
      audits.push(report);
    }
    const ms = median(audits.map((one) => one.ms));
    const row: Row = {
      variant,
      rate: (subscriptions * 1_000) / ms,
      ratio: wholeMs === undefined ? undefined : ms / wholeMs,
      peak_mb: Math.max(...audits.map((one) => one.peakMb)),
      seconds: ms / 1_000,
    };
    return { row, ms };
  };
  const name = `of ${subscriptions} subscriptions`;
  const whole = await measureMode('everything', rounds, `audit ${name}`);
  const rows = [
    whole,
    await measureMode('baseline', 1, 'the same, stored as baseline', whole.ms),
    await measureMode('changes', rounds, 'changes: none', whole.ms),
  ];
  const { reports } = await runEngine(url, 1, { worker: 'auto-renewal', confirmed: true });
  log(`${reports[0]?.changed} subscriptions renewed`);
  rows.push(await measureMode('changes', rounds, `changes: ${day} due renewals`, whole.ms));
  await databases.drop('measured');
  return rows.map(({ row }) => row);
}

export const benchmark: Benchmark = {
  description: 'the time and memory of an audit, and of an audit of the changes',
  async run({ subscriptions, rounds, server, log }) {
    await using databases = await openBenchDatabases(server);
    const rows: Row[] = [];
    for (const size of [Math.ceil(subscriptions / 10), subscriptions]) {
      rows.push(...(await measure(databases, { subscriptions: size, rounds, log })));
    }
    return rows;
  },
};
