import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { majorUnits } from '../kernel/money.ts';
import { type LineProblem, problemsShownMax } from './problems.ts';

// Checks lines against each other and against the database, in SQL over the staging table. Each
// check is one statement for all lines. A temporary table collects the problems, so that a file
// with a million bad lines does not fill the memory.

/** Customer columns that lines of one customer share, except money, which needs its currency. */
const comparedAsText = [
  'locale',
  'time_zone',
  'currency',
  'vip',
  'discount_percent',
  'trial_used',
  'sub_token',
  'blocked_reason',
] as const;

const moneyColumns = ['balance', 'claim'] as const;

/** Minor units and currency, `14900 RUB`, until the output. */
const selectMoney = (alias: string, column: string) =>
  sql.raw(`${alias}.${column}_minor || ' ' || ${alias}.currency`);

const selectAsText = (alias: string, column: string) =>
  sql.raw(
    column.startsWith('vip') || column === 'trial_used'
      ? `CASE WHEN ${alias}.${column} THEN 'true' ELSE 'false' END`
      : `${alias}.${column}::text`,
  );

type SqlFragment = RawBuilder<unknown>;

/** A later line of a customer with another value than the first one. */
function selectDisagreements(): SqlFragment {
  const ofColumn = (
    column: string,
    differs: SqlFragment,
    value: SqlFragment,
    first: SqlFragment,
  ) => sql`
    SELECT l.line, ${sql.lit(column)}, ${value}, 'disagrees', f.line, ${first}
    FROM opening_later later JOIN opening_line l ON l.line = later.line
    JOIN opening_line f ON f.line = later.first_line WHERE ${differs}`;
  const compared = comparedAsText.map((column) =>
    ofColumn(
      column,
      sql.raw(`l.${column} <> f.${column}`),
      selectAsText('l', column),
      selectAsText('f', column),
    ),
  );
  const money = moneyColumns.map((column) =>
    ofColumn(
      column,
      sql.raw(`l.${column}_minor <> f.${column}_minor`),
      selectMoney('l', column),
      selectMoney('f', column),
    ),
  );
  return sql.join([...compared, ...money], sql` UNION ALL `);
}

/** A UUID as VLESS compares it: the third group carries a route and is ignored. */
const normalizeUuid = (uuid: string): SqlFragment =>
  sql`overlay(${sql.raw(uuid)}::text PLACING '0000' FROM 15)`;

/** Two customers whose UUIDs are equal to VLESS: a node would keep only the later one. */
const duplicateUuidChecks: readonly SqlFragment[] = [
  sql`
    SELECT l.line, 'uuid', l.uuid::text, 'alike_in_database', NULL, NULL
    FROM opening_line l JOIN perennial.credential c
      ON ${normalizeUuid('c.id')} = ${normalizeUuid('l.uuid')} AND c.id <> l.uuid
    WHERE l.uuid IS NOT NULL`,
  sql`
    SELECT l.line, 'uuid', l.uuid::text, 'alike', f.line, NULL
    FROM (SELECT ${normalizeUuid('uuid')} AS read, min(line) AS line FROM opening_line
      WHERE uuid IS NOT NULL GROUP BY 1 HAVING count(*) > 1) shared
    JOIN opening_line f ON f.line = shared.line
    JOIN opening_line l ON ${normalizeUuid('l.uuid')} = shared.read
    WHERE l.line > f.line AND l.uuid <> f.uuid`,
];

const lineChecks: readonly SqlFragment[] = [
  ...duplicateUuidChecks,
  selectDisagreements(),
  sql`
    SELECT l.line, 'telegram_id', l.telegram_id::text, 'in_database', NULL, NULL
    FROM opening_line l JOIN perennial.customer c ON c.telegram_id = l.telegram_id`,
  sql`
    SELECT l.line, 'sub_token', l.sub_token, 'in_database', NULL, NULL
    FROM opening_line l JOIN perennial.customer c ON c.sub_token = l.sub_token`,
  sql`
    SELECT l.line, 'uuid', l.uuid::text, 'in_database', NULL, NULL
    FROM opening_line l JOIN perennial.credential c ON c.id = l.uuid`,
  sql`
    SELECT line, 'uuid', uuid::text, 'same_as', first_line, NULL FROM (
      SELECT line, uuid, min(line) OVER (PARTITION BY uuid) AS first_line
      FROM opening_line WHERE uuid IS NOT NULL) numbered
    WHERE line > first_line`,
  sql`
    SELECT line, 'sub_token', sub_token, 'same_as', first_line, NULL FROM (
      SELECT line, sub_token, telegram_id, first_value(line) OVER (token) AS first_line,
        first_value(telegram_id) OVER (token) AS first_id
      FROM opening_line WHERE sub_token <> ''
      WINDOW token AS (PARTITION BY sub_token ORDER BY line)) owners
    WHERE telegram_id <> first_id`,
];

interface LineProblemRow {
  readonly line: bigint;
  readonly column: string;
  readonly value: string;
  readonly reason: 'disagrees' | 'in_database' | 'same_as' | 'alike' | 'alike_in_database';
  readonly other_line: bigint | null;
  readonly other_value: string | null;
}

function formatValue(column: string, value: string): string {
  if (!moneyColumns.some((name) => name === column)) return value;
  const [minor = '0', currency = ''] = value.split(' ');
  return majorUnits(BigInt(minor), currency);
}

/** Explains why two different UUIDs are equal to VLESS. */
const ignoredPart = 'which does not read the third group';

function toLineProblem(row: LineProblemRow): LineProblem {
  const { column } = row;
  const reasons = {
    disagrees: () =>
      `disagrees with line ${row.other_line} of this customer, which has "${formatValue(column, row.other_value ?? '')}"`,
    in_database: () => 'is in the database already',
    same_as: () => `is already in line ${row.other_line}`,
    alike: () => `is already in line ${row.other_line} to VLESS, ${ignoredPart}`,
    alike_in_database: () => `is in the database already to VLESS, ${ignoredPart}`,
  };
  const value = formatValue(column, row.value);
  return { line: Number(row.line), column, value, reason: reasons[row.reason]() };
}

/** The first problems by line, and their number. */
export async function checkAllLines(
  tx: Tx,
): Promise<{ readonly first: readonly LineProblem[]; readonly total: number }> {
  await sql`
    CREATE TEMPORARY TABLE opening_problem (line bigint, "column" text, value text, reason text,
      other_line bigint, other_value text) ON COMMIT DROP`.execute(tx);
  for (const check of lineChecks) {
    await sql`INSERT INTO opening_problem ${check}`.execute(tx);
  }
  const { rows: counted } = await sql<{ total: bigint }>`
    SELECT count(*) AS total FROM opening_problem`.execute(tx);
  const { rows } = await sql<LineProblemRow>`
    SELECT * FROM opening_problem ORDER BY line, "column" LIMIT ${problemsShownMax}`.execute(tx);
  return { first: rows.map(toLineProblem), total: Number(counted[0]?.total ?? 0n) };
}
