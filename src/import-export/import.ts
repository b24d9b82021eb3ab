import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sql } from 'kysely';
import { from as copyFrom } from 'pg-copy-streams';
import type { Tx } from '../db/connect.ts';
import {
  cancelOnAbort,
  openSingleConnection,
  type SingleConnection,
} from '../db/single-connection.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { refused } from '../kernel/faults.ts';
import type { Instant } from '../kernel/instant.ts';
import {
  analyzeTables,
  createOpeningLines,
  indexOpeningLines,
  openingLineColumns,
  writeOpeningLines,
} from '../subscription/batch/import-rows.ts';
import type { Actor } from '../subscription/store/events.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { checkAllLines } from './check.ts';
import type { ColumnName, LineContext } from './columns.ts';
import { formatStagedRow, parseLine } from './line.ts';
import { type LineProblem, LineProblems } from './problems.ts';
import {
  createRecordReader,
  type FileFormat,
  isProblem,
  type RecordOrProblem,
  type RecordReader,
} from './records.ts';
import { type FileSummary, readFileSummary } from './summary.ts';
import { readLines } from './text-lines.ts';

// Imports a file in one transaction, completely or not at all.
//
// 1. Each line is parsed as it streams, checked, and copied to a staging table. A wrong line is
//    copied as far as it was parsed, so that other lines are compared with it.
// 2. The lines are checked together.
// 3. Without a problem they are written. Memory does not grow with the file.

/** The progress: bytes while it reads, lines while it writes. */
export interface ImportProgress {
  readonly phase: 'reading' | 'checking' | 'writing';
  readonly done: number;
  /** Undefined if the size is unknown, as for a pipe. */
  readonly total: number | undefined;
}

export interface ImportRequest {
  readonly url: string;
  readonly source: AsyncIterable<Buffer>;
  readonly bytes?: number;
  readonly format: FileFormat;
  /** The currency of lines without one. */
  readonly currency: string;
  readonly actor: Actor;
  /** Runs all checks and changes nothing. */
  readonly dryRun?: boolean;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Ends the import and rolls it back. */
  readonly signal?: AbortSignal;
}

export type ImportOutcome =
  | {
      readonly outcome: 'imported' | 'checked';
      readonly summary: FileSummary;
      /** Columns that the file lacks: each line got their default. */
      readonly absent: readonly ColumnName[];
    }
  | {
      readonly outcome: 'refused';
      readonly problems: readonly LineProblem[];
      readonly total: number;
    };

/** Imports a file. A fault leaves the database unchanged. */
export async function importCustomers(request: ImportRequest): Promise<ImportOutcome> {
  await using connection = await openSingleConnection(request.url);
  using _ = cancelOnAbort(request.signal, request.url, connection.client);
  const tx = await connection.db.startTransaction().setIsolationLevel('read committed').execute();
  let outcome: ImportOutcome;
  try {
    const now = await readTrustedTime(tx);
    outcome = await stageAndCheck(connection, tx, request, now);
    if (outcome.outcome === 'imported') await writeLines(tx, request, now, outcome.summary.lines);
  } catch (error) {
    await tx
      .rollback()
      .execute()
      .catch(() => undefined); // the connection may be what failed
    throw toImportFault(error);
  }
  await (outcome.outcome === 'imported' ? tx.commit() : tx.rollback()).execute();
  return outcome;
}

/** Two imports of the same customer at once: both checks passed, and the later one fails here. */
function toImportFault(error: unknown): unknown {
  if ((error as { code?: unknown } | undefined)?.code !== '23505') return error;
  const detail = (error as { detail?: string }).detail ?? (error as Error).message;
  return refused('changed_meanwhile', `the database changed meanwhile (${detail}); import again`);
}

async function stageAndCheck(
  { client }: SingleConnection,
  tx: Tx,
  request: ImportRequest,
  now: Instant,
): Promise<ImportOutcome> {
  const problems = new LineProblems();
  const reader = createRecordReader(request.format);
  const context = await readLineContext(tx, request.currency, now);
  await createOpeningLines(tx);
  const names = openingLineColumns.map(([name]) => name).join(', ');
  await pipeline(
    Readable.from(stageRows(request, reader, context, problems), { objectMode: false }),
    client.query(copyFrom(`COPY opening_line (${names}) FROM STDIN`)),
    request.signal === undefined ? {} : { signal: request.signal },
  );
  request.onProgress?.({ phase: 'checking', done: 0, total: undefined });
  await indexOpeningLines(tx);
  const conflicts = await checkAllLines(tx);
  problems.addAll(conflicts.first, conflicts.total);
  if (problems.total > 0) {
    return { outcome: 'refused', problems: problems.shown, total: problems.total };
  }
  const summary = await readFileSummary(tx, now);
  const { absent } = reader;
  return { outcome: request.dryRun ? 'checked' : 'imported', summary, absent };
}

async function readLineContext(tx: Tx, currency: string, now: Instant): Promise<LineContext> {
  const plans = await tx.selectFrom('perennial.plan').select('key').orderBy('key').execute();
  const prices = await readPriceList(tx, now);
  // The default length of a trial without a configuration (docs/import.md).
  const trialDays = (await readSettings(tx)).trial?.days ?? 3;
  return { currency, plans: new Set(plans.map((plan) => plan.key)), prices, trialDays };
}

/** Streams the rows of the staging table in blocks, and collects problems. */
async function* stageRows(
  { source, bytes, onProgress }: ImportRequest,
  reader: RecordReader,
  context: LineContext,
  problems: LineProblems,
): AsyncGenerator<Buffer> {
  let done = 0;
  async function* countBytes() {
    for await (const chunk of source) {
      done += chunk.length;
      onProgress?.({ phase: 'reading', done, total: bytes });
      yield chunk;
    }
  }
  const stageRow = (read: RecordOrProblem): string => {
    if (isProblem(read)) {
      problems.add(read);
      return '';
    }
    const line = parseLine(read, context);
    for (const problem of line.problems) problems.add(problem);
    return formatStagedRow(line);
  };
  for await (const lines of readLines(countBytes())) {
    let rows = '';
    for (const line of lines) for (const read of reader.add(line)) rows += stageRow(read);
    if (rows !== '') yield Buffer.from(rows);
    if (reader.ended) return;
  }
  yield Buffer.from(reader.end().map(stageRow).join(''));
}

/** Lines per statement: enough to hide its own cost, few enough for the progress. */
const chunkLines = 20_000;

async function writeLines(
  tx: Tx,
  request: ImportRequest,
  now: Instant,
  total: number,
): Promise<void> {
  const settings = await readSettings(tx);
  let after = 0;
  for (let done = 0; ; ) {
    const { rows } = await sql<{ last: number | null; lines: number }>`
      SELECT max(line)::int AS last, count(*)::int AS lines FROM (
        SELECT line FROM opening_line WHERE line > ${after} ORDER BY line LIMIT ${chunkLines})
      stretch`.execute(tx);
    const [chunk] = rows;
    if (chunk === undefined || chunk.last === null) break;
    const range = { first: after + 1, last: chunk.last };
    await writeOpeningLines(tx, range, request.actor, now, settings);
    after = chunk.last;
    done += chunk.lines;
    request.onProgress?.({ phase: 'writing', done, total });
  }
  await analyzeTables(tx);
}
