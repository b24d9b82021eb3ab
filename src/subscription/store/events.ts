import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { unnest } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';

/** Who did it: the command line, the API, or a worker by its name. */
export type Actor = string;

/** A line of a customer's timeline, written with the change that it tells of. */
export interface NewEvent {
  readonly customerId: CustomerId | null;
  readonly subject: string;
  /** What happened, in the past: `renewed`, `topped_up`. */
  readonly action: string;
  readonly detail: object;
}

export const toSubscriptionSubject = (id: SubscriptionId): string => `subscription:${id}`;
export const toCustomerSubject = (id: CustomerId): string => `customer:${id}`;

/** JSON with ids and minor units as strings: no number loses digits on its way. */
export function toDetailJson(detail: object): string {
  return JSON.stringify(detail, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

/** Appends to the timeline. Events are never changed or deleted; the database refuses both. */
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
