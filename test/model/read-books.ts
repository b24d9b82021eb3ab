import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import type { Customer, Entry, Period, Sub } from './books-of.ts';

// The books of a sequence's customers as the database has them: rows, for the invariants, and the
// same in the model's words, with places instead of ids.

interface Rows {
  readonly customers: {
    id: number;
    balance: number;
    claim: number;
    vip: boolean;
    discount: number;
    trialUsed: boolean;
  }[];
  readonly subs: (Omit<Sub, 'next' | 'credentials' | 'quarantine' | 'nextTryAt'> & {
    id: number;
    customer: number;
    nextPlan: string | null;
    nextDays: number | null;
    nextTryAt: number | 'never' | null;
    quarantine: Sub['quarantine'];
  })[];
  readonly periods: (Period & { id: number; customer: number })[];
  readonly ledger: (Entry & { id: number; customer: number })[];
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
    /** Pending and due within a day, or why not. */
    outcome: string;
  }[];
  readonly events: { id: number; customer: number; action: string }[];
}

/** One customer: rows of theirs alone, in the order of their ids. */
export interface CustomerRows extends Omit<Rows, 'customers'> {
  readonly customer: Rows['customers'][number];
}

/** Ids from which a sequence's rows start, so that the sequences before it cost nothing to pass. */
export interface Since {
  readonly period: bigint;
  readonly notification: bigint;
}

export async function readSince(db: Db): Promise<Since> {
  const { rows } = await sql<Since>`
    SELECT (SELECT coalesce(max(id), 0) FROM perennial.period) AS period,
      (SELECT coalesce(max(id), 0) FROM perennial.notification) AS notification`.execute(db);
  return rows[0] as Since;
}

const ms = (column: string) => sql.raw(`(extract(epoch FROM ${column}) * 1000)::bigint`);

export async function readBooks(
  db: Db,
  ids: readonly number[],
  since: Since,
): Promise<CustomerRows[]> {
  const mine = sql`ANY(${`{${ids.join(',')}}`}::bigint[])`;
  const { rows } = await sql<{ books: Rows }>`
    WITH mine AS MATERIALIZED (SELECT * FROM perennial.subscription WHERE customer_id = ${mine})
    SELECT json_build_object(
      'customers', (SELECT json_agg(json_build_object('id', id, 'balance', balance_minor,
          'claim', claim_minor,
          'vip', vip, 'discount', discount_percent, 'trialUsed', trial_used_at IS NOT NULL)
          ORDER BY id)
        FROM perennial.customer WHERE id = ${mine}),
      'subs', (SELECT json_agg(json_build_object('known', (SELECT coalesce(json_agg(
            json_build_object('plan', k.plan, 'days', k.period_days, 'amount', k.amount_minor,
              'source', k.source, 'at', ${ms('k.known_at')})
            ORDER BY k.id), '[]')
          FROM perennial.known_price k WHERE k.subscription_id = s.id), 'id', s.id, 'customer', customer_id,
          'kind', kind, 'plan', plan, 'days', period_days, 'nextPlan', next_plan,
          'nextDays', next_period_days, 'changesAt', ${ms('changes_at')}, 'state', state, 'startedAt', ${ms('started_at')},
          'expiresAt', ${ms('expires_at')}, 'autoRenew', auto_renew,
          'nextTryAt', CASE WHEN next_try_at = 'infinity' THEN '"never"'::jsonb
            ELSE to_jsonb(${ms("nullif(next_try_at, 'infinity')")}) END,
          'paidAt', ${ms('woken_at')},
          'quarantine', (SELECT json_build_object('reason', split_part(q.reason, ':', 1),
              'attempts', attempts, 'retryAt', ${ms('retry_at')})
            FROM perennial.quarantine q
            WHERE q.worker = 'auto-renewal' AND q.item = s.id::text)) ORDER BY s.id)
        FROM mine s),
      'periods', (SELECT json_agg(json_build_object('id', id, 'customer', customer_id,
          'sub', subscription_id, 'source', source, 'plan', plan,
          'startsAt', ${ms('starts_at')}, 'endsAt', ${ms('ends_at')},
          'movedFrom', ${ms('moved_from')}, 'amount', amount_minor, 'list', list_minor,
          'percent', discount_percent, 'cap', cap_minor, 'days', period_days, 'kind', kind, 'partOf', part_of, 'charge', ledger_entry_id, 'refundedAt', ${ms('refunded_at')},
          'refund', refund_entry_id) ORDER BY id)
        FROM perennial.period WHERE id > ${since.period} AND customer_id = ${mine}),
      'ledger', (SELECT json_agg(json_build_object('id', id, 'customer', customer_id,
          'amount', amount_minor, 'after', balance_after_minor, 'kind', kind,
          'at', ${ms('created_at')}, 'payment', lower(provider) || '/' || provider_ref,
          'dispute', dispute, 'claim', claim_minor) ORDER BY id)
        FROM perennial.ledger_entry WHERE customer_id = ${mine}),
      'credentials', (SELECT json_agg(json_build_object('sub', c.subscription_id,
          'issuedAt', ${ms('issued_at')}, 'retiredAt', ${ms('retired_at')}, 'replaced', replaced))
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
        WHERE id > ${since.notification} AND customer_id = ${mine}),
      'events', (SELECT json_agg(json_build_object('id', id, 'customer', customer_id,
          'action', action) ORDER BY id)
        FROM perennial.event WHERE customer_id = ${mine})) AS books`.execute(db);
  const all = rows[0]?.books as Record<keyof Rows, unknown[] | null>;
  const of = <Name extends keyof Rows>(name: Name) => (all[name] ?? []) as Rows[Name];
  return of('customers').map((customer) => {
    const own = <Row extends { customer: number }>(list: readonly Row[]) =>
      list.filter((row) => row.customer === customer.id);
    const subs = own(of('subs'));
    return {
      customer,
      subs,
      periods: own(of('periods')),
      ledger: own(of('ledger')),
      credentials: of('credentials').filter((row) => subs.some((sub) => sub.id === row.sub)),
      notices: own(of('notices')),
      events: own(of('events')),
    };
  });
}

/** When the last run of auto-renewal went through everything that was due. */
export async function readPass(db: Db): Promise<number | null> {
  const { rows } = await sql<{ at: number | null }>`
    SELECT ${ms('passed_at')}::float8 AS at FROM perennial.worker_state
    WHERE worker = 'auto-renewal'`.execute(db);
  return rows[0]?.at ?? null;
}

/** Places by id. A row that belongs to somebody else has none. */
export interface Places {
  sub(id: number): number;
  period(id: number): number;
  entry(id: number): number;
}

export function placesIn(rows: CustomerRows): Places {
  const placesOf = (list: readonly { id: number }[]) => {
    const places = new Map(list.map(({ id }, place) => [id, place]));
    return (id: number) => places.get(id) ?? -1;
  };
  return {
    sub: placesOf(rows.subs),
    period: placesOf(rows.periods),
    entry: placesOf(rows.ledger),
  };
}

/** In the model's words. */
export function inWords(rows: CustomerRows): Customer {
  const places = placesIn(rows);
  return {
    balance: rows.customer.balance,
    claim: rows.customer.claim,
    vip: rows.customer.vip,
    discount: rows.customer.discount,
    trialUsed: rows.customer.trialUsed,
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
      return `${noticeInWords(key, places)}${sum}${outcome === '' ? '' : `: ${outcome}`}`;
    }),
    events: rows.events.map(({ action }) => action),
  };
}

function noticeInWords(key: string, places: Places): string {
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
