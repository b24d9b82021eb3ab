import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';

/** A hash of the prices until this time, and of all settings. */
export async function readTermsHash(tx: Tx, until: Instant): Promise<string> {
  const { rows } = await sql<{ terms: string }>`
    SELECT md5(concat(
      (SELECT string_agg(p::text, ';' ORDER BY p::text) FROM perennial.plan_price p
        WHERE p.valid_from <= ${isoTime(until)}::timestamptz),
      (SELECT string_agg(s::text, ';' ORDER BY s.key) FROM perennial.setting s))) AS terms`.execute(
    tx,
  );
  return rows[0]?.terms ?? '';
}
