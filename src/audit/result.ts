import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

// The stored results of the last audits, one of everything and one of changes.

export interface AuditResult {
  readonly kind: 'everything' | 'changes';
  /** The time of its snapshot. */
  readonly at: Instant;
  readonly violations: bigint;
  readonly tookMs: number;
}

/** Replaces the last result of its kind. */
export async function writeAuditResult(db: Db | Tx, result: AuditResult): Promise<void> {
  const { kind, at, violations, tookMs } = result;
  await sql`
    INSERT INTO perennial.audit_result (kind, at, violations, took_ms)
    VALUES (${kind}, ${isoTime(at)}, ${violations}, ${tookMs})
    ON CONFLICT (kind) DO UPDATE SET at = excluded.at, violations = excluded.violations,
      took_ms = excluded.took_ms`.execute(db);
}

/** @returns the newest result; undefined: no audit has ended yet */
export async function readLastAudit(db: Db | Tx): Promise<AuditResult | undefined> {
  const { rows } = await sql<AuditResult & { tookMs: bigint }>`
    SELECT kind, at, violations, took_ms AS "tookMs" FROM perennial.audit_result
    ORDER BY at DESC LIMIT 1`.execute(db);
  const [row] = rows;
  return row === undefined ? undefined : { ...row, tookMs: Number(row.tookMs) };
}
