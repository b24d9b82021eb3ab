import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

/** Rows of the books by table, as an operator would look them up. */
export type ViolationRows = Readonly<Record<string, readonly (bigint | string)[]>>;

/** One violation: whose it is, which rows, and what is wrong with them. */
export interface Violation {
  /** The customer's Telegram id; null where there is no such customer. */
  readonly telegramId: bigint | null;
  readonly rows: ViolationRows;
  readonly sentence: string;
}

/** What a check came to: how many violations, and the first of them. */
export interface CheckFinding {
  readonly violations: bigint;
  readonly sample: readonly Violation[];
}

/**
 * Something that must hold of the books. It asks for the rows that break it, so that it costs no
 * memory however large the books are.
 */
export interface AuditCheck {
  /** Stable: alarms and scripts go by it. */
  readonly id: string;
  /** The promise of docs/design.md; null for a state that can't be. */
  readonly promise: number | null;
  /** What holds, as a sentence without its full stop. */
  readonly title: string;
  run(tx: Tx, now: Instant): Promise<CheckFinding>;
}

/** What each row of a check has beside the columns of its own. */
interface ViolationCustomer {
  readonly telegramId: bigint | null;
  /** The customer's, for amounts. */
  readonly currency: string;
}

interface CheckSpec<Row> {
  readonly id: string;
  readonly promise: number | null;
  readonly title: string;
  /**
   * A query for all violations. Its first column is `customer_id`, its second tells several of one
   * customer apart. Whole tables are joined by hash: no work that grows faster than the books.
   */
  readonly find: (now: RawBuilder<Instant>) => RawBuilder<unknown>;
  /** More columns, read for the sample only; `bad` is the violation. */
  readonly extraColumns?: RawBuilder<unknown>;
  readonly rows: (row: Row) => ViolationRows;
  readonly describe: (row: Row & ViolationCustomer) => string;
}

/** Rows of this kind were kept from this time on; retention deleted older ones. */
export const selectRetainedSince = (kind: 'notices' | 'events') => sql`coalesce(
  (SELECT before FROM perennial.pruned WHERE kind = ${sql.lit(kind)}), '-infinity'::timestamptz)`;

/** Enough to see a pattern; the count says how many there are. */
const sampleMax = 20;

/** Makes a check of its SQL and its words. */
export function defineCheck<Row>(spec: CheckSpec<Row>): AuditCheck {
  const { id, promise, title } = spec;
  return {
    id,
    promise,
    title,
    async run(tx, now) {
      const extraColumns = spec.extraColumns === undefined ? sql`` : sql`, ${spec.extraColumns}`;
      // The customer by a scalar subquery: looked up for the sample, never joined.
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
