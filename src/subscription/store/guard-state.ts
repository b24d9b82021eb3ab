import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import type { JsonObject } from '../../db/schema.ts';
import { dayMs, type Instant, isoTime, later } from '../../kernel/instant.ts';
import type { GuardState } from '../rules/next-charge.ts';
import { holdReasons, toHeldKey } from '../rules/spend-limit.ts';
import { readSettings } from './settings.ts';

/**
 * The state of the spend guard, from the record of the last complete run. While charges are held,
 * each run has a record.
 */
export async function readGuardState(db: Db | Tx, now: Instant): Promise<GuardState> {
  const { rows } = await sql<{ detail: JsonObject }>`
    SELECT detail FROM perennial.worker_run
    WHERE worker = 'auto-renewal' AND outcome IN ('success', 'partial', 'degraded')
      AND started_at > ${isoTime(later(now, -dayMs))}
    ORDER BY started_at DESC, id DESC LIMIT 1`.execute(db);
  const detail = rows[0]?.detail ?? {};
  const reasons = holdReasons.filter((reason) => Number(detail[toHeldKey(reason)] ?? 0) > 0);
  return { reasons: new Set(reasons), limits: (await readSettings(db)).money.spend };
}
