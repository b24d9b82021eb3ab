import { fork } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { generatedPrices, generateTestData } from '../src/demo/test-data.ts';
import { formatHeader, formatLine } from '../src/import-export/format.ts';
import { benchNow } from '../testbed/dataset.ts';
import { receiveMessage } from './child.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import type { TransferReport } from './import-run.ts';
import type { Benchmark, Row } from './table.ts';

// The rate of import and export, and proof that their memory does not grow with the file. It uses a
// tenth of the lines, then all of them, each in a separate process.

function* generateCsv(lines: number): Generator<string> {
  yield formatHeader('csv');
  let [rows, count] = ['', 0];
  for (const line of generateTestData({ customers: lines, seed: 1, now: benchNow })) {
    if (count === lines) break;
    count += 1;
    rows += formatLine('csv', line);
    if (count % 1_000 === 0 || count === lines) {
      yield rows;
      rows = '';
    }
  }
}

const priceValues = generatedPrices.map(
  ({ plan, periodDays, amountMinor }) =>
    `('${plan}', ${periodDays}, 'RUB', '2020-01-01Z', ${amountMinor})`,
);

const plansSql = `
  INSERT INTO perennial.plan (key, title, groups)
  VALUES ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}');
  INSERT INTO perennial.plan_price VALUES ${priceValues.join(', ')};
  UPDATE perennial.installation SET clock_at = '${new Date(benchNow).toISOString()}'`;

/**
 * A small heap. V8 delays garbage collection while the machine has memory, so a peak does not show
 * the need. With this heap, code that keeps lines fails before a million of them.
 */
const smallHeap = ['--max-old-space-size=48', '--max-semi-space-size=8'];

async function runTransfer(direction: 'import' | 'export', url: string, file: string) {
  const program = new URL('./import-run.ts', import.meta.url).pathname;
  const child = fork(program, [direction, url, file], { execArgv: smallHeap });
  return (await receiveMessage(child, direction)) as TransferReport;
}

async function measure(databases: BenchDatabases, folder: string, lines: number): Promise<Row[]> {
  const file = join(folder, 'customers.csv');
  await pipeline(Readable.from(generateCsv(lines)), createWriteStream(file));
  const url = await databases.copy('planned', 'measured');
  try {
    const rows: Row[] = [];
    for (const direction of ['import', 'export'] as const) {
      const { ms, peakMb } = await runTransfer(direction, url, file);
      const variant = `${direction} ${lines} lines`;
      rows.push({ variant, rate: (lines * 1_000) / ms, peak_mb: peakMb, seconds: ms / 1_000 });
    }
    return rows;
  } finally {
    await databases.drop('measured');
  }
}

export const benchmark: Benchmark = {
  description: 'the rate and memory of import and export',
  async run({ subscriptions, server, log }) {
    const folder = await mkdtemp(join(tmpdir(), 'perennial-import-'));
    await using databases = await openBenchDatabases(server);
    try {
      await databases.template('planned', async (client) => void (await client.query(plansSql)));
      const rows: Row[] = [];
      for (const lines of [Math.ceil(subscriptions / 10), subscriptions]) {
        log(`${lines} lines`);
        rows.push(...(await measure(databases, folder, lines)));
      }
      return rows;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
