import { type RawBuilder, sql } from 'kysely';
import { pastColumns, repairedColumns, waitingColumns } from '../db/time-columns.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';

// Times that are further ahead of now than possible, by the table of the repair
// (`db/time-columns.ts`).
//
// Each check reads a table once, for all of its columns.

/** A step back of the clock within the tolerance of the time sentinel is no violation. */
export const stepBackMax = sql`interval '1 minute'`;

/** The key of a row as text, and its customer. */
interface RowKey {
  readonly key: string;
  readonly customer?: string;
}

const ofCustomer: RowKey = { key: 't.id', customer: 't.customer_id' };

const keys: Readonly<Record<string, RowKey>> = {
  access_sync: { key: "t.node_id || ' ' || t.credential_id" },
  confirmation: { key: "t.worker || ' ' || t.subject" },
  credential: ofCustomer,
  customer: { key: 't.id', customer: 't.id' },
  event: ofCustomer,
  idempotency: { key: "t.scope || ' ' || t.key" },
  known_price: ofCustomer,
  ledger_entry: ofCustomer,
  migration: { key: 't.version' },
  notification: ofCustomer,
  period: ofCustomer,
  plan: { key: 't.key' },
  plan_price: { key: "concat_ws(' ', t.plan, t.period_days, t.currency, t.valid_from)" },
  quarantine: { key: "t.worker || ' ' || t.item" },
  stray: { key: "t.node_id || ' ' || t.name" },
  subscription: ofCustomer,
  worker_state: { key: 't.worker' },
};

interface Column {
  readonly table: string;
  readonly column: string;
  /** SQL that is true for a wrong time of the row `t`. */
  readonly isWrong: string;
}

interface Row {
  readonly customer_id: bigint | null;
  readonly id: string;
  readonly place: string;
  readonly name: string;
  readonly at: Instant;
}

/** All wrong times of these columns. `unnest` runs only for the rows with a wrong time. */
function selectWrongTimes(
  columns: readonly Column[],
  now: RawBuilder<Instant>,
): RawBuilder<unknown> {
  const byTable = Object.entries(Object.groupBy(columns, ({ table }) => table));
  const selects = byTable.map(([table, tableColumns = []]) => {
    const { key, customer = 'NULL' } = keys[table] ?? { key: 't.id' };
    const names = tableColumns.map(({ column }) => `'${column}'`).join(', ');
    const wrongValues = tableColumns.map(
      ({ column, isWrong }) => `CASE WHEN ${isWrong} THEN t.${column} END`,
    );
    return sql`
      SELECT ${sql.raw(customer)}::bigint AS customer_id, (${sql.raw(key)})::text AS id,
        ${sql.lit(table)} AS place, unnest(ARRAY[${sql.raw(names)}]) AS name,
        unnest(ARRAY[${sql.raw(wrongValues.join(', '))}]) AS at
      FROM ${sql.table(table)} t, (SELECT ${now} AS now) clock
      WHERE ${sql.raw(tableColumns.map(({ isWrong }) => isWrong).join(' OR '))}`;
  });
  return sql`
    SELECT customer_id, id, place, name, at FROM (${sql.join(selects, sql` UNION ALL `)}) wrong
    WHERE at IS NOT NULL`;
}

const toRows = ({ place, id }: Row) => ({ [place]: [id] });

/**
 * The repair leaves some times of a clock that ran ahead. It recorded until when the clock was
 * ahead (`runs/clock/repair.ts`).
 */
export const isExplained = (time: string): string => `${time} <= (
  SELECT max((v.detail->>'was_ahead_until')::timestamptz) FROM perennial.event v
  WHERE v.customer_id IS NULL AND v.subject = 'clock' AND v.action = 'times_repaired')`;

const isRepaired = (table: string, column: string): boolean =>
  repairedColumns.some((one) => one.table === table && one.column === column);

function toPastColumn(table: string, column: string): Column {
  const isFuture = `t.${column} > clock.now + interval '1 minute'`;
  // In a test database, migrations and boots of nodes have the time of the machine.
  const isOfTheMachine = table === 'migration' || column === 'boot_at';
  if (!isRepaired(table, column) && !isOfTheMachine) {
    const isWrong = `(${isFuture} AND (${isExplained(`t.${column}`)}) IS NOT TRUE)`;
    return { table, column, isWrong };
  }
  const isTest = '(SELECT test FROM perennial.installation)';
  return {
    table,
    column,
    isWrong: isOfTheMachine ? `(${isFuture} AND NOT ${isTest})` : isFuture,
  };
}

const pastTimes = pastColumns.map(({ table, column }) => toPastColumn(table, column));

const pastIsPast = defineCheck<Row>({
  id: 'past-is-past',
  promise: null,
  title: 'a time that records the past does not lie in the future',
  find: (now) => selectWrongTimes(pastTimes, now),
  rows: toRows,
  describe: ({ place, id, name, at }) =>
    `${place} ${id}: ${name} records the past and is ${isoTime(at)}, in the future`,
});

/**
 * Tolerance beyond the horizon: a setting made the horizon shorter, or a gateway asked for a longer
 * pause.
 */
const toSlack = (place: string): string => (place === 'courier.rests_until' ? '30 days' : '1 day');

/** SQL that is true if `infinity` is right: an ended subscription, a send that is not repeated. */
const mayBeInfinite: Readonly<Record<string, string>> = {
  'subscription.next_try_at': 'true',
  'notification.next_attempt_at': "t.state <> 'pending'",
};

/** A reminder of an end comes before it. */
const remindAt: Column = {
  table: 'subscription',
  column: 'remind_at',
  isWrong: "(t.state = 'active' AND t.remind_at > t.expires_at)",
};

const waitTimes: readonly Column[] = [
  ...waitingColumns.map(({ table, column, latest }) => {
    const place = `${table}.${column}`;
    const beyond = `t.${column} > (${latest}) + interval '${toSlack(place)}'`;
    const finite = `(t.${column} < 'infinity' OR NOT (${mayBeInfinite[place] ?? 'false'}))`;
    return { table, column, isWrong: `(${beyond} AND ${finite})` };
  }),
  remindAt,
];

/** For each table, whether any of its rows violates `past-is-past` or `wait-has-its-horizon`. */
export function selectWrongTables(now: RawBuilder<Instant>): RawBuilder<unknown>[] {
  const byTable = Object.entries(
    Object.groupBy([...pastTimes, ...waitTimes], ({ table }) => table),
  );
  const joinConditions = (columns: readonly Column[]) =>
    sql.raw(columns.length === 0 ? 'false' : columns.map(({ isWrong }) => isWrong).join(' OR '));
  return byTable.map(([table, tableColumns = []]) => {
    const past = tableColumns.filter((column) => pastTimes.includes(column));
    const waiting = tableColumns.filter((column) => waitTimes.includes(column));
    return sql`
      SELECT bool_or(${joinConditions(past)}) AS past, bool_or(${joinConditions(waiting)}) AS waits
      FROM ${sql.table(table)} t, (SELECT ${now} AS now) clock`;
  });
}

const waitHasItsHorizon = defineCheck<Row>({
  id: 'wait-has-its-horizon',
  promise: null,
  title: 'a next attempt or a pause lies within its longest horizon',
  find: (now) => selectWrongTimes(waitTimes, now),
  rows: toRows,
  describe: ({ place, id, name, at }) =>
    `${place} ${id}: ${name} is ${isoTime(at)}, beyond the longest wait`,
});

const startedFirst = defineCheck<{
  customer_id: bigint;
  id: bigint;
  started_at: Instant;
  starts_at: Instant;
}>({
  id: 'started-with-its-first-period',
  promise: null,
  title: 'a subscription starts no later than its first period',
  find: () => sql`
    SELECT s.customer_id, s.id, s.started_at, first.starts_at
    FROM subscription s
    JOIN (SELECT subscription_id, min(starts_at) AS starts_at
      FROM period GROUP BY subscription_id) first ON first.subscription_id = s.id
    WHERE s.started_at > first.starts_at + ${stepBackMax}`,
  rows: ({ id }) => ({ subscription: [id] }),
  describe: ({ id, started_at, starts_at }) =>
    `subscription ${id} started at ${isoTime(started_at)}, its first period at ${isoTime(starts_at)}`,
});

export const timeChecks = [pastIsPast, waitHasItsHorizon, startedFirst];
