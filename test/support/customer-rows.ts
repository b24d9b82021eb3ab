import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import type { Customer, LedgerEntry, Period, Subscription } from './customer-model.ts';

// The rows of customers in the database, and their conversion to the state of the model. Indexes
// replace ids.

interface DatabaseRows {
  readonly customers: {
    id: number;
    balance: number;
    claim: number;
    vip: boolean;
    discount: number;
    trialUsed: boolean;
    blocked: boolean;
  }[];
  readonly subs: (Omit<Subscription, 'next' | 'credentials' | 'quarantine' | 'nextTryAt'> & {
    id: number;
    customer: number;
    nextPlan: string | null;
    nextDays: number | null;
    nextTryAt: number | 'never' | null;
    quarantine: Subscription['quarantine'];
  })[];
  readonly periods: (Period & { id: number; customer: number })[];
  readonly ledger: (LedgerEntry & { id: number; customer: number })[];
  readonly credentials: {
    sub: number;
    issuedAt: number;
    retiredAt: number | null;
    replaced: boolean;
  }[];
  readonly notices: {
    customer: number;
    key: string;
    amount: string | null;
    /** Empty if pending and due within a day, else `put off` or the state. */
    outcome: string;
  }[];
  readonly events: { id: number; customer: number; action: string }[];
}

/** The rows of one customer, in the order of their ids. */
export interface CustomerRows extends Omit<DatabaseRows, 'customers'> {
  readonly customer: DatabaseRows['customers'][number];
}

/** Ids before the first rows of a sequence, so that rows of earlier sequences are skipped. */
export interface FirstIds {
  readonly period: bigint;
  readonly notification: bigint;
}

export async function readFirstIds(db: Db): Promise<FirstIds> {
  const { rows } = await sql<FirstIds>`
    SELECT (SELECT coalesce(max(id), 0) FROM perennial.period) AS period,
      (SELECT coalesce(max(id), 0) FROM perennial.notification) AS notification`.execute(db);
  return rows[0] as FirstIds;
}

const msSql = (column: string) => sql.raw(`(extract(epoch FROM ${column}) * 1000)::bigint`);

export async function readCustomerRows(
  db: Db,
  ids: readonly number[],
  since: FirstIds,
): Promise<CustomerRows[]> {
  const ownIds = sql`ANY(${`{${ids.join(',')}}`}::bigint[])`;
  const { rows } = await sql<{ result: DatabaseRows }>`
    WITH mine AS MATERIALIZED (SELECT * FROM perennial.subscription WHERE customer_id = ${ownIds})
    SELECT json_build_object(
      'customers', (SELECT json_agg(json_build_object('id', id, 'balance', balance_minor,
          'claim', claim_minor,
          'vip', vip, 'discount', discount_percent, 'trialUsed', trial_used_at IS NOT NULL,
          'blocked', blocked_at IS NOT NULL)
          ORDER BY id)
        FROM perennial.customer WHERE id = ${ownIds}),
      'subs', (SELECT json_agg(json_build_object('known', (SELECT coalesce(json_agg(
            json_build_object('plan', k.plan, 'days', k.period_days, 'amount', k.amount_minor,
              'source', k.source, 'at', ${msSql('k.known_at')})
            ORDER BY k.id), '[]')
          FROM perennial.known_price k WHERE k.subscription_id = s.id), 'id', s.id, 'customer', customer_id,
          'kind', kind, 'plan', plan, 'days', period_days, 'nextPlan', next_plan,
          'nextDays', next_period_days, 'changesAt', ${msSql('changes_at')}, 'state', state, 'startedAt', ${msSql('started_at')},
          'expiresAt', ${msSql('expires_at')}, 'autoRenew', auto_renew,
          'nextTryAt', CASE WHEN next_try_at = 'infinity' THEN '"never"'::jsonb
            ELSE to_jsonb(${msSql("nullif(next_try_at, 'infinity')")}) END,
          'paidAt', ${msSql('woken_at')},
          'quarantine', (SELECT json_build_object('reason', split_part(q.reason, ':', 1),
              'attempts', attempts, 'retryAt', ${msSql('retry_at')})
            FROM perennial.quarantine q
            WHERE q.worker = 'auto-renewal' AND q.item = s.id::text)) ORDER BY s.id)
        FROM mine s),
      'periods', (SELECT json_agg(json_build_object('id', id, 'customer', customer_id,
          'sub', subscription_id, 'source', source, 'plan', plan,
          'startsAt', ${msSql('starts_at')}, 'endsAt', ${msSql('ends_at')},
          'movedFrom', ${msSql('moved_from')}, 'amount', amount_minor, 'list', list_minor,
          'percent', discount_percent, 'cap', cap_minor, 'days', period_days, 'kind', kind, 'partOf', part_of, 'charge', ledger_entry_id, 'refundedAt', ${msSql('refunded_at')},
          'refund', refund_entry_id) ORDER BY id)
        FROM perennial.period WHERE id > ${since.period} AND customer_id = ${ownIds}),
      'ledger', (SELECT json_agg(json_build_object('id', id, 'customer', customer_id,
          'amount', amount_minor, 'after', balance_after_minor, 'kind', kind,
          'at', ${msSql('created_at')}, 'payment', lower(provider) || '/' || provider_ref,
          'dispute', dispute, 'claim', claim_minor) ORDER BY id)
        FROM perennial.ledger_entry WHERE customer_id = ${ownIds}),
      'credentials', (SELECT json_agg(json_build_object('sub', c.subscription_id,
          'issuedAt', ${msSql('issued_at')}, 'retiredAt', ${msSql('retired_at')}, 'replaced', replaced))
        FROM mine s JOIN LATERAL (
          SELECT * FROM perennial.credential l
          WHERE l.subscription_id = s.id AND l.retired_at IS NULL
          UNION ALL SELECT * FROM perennial.credential r
          WHERE r.subscription_id = s.id AND r.retired_at IS NOT NULL) c ON true),
      'notices', (SELECT json_agg(json_build_object('customer', customer_id, 'key', dedupe_key,
          'amount', params->>'amount', 'outcome', CASE WHEN state <> 'pending' THEN state
            WHEN next_attempt_at > created_at + interval '1 day' THEN 'put off' ELSE '' END)
          ORDER BY id)
        FROM perennial.notification
        WHERE id > ${since.notification} AND customer_id = ${ownIds}),
      'events', (SELECT json_agg(json_build_object('id', id, 'customer', customer_id,
          'action', action) ORDER BY id)
        FROM perennial.event WHERE customer_id = ${ownIds})) AS result`.execute(db);
  const all = rows[0]?.result as Record<keyof DatabaseRows, unknown[] | null>;
  const selectRows = <Name extends keyof DatabaseRows>(name: Name) =>
    (all[name] ?? []) as DatabaseRows[Name];
  return selectRows('customers').map((customer) => {
    const selectOwn = <Row extends { customer: number }>(list: readonly Row[]) =>
      list.filter((row) => row.customer === customer.id);
    const subs = selectOwn(selectRows('subs'));
    return {
      customer,
      subs,
      periods: selectOwn(selectRows('periods')),
      ledger: selectOwn(selectRows('ledger')),
      credentials: selectRows('credentials').filter((row) =>
        subs.some((sub) => sub.id === row.sub),
      ),
      notices: selectOwn(selectRows('notices')),
      events: selectOwn(selectRows('events')),
    };
  });
}

/** The time of the last run of auto-renewal that processed all due subscriptions. */
export async function readLastPass(db: Db): Promise<number | null> {
  const { rows } = await sql<{ at: number | null }>`
    SELECT ${msSql('passed_at')}::float8 AS at FROM perennial.worker_state
    WHERE worker = 'auto-renewal'`.execute(db);
  return rows[0]?.at ?? null;
}

/** Indexes by id. A row of another customer has -1. */
export interface RowPlaces {
  sub(id: number): number;
  period(id: number): number;
  entry(id: number): number;
}

export function indexPlaces(rows: CustomerRows): RowPlaces {
  const indexRows = (list: readonly { id: number }[]) => {
    const places = new Map(list.map(({ id }, place) => [id, place]));
    return (id: number) => places.get(id) ?? -1;
  };
  return {
    sub: indexRows(rows.subs),
    period: indexRows(rows.periods),
    entry: indexRows(rows.ledger),
  };
}

/** The state of the model that equals these rows. */
export function toModelCustomer(rows: CustomerRows): Customer {
  const places = indexPlaces(rows);
  return {
    balance: rows.customer.balance,
    claim: rows.customer.claim,
    vip: rows.customer.vip,
    discount: rows.customer.discount,
    trialUsed: rows.customer.trialUsed,
    blocked: rows.customer.blocked,
    subs: rows.subs.map((row) => ({
      kind: row.kind,
      plan: row.plan,
      days: row.days,
      next: row.nextPlan === null ? null : { plan: row.nextPlan, days: Number(row.nextDays) },
      changesAt: row.changesAt,
      state: row.state,
      startedAt: row.startedAt,
      expiresAt: row.expiresAt,
      autoRenew: row.autoRenew,
      nextTryAt: row.nextTryAt === 'never' ? Infinity : row.nextTryAt,
      paidAt: row.paidAt,
      quarantine: row.quarantine,
      credentials: rows.credentials
        .filter((one) => one.sub === row.id)
        .map(({ issuedAt, retiredAt, replaced }) => ({ issuedAt, retiredAt, replaced })),
      known: row.known,
    })),
    periods: rows.periods.map((row) => ({
      sub: places.sub(row.sub),
      source: row.source,
      plan: row.plan,
      startsAt: row.startsAt,
      endsAt: row.endsAt,
      movedFrom: row.movedFrom,
      amount: row.amount,
      list: row.list,
      percent: row.percent,
      cap: row.cap,
      days: row.days,
      kind: row.kind,
      partOf: row.partOf === null ? null : places.period(row.partOf),
      charge: row.charge === null ? null : places.entry(row.charge),
      refundedAt: row.refundedAt,
      refund: row.refund === null ? null : places.entry(row.refund),
    })),
    ledger: rows.ledger.map(({ id: _, customer: __, ...entry }) => entry),
    notices: rows.notices.map(({ key, amount, outcome }) => {
      const sum = amount === null ? '' : ` for ${amount}`;
      return `${describeNotification(key, places)}${sum}${outcome === '' ? '' : `: ${outcome}`}`;
    }),
    events: rows.events.map(({ action }) => action),
  };
}

function describeNotification(key: string, places: RowPlaces): string {
  const [kind, id, from, until] = key.split(':') as [string, string, string?, string?];
  switch (kind) {
    case 'receipt':
      return `receipt of ${places.entry(Number(id))}`;
    case 'low_balance':
      return `low_balance of ${places.sub(Number(id))} until ${from}`;
    case 'refund':
      return `refund of ${places.period(Number(id))}`;
    case 'expired':
      return `expired of ${places.sub(Number(id))} at ${from}`;
    case 'grant':
      return `grant of ${places.sub(Number(id))} from ${from} until ${until}`;
    default:
      return `${kind} of ${places.sub(Number(id))}`;
  }
}
