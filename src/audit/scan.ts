import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

/**
 * One pass over joined tables that rules out many checks at once. A database without violations
 * costs only the scans. A suspected check runs its own query, which counts the violations and reads
 * the sample.
 */
export interface AuditScan {
  /** A FROM clause. Tables are joined by hash, and without reliance on a constraint. */
  readonly from: (now: RawBuilder<Instant>) => RawBuilder<unknown>;
  /**
   * By the id of a check: SQL of an aggregate that is true if any row may violate the check. A
   * false suspicion costs time only. The aggregate never misses a row that the query of the check
   * finds.
   */
  readonly suspects: (now: RawBuilder<Instant>) => Readonly<Record<string, RawBuilder<unknown>>>;
}

/** True for a scan if it is true for any of its rows. */
export const anyRow = (condition: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`bool_or(${condition})`;

/** The ids of checks that this scan rules out or suspects. */
export interface ScanResult {
  readonly suspected: ReadonlySet<string>;
  readonly ruledOut: ReadonlySet<string>;
}

export async function runScan(tx: Tx, scan: AuditScan, now: Instant): Promise<ScanResult> {
  const at = sql<Instant>`${isoTime(now)}::timestamptz`;
  const suspects = Object.entries(scan.suspects(at));
  const { rows } = await sql<Record<string, boolean | null>>`
    SELECT ${sql.join(suspects.map(([id, condition]) => sql`(${condition}) AS ${sql.id(id)}`))}
    FROM ${scan.from(at)}`.execute(tx);
  const ids = suspects.map(([id]) => id);
  const suspected = new Set(ids.filter((id) => rows[0]?.[id] === true));
  return { suspected, ruledOut: new Set(ids.filter((id) => !suspected.has(id))) };
}
