import { readFile } from 'node:fs/promises';
import { type BookSize, benchNow, buildBook } from './book.ts';
import { auditBooks, type Fingerprint } from './books-made.ts';
import { runEngine } from './engine.ts';
import { openPlace, type Place, using } from './place.ts';
import { renewRowAtATime } from './row-at-a-time.ts';
import type { Benchmark, Options, Row } from './table.ts';
import { median } from './table.ts';

// How fast auto-renewal is, against the fastest that PostgreSQL can do the same writes (one
// statement) and against how bots do it (row at a time): same schema, same book, durable settings.
// Variants take turns for some rounds, and medians count, since a machine's speed drifts. After
// each the books are audited, and have to be the same books.

interface Measured {
  readonly rate: number;
  readonly walBytesPerRenewal: number;
  readonly peakMb?: number;
  readonly eventLoopBlockMs?: number;
}

interface Done {
  readonly renewed: number;
  readonly ms: number;
  readonly peakMb?: number;
  readonly eventLoopBlockMs?: number;
}

type Variant = (url: string) => Promise<Done>;

const ceilingSql = await readFile(new URL('./ceiling.sql', import.meta.url), 'utf8');

/** Memory enough that nothing of the statement goes to disk. */
const ceiling: Variant = (url) =>
  using(url, async (client) => {
    await client.query("SET work_mem = '256MB'");
    const startedMs = performance.now();
    const { rows } = await client.query(ceilingSql, [new Date(benchNow)]);
    return { renewed: Number(rows[0].renewed), ms: performance.now() - startedMs };
  });

const engine =
  (processes: number): Variant =>
  async (url) => {
    const { ms, reports } = await runEngine(url, processes);
    return {
      ms,
      renewed: reports.reduce((sum, { changed }) => sum + changed, 0),
      peakMb: Math.max(...reports.map(({ peakMb }) => peakMb)),
      eventLoopBlockMs: Math.max(...reports.map(({ eventLoopBlockMs }) => eventLoopBlockMs)),
    };
  };

/** A bot needs minutes for all: a slice is timed, and the engine does the rest untimed. */
const rowAtATime =
  (max: number): Variant =>
  (url) =>
    using(url, async (client) => {
      const startedMs = performance.now();
      const { renewed } = await renewRowAtATime(client, max);
      return { renewed, ms: performance.now() - startedMs };
    });

async function measure(
  place: Place,
  template: string,
  variant: Variant,
): Promise<{ measured: Measured; made: Fingerprint }> {
  const url = await place.copy(template, 'measured');
  try {
    return await using(url, async (client) => {
      const position = async () =>
        (await client.query("SELECT pg_current_wal_insert_lsn() - '0/0' AS at")).rows[0].at;
      const before = Number(await position());
      const { renewed, ms, ...more } = await variant(url);
      const walBytes = Number(await position()) - before;
      await runEngine(url, 1);
      const made = await auditBooks(client);
      const rate = (renewed * 1_000) / ms;
      return { measured: { ...more, rate, walBytesPerRenewal: walBytes / renewed }, made };
    });
  } finally {
    await place.drop('measured');
  }
}

const middle = (all: readonly Measured[], pick: (one: Measured) => number | undefined) => {
  const values = all.map(pick).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
};

async function renewal(options: Options): Promise<Row[]> {
  const size = { subscriptions: options.subscriptions, due: options.due };
  const variants: Record<string, Variant> = {
    ceiling,
    'engine, 1 run': engine(1),
    'engine, 2 runs': engine(2),
    'row at a time': rowAtATime(Math.min(size.due, 5_000)),
  };
  await using place = await openPlace();
  await place.template('book', (client) => buildBook(client, size));
  options.say(`built ${size.subscriptions} subscriptions, ${size.due} due`);
  const results = new Map<string, Measured[]>(Object.keys(variants).map((name) => [name, []]));
  let books: string | undefined;
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [name, variant] of Object.entries(variants)) {
      const { measured, made } = await measure(place, 'book', variant);
      results.get(name)?.push(measured);
      options.say(`round ${round}, ${name}: ${Math.round(measured.rate)}/s; books are right`);
      books ??= JSON.stringify(made);
      if (books !== JSON.stringify(made)) {
        throw new Error(`${name} made other books: ${JSON.stringify(made)} and not ${books}`);
      }
    }
  }
  options.say(`every variant made the same books: ${books}`);
  const rows = rowsOf(results);
  return [...rows, ...(await flatness(place, size, options))];
}

function rowsOf(results: ReadonlyMap<string, readonly Measured[]>): Row[] {
  const rate = (name: string) => middle(results.get(name) ?? [], (one) => one.rate) ?? Number.NaN;
  return [...results].map(([variant, all]) => ({
    variant,
    rate: Math.round(rate(variant)),
    to_ceiling: rate(variant) / rate('ceiling'),
    to_row_at_a_time: rate(variant) / rate('row at a time'),
    peak_mb: middle(all, (one) => one.peakMb),
    wal_bytes_per_renewal: middle(all, (one) => one.walBytesPerRenewal),
    event_loop_block_ms: middle(all, (one) => one.eventLoopBlockMs),
  }));
}

/** The engine's memory with a fifth of the work: it must not grow with what is due. */
async function flatness(place: Place, size: BookSize, options: Options): Promise<Row[]> {
  const fifth = { subscriptions: size.subscriptions / 5, due: size.due / 5 };
  await place.template('small', (client) => buildBook(client, fifth));
  const { measured } = await measure(place, 'small', engine(1));
  options.say(`peak with ${fifth.due} due: ${Math.round(measured.peakMb ?? 0)} MB`);
  return [
    {
      variant: `engine, 1 run, ${fifth.due} due`,
      rate: Math.round(measured.rate),
      peak_mb: measured.peakMb,
      wal_bytes_per_renewal: measured.walBytesPerRenewal,
      event_loop_block_ms: measured.eventLoopBlockMs,
    },
  ];
}

export const benchmark: Benchmark = {
  says: 'auto-renewal against one giant statement and against row at a time, on a million subscriptions',
  run: renewal,
};
