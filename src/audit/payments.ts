import { sql } from 'kysely';
import { normalizeSpelling } from '../subscription/store/provider-names.ts';
import { defineCheck, selectRetainedSince } from './check.ts';

// Promise 1: a payment is credited once, and the timeline names each entry of the ledger.

const spelling = normalizeSpelling(sql`e.provider`);
const reference = sql`btrim(e.provider_ref)`;

const paymentOnce = defineCheck<{
  customer_id: bigint;
  first_id: bigint;
  last_id: bigint;
  reference: string;
  providers: string;
}>({
  id: 'payment-once',
  promise: 1,
  title: 'a payment is credited once, in any spelling of its provider',
  find: () => sql`
    WITH shared AS MATERIALIZED (
      SELECT ${reference} AS reference FROM ledger_entry e
      WHERE e.kind = 'top_up' AND e.provider_ref IS NOT NULL
      GROUP BY 1 HAVING count(*) > 1)
    SELECT min(e.customer_id) AS customer_id, min(e.id) AS first_id, max(e.id) AS last_id,
      shared.reference, string_agg(DISTINCT e.provider, '" and "') AS providers
    FROM ledger_entry e JOIN shared ON shared.reference = ${reference}
    WHERE e.kind = 'top_up' AND ${isFirst}
    GROUP BY ${spelling}, shared.reference HAVING count(*) > 1`,
  rows: ({ first_id, last_id }) => ({ ledger_entry: [first_id, last_id] }),
  describe: (row) =>
    `payment ${row.reference} of provider "${row.providers}" is in ledger entries ${row.first_id} and ${row.last_id}`,
});

/** False for an entry that moves a payment to another customer. */
const isFirst = sql`to_jsonb(e)->>'payment_entry_id' IS NULL`;

const kindsWithEvent = sql`('purchase', 'renewal', 'top_up', 'adjustment', 'payout',
  'chargeback')`;
/** True for an entry that an event of its customer has to name. */
export const needsAnEvent = sql`(e.kind IN ${kindsWithEvent}
  AND e.created_at >= ${selectRetainedSince('events')})`;

const entryIsInTheTimeline = defineCheck<{ customer_id: bigint; entry_id: bigint; kind: string }>({
  id: 'entry-is-in-the-timeline',
  promise: 1,
  title: 'the timeline of a customer names each change of the balance',
  find: () => sql`
    SELECT e.customer_id, e.id AS entry_id, e.kind FROM ledger_entry e
    WHERE ${needsAnEvent} AND NOT EXISTS (SELECT FROM event v
      WHERE v.customer_id = e.customer_id AND v.detail->>'ledger_entry_id' = e.id::text)`,
  rows: ({ entry_id }) => ({ ledger_entry: [entry_id] }),
  describe: ({ entry_id, kind }) => `no event names the ${kind} of ledger entry ${entry_id}`,
});

const eventHasItsEntry = defineCheck<{ customer_id: bigint; id: bigint; entry_id: string }>({
  id: 'event-has-its-entry',
  promise: 1,
  title: 'the ledger has each entry that the timeline names',
  find: () => sql`
    SELECT v.customer_id, v.id, v.detail->>'ledger_entry_id' AS entry_id FROM event v
    WHERE v.detail->>'ledger_entry_id' IS NOT NULL
      AND NOT EXISTS (SELECT FROM ledger_entry e
        WHERE e.customer_id = v.customer_id AND e.id::text = v.detail->>'ledger_entry_id')`,
  rows: ({ id }) => ({ event: [id] }),
  describe: ({ id, entry_id }) =>
    `event ${id} names ledger entry ${entry_id}, which does not exist`,
});

export const paymentChecks = [paymentOnce, entryIsInTheTimeline, eventHasItsEntry];
