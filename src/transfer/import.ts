import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sql } from 'kysely';
import { from as copyFrom } from 'pg-copy-streams';
import { type Connection, cancelOn, connectAlone } from '../db/alone.ts';
import type { Tx } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { refused } from '../kernel/faults.ts';
import type { Instant } from '../kernel/instant.ts';
import {
  createOpeningLines,
  openingLineColumns,
  settleOpeningLines,
  tellPlanner,
  writeOpeningLines,
} from '../subscription/opening-book.ts';
import { readPriceList } from '../subscription/price-list.ts';
import { readSettings } from '../subscription/settings.ts';
import type { Actor } from '../subscription/timeline.ts';
import { checkTogether } from './check.ts';
import type { ColumnName, Known } from './columns.ts';
import { readLine, stagedRow } from './line.ts';
import { type Problem, Problems } from './problems.ts';
import {
  type Format,
  isProblem,
  type RecordOrProblem,
  type RecordReader,
  recordReader,
} from './records.ts';
import { type BookSummary, summarize } from './summary.ts';
import { readLines } from './text-lines.ts';

// A file becomes books, all of it or nothing: one transaction. Each line is judged as it streams
// by and copied to a staging table, also a wrong one, as far as it could be read, so that the
// others are compared with it; then the lines are judged together; and only if nothing is wrong are
// they written. The memory that this takes doesn't depend on the file.

/** How far an import is: bytes while it reads, lines while it writes. */
export interface Progress {
  readonly phase: 'reading' | 'checking' | 'writing';
  readonly done: number;
  /** Undefined where nobody knows, as with a pipe. */
  readonly of: number | undefined;
}

export interface ImportRequest {
  readonly url: string;
  readonly source: AsyncIterable<Buffer>;
  readonly bytes?: number;
  readonly format: Format;
  /** Of a line that names none. */
  readonly currency: string;
  readonly actor: Actor;
  /** All checks, no change. */
  readonly dryRun?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends it: what it has written until then is undone. */
  readonly signal?: AbortSignal;
}

export type ImportOutcome =
  | {
      readonly outcome: 'imported' | 'checked';
      readonly book: BookSummary;
      /** Columns that the file does not have: each line got their default. */
      readonly absent: readonly ColumnName[];
    }
  | { readonly outcome: 'refused'; readonly problems: readonly Problem[]; readonly total: number };

/** Brings a file in. A fault while reading or writing leaves the books as they were. */
export async function importBook(request: ImportRequest): Promise<ImportOutcome> {
  await using connection = await connectAlone(request.url);
  using _ = cancelOn(request.signal, request.url, connection.client);
  const tx = await connection.db.startTransaction().setIsolationLevel('read committed').execute();
  let outcome: ImportOutcome;
  try {
    const now = await readTrustedTime(tx);
    outcome = await stageAndCheck(connection, tx, request, now);
    if (outcome.outcome === 'imported') await write(tx, request, now, outcome.book.lines);
  } catch (error) {
    await tx
      .rollback()
      .execute()
      .catch(() => undefined); // the connection may be what failed
    throw told(error);
  }
  await (outcome.outcome === 'imported' ? tx.commit() : tx.rollback()).execute();
  return outcome;
}

/** Two who bring in the same customer at once: the checks of both were right, and one is late. */
function told(error: unknown): unknown {
  if ((error as { code?: unknown } | undefined)?.code !== '23505') return error;
  const detail = (error as { detail?: string }).detail ?? (error as Error).message;
  return refused('changed_meanwhile', `the books changed meanwhile (${detail}); import again`);
}

async function stageAndCheck(
  { client }: Connection,
  tx: Tx,
  request: ImportRequest,
  now: Instant,
): Promise<ImportOutcome> {
  const problems = new Problems();
  const reader = recordReader(request.format);
  const known = await readKnown(tx, request.currency, now);
  await createOpeningLines(tx);
  const names = openingLineColumns.map(([name]) => name).join(', ');
  await pipeline(
    Readable.from(stagedRows(request, reader, known, problems), { objectMode: false }),
    client.query(copyFrom(`COPY opening_line (${names}) FROM STDIN`)),
    request.signal === undefined ? {} : { signal: request.signal },
  );
  request.onProgress?.({ phase: 'checking', done: 0, of: undefined });
  await settleOpeningLines(tx);
  const together = await checkTogether(tx);
  problems.addAll(together.first, together.total);
  if (problems.total > 0) {
    return { outcome: 'refused', problems: problems.shown, total: problems.total };
  }
  const book = await summarize(tx, now);
  const { absent } = reader;
  return { outcome: request.dryRun ? 'checked' : 'imported', book, absent };
}

async function readKnown(tx: Tx, currency: string, now: Instant): Promise<Known> {
  const plans = await tx.selectFrom('perennial.plan').select('key').orderBy('key').execute();
  const prices = await readPriceList(tx, now);
  // Three days is what a trial is where nobody configured one (docs/import.md).
  const trialDays = (await readSettings(tx)).trial?.days ?? 3;
  return { currency, plans: new Set(plans.map((plan) => plan.key)), prices, trialDays };
}

/** The rows of the staging table, a block of lines at a time; problems are kept on the way. */
async function* stagedRows(
  { source, bytes, onProgress }: ImportRequest,
  reader: RecordReader,
  known: Known,
  problems: Problems,
): AsyncGenerator<Buffer> {
  let done = 0;
  async function* counted() {
    for await (const chunk of source) {
      done += chunk.length;
      onProgress?.({ phase: 'reading', done, of: bytes });
      yield chunk;
    }
  }
  const take = (read: RecordOrProblem): string => {
    if (isProblem(read)) {
      problems.add(read);
      return '';
    }
    const line = readLine(read, known);
    for (const problem of line.problems) problems.add(problem);
    return stagedRow(line);
  };
  for await (const lines of readLines(counted())) {
    let rows = '';
    for (const line of lines) for (const read of reader.add(line)) rows += take(read);
    if (rows !== '') yield Buffer.from(rows);
    if (reader.ended) return;
  }
  yield Buffer.from(reader.end().map(take).join(''));
}

/** Lines written at a time: enough that a statement's own cost is none, few enough to tell of. */
const stretchLines = 20_000;

async function write(tx: Tx, request: ImportRequest, now: Instant, total: number): Promise<void> {
  const settings = await readSettings(tx);
  let after = 0;
  for (let done = 0; ; ) {
    const { rows } = await sql<{ last: number | null; lines: number }>`
      SELECT max(line)::int AS last, count(*)::int AS lines FROM (
        SELECT line FROM opening_line WHERE line > ${after} ORDER BY line LIMIT ${stretchLines})
      stretch`.execute(tx);
    const [stretch] = rows;
    if (stretch === undefined || stretch.last === null) break;
    const lines = { first: after + 1, last: stretch.last };
    await writeOpeningLines(tx, lines, request.actor, now, settings);
    after = stretch.last;
    done += stretch.lines;
    request.onProgress?.({ phase: 'writing', done, of: total });
  }
  await tellPlanner(tx);
}
