import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

/** Rows of the books by table, as an operator would look them up. */
export type Rows = Readonly<Record<string, readonly (bigint | string)[]>>;

/** One violation: whose it is, which rows, and what is wrong with them. */
export interface Violation {
  /** The customer's Telegram id; null where there is no such customer. */
  readonly telegramId: bigint | null;
  readonly rows: Rows;
  readonly sentence: string;
}

/** What a check came to: how many violations, and the first of them. */
export interface Finding {
  readonly violations: bigint;
  readonly sample: readonly Violation[];
}

/**
 * Something that must hold of the books. It asks for the rows that break it, so that it costs no
 * memory however large the books are.
 */
export interface Check {
  /** Stable: alarms and scripts go by it. */
  readonly id: string;
  /** The promise of docs/design.md; null for a state that can't be. */
  readonly promise: number | null;
  /** What holds, as a sentence without its full stop. */
  readonly title: string;
  run(tx: Tx, now: Instant): Promise<Finding>;
}

/** What each row of a check has beside the columns of its own. */
interface Owner {
  readonly telegramId: bigint | null;
  /** The customer's, for amounts. */
  readonly currency: string;
}

interface Spec<Row> {
  readonly id: string;
  readonly promise: number | null;
  readonly title: string;
  /**
   * A query for all violations. Its first column is `customer_id`, its second tells several of one
   * customer apart. Whole tables are joined by hash: no work that grows faster than the books.
   */
  readonly find: (now: RawBuilder<Instant>) => RawBuilder<unknown>;
  /** More columns, read for the sample only; `bad` is the violation. */
  readonly also?: RawBuilder<unknown>;
  readonly rows: (row: Row) => Rows;
  readonly say: (row: Row & Owner) => string;
}

/** Rows of this kind were kept from this time on; retention deleted older ones. */
export const keptSince = (kind: 'notices' | 'events') => sql`coalesce(
  (SELECT before FROM perennial.pruned WHERE kind = ${sql.lit(kind)}), '-infinity'::timestamptz)`;

/** Enough to see a pattern; the count says how many there are. */
const sampleMax = 20;

/** Makes a check of its SQL and its words. */
export function check<Row>(spec: Spec<Row>): Check {
  const { id, promise, title } = spec;
  return {
    id,
    promise,
    title,
    async run(tx, now) {
      const also = spec.also === undefined ? sql`` : sql`, ${spec.also}`;
      // The customer by a scalar subquery: looked up for the sample, never joined.
      const { rows } = await sql<Row & Owner & { violations: bigint }>`
        WITH bad_all AS MATERIALIZED (${spec.find(sql`${isoTime(now)}::timestamptz`)})
        SELECT bad.*, (SELECT count(*) FROM bad_all) AS violations,
          (SELECT telegram_id FROM perennial.customer WHERE id = bad.customer_id) AS "telegramId",
          (SELECT currency FROM perennial.customer WHERE id = bad.customer_id) AS currency${also}
        FROM (SELECT * FROM bad_all ORDER BY 1, 2 LIMIT ${sampleMax}) bad
        ORDER BY 1, 2`.execute(tx);
      return {
        violations: rows[0]?.violations ?? 0n,
        sample: rows.map((row) => ({
          telegramId: row.telegramId,
          rows: spec.rows(row),
          sentence: spec.say(row),
        })),
      };
    },
  };
}
