import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { unnest } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';

/** The author of an event: the command line, the API, or the name of a worker. */
export type Actor = string;

/** An event of a customer, written in the transaction of its change. */
export interface NewEvent {
  readonly customerId: CustomerId | null;
  readonly subject: string;
  /** A past participle: `renewed`, `topped_up`. */
  readonly action: string;
  readonly detail: object;
}

export const toSubscriptionSubject = (id: SubscriptionId): string => `subscription:${id}`;
export const toCustomerSubject = (id: CustomerId): string => `customer:${id}`;

/** JSON with ids and minor units as strings, so that no number loses digits. */
export function toDetailJson(detail: object): string {
  return JSON.stringify(detail, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

/** Appends events. The database refuses to change or delete them. */
export async function recordEvents(
  tx: Tx,
  events: readonly NewEvent[],
  actor: Actor,
  now: Instant,
): Promise<void> {
  if (events.length === 0) return;
  await sql`
    INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
    SELECT added.customer_id, added.subject, added.action, ${actor}, ${isoTime(now)}::timestamptz,
      added.detail
    FROM ${unnest('added', events, {
      customer_id: ['bigint', (row) => row.customerId],
      subject: ['text', (row) => row.subject],
      action: ['text', (row) => row.action],
      detail: ['jsonb', (row) => toDetailJson(row.detail)],
    })}`.execute(tx);
}
