import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

/** Ids of database rows by table, so that an operator can find the rows. */
export type ViolationRows = Readonly<Record<string, readonly (bigint | string)[]>>;

/** One violation: the customer, the rows and a description. */
export interface Violation {
  /** null: the customer does not exist. */
  readonly telegramId: bigint | null;
  readonly rows: ViolationRows;
  readonly sentence: string;
}

/** The result of a check: the number of violations, and the first of them. */
export interface CheckFinding {
  readonly violations: bigint;
  readonly sample: readonly Violation[];
}

/**
 * A condition that the database must meet. A check selects the rows that violate it, so its memory
 * does not grow with the data.
 */
export interface AuditCheck {
  /** Stable, because alarms and scripts use it. */
  readonly id: string;
  /** The promise of docs/design.md. null: an impossible state. */
  readonly promise: number | null;
  /** The condition as a sentence without its full stop. */
  readonly title: string;
  run(tx: Tx, now: Instant): Promise<CheckFinding>;
}

/** Columns of each row of a check, beside its own columns. */
interface ViolationCustomer {
  readonly telegramId: bigint | null;
  /** The currency of the customer, for amounts. */
  readonly currency: string;
}

interface CheckSpec<Row> {
  readonly id: string;
  readonly promise: number | null;
  readonly title: string;
  /**
   * A query for all violations. Its first column is `customer_id`. The second column distinguishes
   * violations of one customer. Whole tables are joined by hash, so the work grows linearly with
   * the data.
   *
   * Tables of customers have no schema: the search path decides between all rows and the rows of
   * changed customers (`changes.ts`). A check that time alone can break names the schema.
   */
  readonly find: (now: RawBuilder<Instant>) => RawBuilder<unknown>;
  /** More columns, read for the sample only. `bad` is the violation. */
  readonly extraColumns?: RawBuilder<unknown>;
  readonly rows: (row: Row) => ViolationRows;
  readonly describe: (row: Row & ViolationCustomer) => string;
}

/** Rows of this kind are complete from this time on. Retention deleted older rows. */
export const selectRetainedSince = (kind: 'notices' | 'events') => sql`coalesce(
  (SELECT before FROM perennial.pruned WHERE kind = ${sql.lit(kind)}), '-infinity'::timestamptz)`;

/** Enough to show a pattern. The count states how many violations there are. */
const sampleMax = 20;

/** Creates a check from its SQL and its texts. */
export function defineCheck<Row>(spec: CheckSpec<Row>): AuditCheck {
  const { id, promise, title } = spec;
  return {
    id,
    promise,
    title,
    async run(tx, now) {
      const extraColumns = spec.extraColumns === undefined ? sql`` : sql`, ${spec.extraColumns}`;
      // A scalar subquery reads the customer for the sample only. A join would read all customers.
      const { rows } = await sql<Row & ViolationCustomer & { violations: bigint }>`
        WITH bad_all AS MATERIALIZED (${spec.find(sql`${isoTime(now)}::timestamptz`)})
        SELECT bad.*, (SELECT count(*) FROM bad_all) AS violations,
          (SELECT telegram_id FROM perennial.customer WHERE id = bad.customer_id) AS "telegramId",
          (SELECT currency FROM perennial.customer WHERE id = bad.customer_id) AS currency${extraColumns}
        FROM (SELECT * FROM bad_all ORDER BY 1, 2 LIMIT ${sampleMax}) bad
        ORDER BY 1, 2`.execute(tx);
      return {
        violations: rows[0]?.violations ?? 0n,
        sample: rows.map((row) => ({
          telegramId: row.telegramId,
          rows: spec.rows(row),
          sentence: spec.describe(row),
        })),
      };
    },
  };
}
