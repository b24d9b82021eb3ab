import { fork } from 'node:child_process';
import type { AuditMeasured } from './audit-run.ts';
import { buildBook } from './book.ts';
import { messageOf } from './child.ts';
import { openPlace, type Place } from './place.ts';
import { type Benchmark, median, type Row } from './table.ts';

// How long it takes to prove that books are right, and that the memory which the program takes for
// it doesn't grow with them: a tenth of the book, then all of it, each audit in its own process.

async function auditOnce(url: string): Promise<AuditMeasured> {
  const child = fork(new URL('./audit-run.ts', import.meta.url).pathname, [url]);
  return (await messageOf(child, 'audit')) as AuditMeasured;
}

interface Request {
  readonly subscriptions: number;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

async function measure(place: Place, { subscriptions, rounds, say }: Request): Promise<Row> {
  const template = `book_${subscriptions}`;
  say(`building a book of ${subscriptions} subscriptions`);
  await place.template(template, (client) =>
    buildBook(client, { subscriptions, due: Math.ceil(subscriptions / 10) }),
  );
  const url = await place.copy(template, 'measured');
  const all: AuditMeasured[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const once = await auditOnce(url);
    const slowest = once.checks.slice(0, 5).map(({ id, ms }) => `${id} ${Math.round(ms)} ms`);
    say(`${Math.round(once.ms)} ms; slowest: ${slowest.join(', ')}`);
    all.push(once);
  }
  await place.drop('measured');
  const ms = median(all.map((one) => one.ms));
  return {
    variant: `audit of ${subscriptions} subscriptions`,
    rate: (subscriptions * 1_000) / ms,
    peak_mb: Math.max(...all.map((one) => one.peakMb)),
    seconds: ms / 1_000,
  };
}

export const benchmark: Benchmark = {
  says: 'how long the proof takes that books are right, and in how much memory',
  async run({ subscriptions, rounds, server, say }) {
    await using place = await openPlace(server);
    const rows: Row[] = [];
    for (const size of [Math.ceil(subscriptions / 10), subscriptions]) {
      rows.push(await measure(place, { subscriptions: size, rounds, say }));
    }
    return rows;
  },
};
