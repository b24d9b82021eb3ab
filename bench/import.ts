import { fork } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { generateBook, generatedPrices } from '../src/demo/book.ts';
import { headText, lineText } from '../src/transfer/written.ts';
import { benchNow } from './book.ts';
import { messageOf } from './child.ts';
import type { TransferReport } from './import-run.ts';
import { openPlace, type Place } from './place.ts';
import type { Benchmark, Row } from './table.ts';

// How fast a book goes in and out, and that the memory it takes doesn't grow with it: a tenth of
// the lines, then all of them, each in a process of its own.

function* text(lines: number): Generator<string> {
  yield headText('csv');
  let [rows, count] = ['', 0];
  for (const line of generateBook({ customers: lines, seed: 1, now: benchNow })) {
    if (count === lines) break;
    count += 1;
    rows += lineText('csv', line);
    if (count % 1_000 === 0 || count === lines) {
      yield rows;
      rows = '';
    }
  }
}

const prices = generatedPrices.map(
  ({ plan, periodDays, amountMinor }) =>
    `('${plan}', ${periodDays}, 'RUB', '2020-01-01Z', ${amountMinor})`,
);

const plans = `
  INSERT INTO perennial.plan (key, title, groups)
  VALUES ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}');
  INSERT INTO perennial.plan_price VALUES ${prices.join(', ')};
  UPDATE perennial.installation SET clock_at = '${new Date(benchNow).toISOString()}'`;

/**
 * V8 lets garbage lie while the machine has room, so that a peak says little of what is needed;
 * with a heap this small, whatever kept lines would not get through a million of them.
 */
const smallHeap = ['--max-old-space-size=48', '--max-semi-space-size=8'];

async function transfer(what: 'import' | 'export', url: string, file: string) {
  const program = new URL('./import-run.ts', import.meta.url).pathname;
  const child = fork(program, [what, url, file], { execArgv: smallHeap });
  return (await messageOf(child, what)) as TransferReport;
}

async function measure(place: Place, folder: string, lines: number): Promise<Row[]> {
  const file = join(folder, 'book.csv');
  await pipeline(Readable.from(text(lines)), createWriteStream(file));
  const url = await place.copy('planned', 'measured');
  try {
    const rows: Row[] = [];
    for (const what of ['import', 'export'] as const) {
      const { ms, peakMb } = await transfer(what, url, file);
      const variant = `${what} ${lines} lines`;
      rows.push({ variant, rate: (lines * 1_000) / ms, peak_mb: peakMb, seconds: ms / 1_000 });
    }
    return rows;
  } finally {
    await place.drop('measured');
  }
}

export const benchmark: Benchmark = {
  says: 'how fast a book goes in and out, and in how much memory',
  async run({ subscriptions, server, say }) {
    const folder = await mkdtemp(join(tmpdir(), 'perennial-book-'));
    await using place = await openPlace(server);
    try {
      await place.template('planned', async (client) => void (await client.query(plans)));
      const rows: Row[] = [];
      for (const lines of [Math.ceil(subscriptions / 10), subscriptions]) {
        say(`${lines} lines`);
        rows.push(...(await measure(place, folder, lines)));
      }
      return rows;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
