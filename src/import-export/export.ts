import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { startSnapshot, type Tx } from '../db/connect.ts';
import { openSingleConnection } from '../db/single-connection.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type ColumnName, columnNames, defaultColumns, type FileLine } from './columns.ts';
import { formatHeader, formatLine } from './format.ts';
import type { FileFormat } from './records.ts';

// Writes customers as a file that `import` reads, from one snapshot. It reads by a cursor, so that
// memory does not grow with the database.
//
// 1. The columns `claim` and `blocked_reason` are written only if a customer has one, so that other
//    programs can read the file.
// 2. The file contains running and ended subscriptions. A revoked one has ended when its credential
//    was retired, and has no auto-renewal, so that it never runs again after an import.

/** Lines per round trip, about 1 MB. */
const fetchMax = 5_000;

/** Each of the two parts of a credential by its own index, because no index covers both. */
const declareCursor = (now: Instant) => sql`
  DECLARE line NO SCROLL CURSOR FOR
  SELECT c.telegram_id, c.locale, c.time_zone, c.currency, c.balance_minor AS balance, c.claim_minor AS claim, c.vip,
    c.discount_percent, c.trial_used_at IS NOT NULL AS trial_used, c.sub_token, c.blocked_reason, s.kind, s.plan,
    s.period_days, s.auto_renew AND s.state <> 'revoked' AS auto_renew,
    coalesce(live.id, last.id)::text AS uuid,
    CASE s.state
      WHEN 'active' THEN s.expires_at
      WHEN 'expired' THEN least(s.expires_at, ${sql.lit(isoTime(now))}::timestamptz)
      WHEN 'revoked' THEN
        least(s.expires_at, coalesce(last.retired_at, ${sql.lit(isoTime(now))}::timestamptz))
    END AS expires_at
  FROM perennial.customer c
  LEFT JOIN perennial.subscription s ON s.customer_id = c.id
  LEFT JOIN perennial.credential live
    ON live.subscription_id = s.id AND live.retired_at IS NULL
  LEFT JOIN LATERAL (
    SELECT old.id, old.retired_at FROM perennial.credential old
    WHERE live.id IS NULL AND old.subscription_id = s.id AND old.retired_at IS NOT NULL
    ORDER BY old.retired_at DESC, old.issued_at DESC, old.id LIMIT 1) last ON true
  ORDER BY c.id, s.id`;

export interface ExportRequest {
  readonly url: string;
  readonly format: FileFormat;
  readonly onRows?: (rows: number) => void;
}

/** The text in pieces. The connection ends after the last piece, or if the reader stops. */
export async function* exportCustomers(request: ExportRequest): AsyncGenerator<string> {
  await using connection = await openSingleConnection(request.url);
  const tx = await startSnapshot(connection.db);
  const now = await readClock(tx);
  // A plan that starts at once: it reads by the keys and sorts nothing.
  await sql`SET LOCAL cursor_tuple_fraction = 0.0001`.execute(tx);
  await declareCursor(now).execute(tx);
  const used = await readUsedColumns(tx);
  const names = columnNames.filter((name) => defaultColumns.includes(name) || used[name]);
  yield formatHeader(request.format, names);
  for (let done = 0; ; ) {
    const rows = await fetchLines(tx);
    if (rows.length === 0) break;
    done += rows.length;
    yield rows.map((row) => formatLine(request.format, row, names)).join('');
    request.onRows?.(done);
  }
  await tx.commit().execute();
}

async function readUsedColumns(tx: Tx): Promise<{ readonly [N in ColumnName]?: boolean }> {
  const { rows } = await sql<{ claim: boolean; blocked_reason: boolean }>`
    SELECT EXISTS (SELECT FROM perennial.customer WHERE claim_minor > 0) AS claim,
      EXISTS (SELECT FROM perennial.customer WHERE blocked_at IS NOT NULL) AS blocked_reason`.execute(
    tx,
  );
  return rows[0] ?? {};
}

async function fetchLines(tx: Tx): Promise<readonly FileLine[]> {
  const { rows } = await sql<FileLine>`FETCH ${sql.lit(fetchMax)} FROM line`.execute(tx);
  return rows;
}
