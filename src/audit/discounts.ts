import { type RawBuilder, sql } from 'kysely';
import { defineCheck, selectRetainedSince } from './check.ts';

// Promise 3, recomputed: the discount of a charge.
//
// Each change of a discount is an event with the previous values. So the discount at a charge is
// the one before the next change, otherwise the present one. The ids of events give the order,
// because a wrong clock does not change them. The discount of VIPs may be any previous value of
// `discounts.vip_percent`.

const isChange = sql`action = 'set' AND (detail ? 'vip' OR detail ? 'discountPercent')`;

/** `after_id` and `until_id` are ids of events. An older program stored no previous values. */
const earlierDiscounts = sql`
  SELECT customer_id, id AS until_id, detail ? 'before' AS is_known,
    lag(id, 1, 0::bigint) OVER (PARTITION BY customer_id ORDER BY id) AS after_id,
    (detail->'before'->>'vip')::boolean AS vip,
    (detail->'before'->>'discount_percent')::int AS discount_percent
  FROM event WHERE ${isChange}`;

/** The events of charges, of customers with a changed discount. */
const chargeEvents = sql`
  SELECT customer_id, detail->>'ledger_entry_id' AS entry_id, min(id) AS id
  FROM event
  WHERE customer_id IN (SELECT customer_id FROM event WHERE ${isChange})
    AND detail ? 'ledger_entry_id' GROUP BY 1, 2`;

/** Joins the customer `c` and an earlier discount `d` to an entry `e`: at most one row each. */
export const withDiscount = sql`
  LEFT JOIN customer c ON c.id = e.customer_id
  LEFT JOIN (${chargeEvents}) v ON v.customer_id = e.customer_id AND v.entry_id = e.id::text
  LEFT JOIN (${earlierDiscounts}) d ON d.customer_id = v.customer_id
    AND v.id > d.after_id AND v.id < d.until_id`;

const vipPercents = sql`ARRAY(
  SELECT coalesce((SELECT (value->>'vip_percent')::int FROM perennial.setting
    WHERE key = 'discounts'), 30) AS percent
  UNION SELECT coalesce((detail->'before'->>'vip_percent')::int, 30) FROM perennial.event
  WHERE customer_id IS NULL AND action = 'set_rule' AND detail ? 'before')`;

/** A VIP gets the greater one of two discounts. */
const isOther = (of: RawBuilder<unknown>) => sql`CASE
  WHEN NOT ${of}.vip THEN p.discount_percent <> ${of}.discount_percent
  WHEN p.discount_percent > ${of}.discount_percent THEN p.discount_percent <> ALL (${vipPercents})
  ELSE p.discount_percent < ${of}.discount_percent
    OR p.discount_percent < ALL (${vipPercents}) END`;

export const isOtherDiscount = sql`(p.discount_percent IS NOT NULL AND e.kind = p.source
  AND e.created_at >= ${selectRetainedSince('events')}
  AND CASE WHEN d.customer_id IS NULL THEN ${isOther(sql`c`)}
    ELSE d.is_known AND ${isOther(sql`d`)} END)`;

const discountWasGiven = defineCheck<{ customer_id: bigint; id: bigint; percent: number }>({
  id: 'discount-was-given',
  promise: 3,
  title: 'a charge has the discount that its customer had',
  find: () => sql`
    SELECT p.customer_id, p.id, p.discount_percent AS percent
    FROM period p
    JOIN ledger_entry e ON e.customer_id = p.customer_id AND e.id = p.ledger_entry_id
    ${withDiscount}
    WHERE ${isOtherDiscount}`,
  rows: ({ id }) => ({ period: [id] }),
  describe: ({ id, percent }) =>
    `period ${id} was sold with a discount of ${percent}%, which its customer did not have`,
});

export const discounts = [discountWasGiven];
