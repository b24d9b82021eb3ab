import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { unnest } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { NoticeKind } from './kinds.ts';

/** A message owed; its `dedupeKey` names the fact, so that the fact is told once. */
export interface NewNotice {
  readonly customerId: CustomerId | null;
  readonly subscriptionId: SubscriptionId | null;
  readonly kind: NoticeKind;
  readonly dedupeKey: string;
  /** What the text needs; money and times as strings. */
  readonly params: Readonly<Record<string, string | number | null>>;
}

/** Stores notices with the change that they tell of; one whose fact was told already is dropped. */
export async function owe(tx: Tx, notices: readonly NewNotice[], now: Instant): Promise<bigint> {
  if (notices.length === 0) return 0n;
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT owed.customer_id, owed.subscription_id, 'telegram', owed.kind, owed.dedupe_key,
      owed.params, ${isoTime(now)}::timestamptz, ${isoTime(now)}::timestamptz
    FROM ${unnest('owed', notices, {
      customer_id: ['bigint', (row) => row.customerId],
      subscription_id: ['bigint', (row) => row.subscriptionId],
      kind: ['text', (row) => row.kind],
      dedupe_key: ['text', (row) => row.dedupeKey],
      params: ['jsonb', (row) => JSON.stringify(row.params)],
    })}
    ON CONFLICT (dedupe_key) DO NOTHING`.execute(tx);
  return numAffectedRows ?? 0n;
}
