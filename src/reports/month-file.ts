import { type RawBuilder, sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { openSingleConnection } from '../db/single-connection.ts';
import { joinFields } from '../import-export/csv.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import { isWithin, selectCharges, toEarnedSql, toTimeSql, toUnusedSql } from './charged-time.ts';
import { type ReportMonth, resolveMonth } from './month.ts';
import { startReportSnapshot } from './snapshot.ts';

// The ledger or the charged periods of a month as CSV, for accountants.
//
// A cursor reads one snapshot, so memory does not grow with the month. The sums of the columns are
// the figures of the report.

export const monthFileNames = ['ledger', 'periods'] as const;
export type MonthFileName = (typeof monthFileNames)[number];

/** Rows per round trip, about 1 MB. */
const fetchMax = 5_000;

type Row = Readonly<Record<string, string | bigint | Instant | null>>;

interface Column {
  readonly name: string;
  readonly write: (row: Row) => string;
}

/** A text or an id. */
const toPlain = (name: string): Column => ({ name, write: (row) => String(row[name] ?? '') });

const toTime = (name: string): Column => ({
  name,
  write: (row) => (row[name] === null ? '' : isoTime(row[name] as Instant)),
});

/** Minor units, written in major units of the currency of the row. */
const toMoney = (name: string): Column => ({
  name,
  write: (row) =>
    row[name] === null ? '' : majorUnits(BigInt(row[name] as bigint), String(row.currency)),
});

interface MonthFile {
  readonly columns: readonly Column[];
  /** Selects the rows in their order, with the names of the columns. */
  readonly select: (month: ReportMonth) => RawBuilder<unknown>;
}

/** Each entry of the month, oldest first. */
const ledgerFile: MonthFile = {
  columns: [
    toPlain('id'),
    toTime('created_at'),
    ...['telegram_id', 'kind', 'currency'].map(toPlain),
    ...['amount', 'balance_after', 'claim'].map(toMoney),
    ...['provider', 'provider_ref', 'dispute', 'payment_entry_id', 'out_entry_id'].map(toPlain),
  ],
  select: (month) => sql`
    SELECT e.id, e.created_at, c.telegram_id, e.kind, c.currency, e.amount_minor AS amount,
      e.balance_after_minor AS balance_after, e.claim_minor AS claim, e.provider, e.provider_ref,
      e.dispute, e.payment_entry_id, e.out_entry_id
    FROM perennial.ledger_entry e JOIN perennial.customer c ON c.id = e.customer_id
    WHERE ${isWithin(sql`e.created_at`, month)} ORDER BY e.created_at, e.id`,
};

/** Each charged period that was charged, earned, refunded or unused in the month. */
const periodsFile: MonthFile = {
  columns: [
    ...['id', 'telegram_id', 'subscription_id', 'source', 'plan', 'period_days'].map(toPlain),
    ...['starts_at', 'ends_at', 'charged_at', 'refunded_at'].map(toTime),
    toPlain('currency'),
    ...['amount', 'charged', 'earned', 'refunded', 'unused_start', 'unused_end'].map(toMoney),
    ...['ledger_entry_id', 'refund_entry_id'].map(toPlain),
  ],
  select(month) {
    const { from, until } = month;
    const start = toTimeSql(from);
    const isOfMonth = sql`(p.ends_at > ${start} OR e.created_at >= ${start} OR p.refunded_at >= ${start})`;
    return sql`
      SELECT p.id, c.telegram_id, p.subscription_id, p.source, p.plan, p.period_days::text,
        p.starts_at, p.ends_at, charged_at, sums.refunded_at, p.currency, amount, charged, earned,
        CASE WHEN sums.refunded_at >= ${start} THEN refunded ELSE 0 END AS refunded, unused_start,
        unused_end, p.ledger_entry_id,
        CASE WHEN sums.refunded_at IS NOT NULL THEN p.refund_entry_id END AS refund_entry_id
      FROM (
        SELECT id, charged_at, refunded_at, refunded, amount,
          CASE WHEN ${isWithin(sql`charged_at`, month)} THEN amount ELSE 0 END AS charged,
          ${toEarnedSql(until)} - ${toEarnedSql(from)} AS earned, ${toUnusedSql(from)} AS unused_start,
          ${toUnusedSql(until)} AS unused_end
        FROM (${selectCharges(until, isOfMonth)}) charge) sums
      JOIN perennial.period p ON p.id = sums.id
      JOIN perennial.customer c ON c.id = p.customer_id
      ORDER BY p.id`;
  },
};

const monthFiles: Readonly<Record<MonthFileName, MonthFile>> = {
  ledger: ledgerFile,
  periods: periodsFile,
};

export interface MonthFileRequest {
  readonly url: string;
  readonly file: MonthFileName;
  /** Undefined: the last complete month. */
  readonly month: string | undefined;
  readonly onRows?: (rows: number) => void;
}

/**
 * The text in pieces. The connection ends after the last piece, or if the reader stops.
 * @throws UsageFault `bad_month`, `future_month`
 */
export async function* exportMonth(request: MonthFileRequest): AsyncGenerator<string> {
  await using connection = await openSingleConnection(request.url);
  const { columns, select } = monthFiles[request.file];
  const tx = await startReportSnapshot(connection.db);
  const month = resolveMonth(request.month, await readClock(tx));
  await sql`DECLARE month_rows NO SCROLL CURSOR FOR ${select(month)}`.execute(tx);
  yield `${joinFields(columns.map(({ name }) => name))}\n`;
  for (let done = 0; ; ) {
    const { rows } = await sql<Row>`FETCH ${sql.lit(fetchMax)} FROM month_rows`.execute(tx);
    if (rows.length === 0) break;
    done += rows.length;
    yield rows.map((row) => `${joinFields(columns.map(({ write }) => write(row)))}\n`).join('');
    request.onRows?.(done);
  }
  await tx.commit().execute();
}
