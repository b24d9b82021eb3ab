import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../../db/connect.ts';
import { refused } from '../../kernel/faults.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { createNoCustomerFault } from '../store/locked-customer.ts';
import { readListedCustomers } from './customer-list.ts';

// Finds customers by any value that an operator may have: a Telegram id, a customer id like
// `c123`, the UUID of a credential, a `sub_token` or the reference of a payment.

export const lookupKinds = [
  'telegram_id',
  'customer_id',
  'credential',
  'sub_token',
  'payment',
] as const;
export type LookupKind = (typeof lookupKinds)[number];

export interface FoundCustomer {
  readonly id: CustomerId;
  readonly telegramId: bigint;
  readonly matchedBy: LookupKind;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const digits = /^[1-9]\d{0,17}$/;

/**
 * The providers of payments, read from the index of payments one by one. So a reference without its
 * provider needs no separate index.
 */
const selectPayments = (reference: string): RawBuilder<unknown> => sql`
  WITH RECURSIVE provider AS (
    (SELECT e.provider FROM perennial.ledger_entry e
     WHERE e.provider_ref IS NOT NULL AND e.payment_entry_id IS NULL
     ORDER BY e.provider LIMIT 1)
    UNION ALL
    SELECT (SELECT e.provider FROM perennial.ledger_entry e
      WHERE e.provider_ref IS NOT NULL AND e.payment_entry_id IS NULL
        AND e.provider > provider.provider ORDER BY e.provider LIMIT 1)
    FROM provider WHERE provider.provider IS NOT NULL)
  SELECT e.customer_id FROM provider JOIN perennial.ledger_entry e
    ON e.provider = provider.provider AND e.provider_ref = ${reference}
    AND e.payment_entry_id IS NULL
  UNION
  SELECT e.customer_id FROM provider JOIN perennial.ledger_entry e
    ON e.provider = provider.provider AND e.provider_ref = ${reference}
    AND e.payment_entry_id IS NOT NULL`;

/** The conditions of the kinds that the form of the value allows. */
function listConditions(value: string): [LookupKind, RawBuilder<unknown>][] {
  const conditions: [LookupKind, RawBuilder<unknown>][] = [];
  if (digits.test(value)) conditions.push(['telegram_id', sql`c.telegram_id = ${value}::bigint`]);
  if (/^c[1-9]\d{0,17}$/i.test(value))
    conditions.push(['customer_id', sql`c.id = ${value.slice(1)}::bigint`]);
  if (uuid.test(value)) {
    conditions.push([
      'credential',
      sql`c.id = (SELECT k.customer_id FROM perennial.credential k WHERE k.id = ${value}::uuid)`,
    ]);
  }
  if (value.length >= 16) conditions.push(['sub_token', sql`c.sub_token = ${value}`]);
  conditions.push(['payment', sql`c.id IN (${selectPayments(value)})`]);
  return conditions;
}

/** The customers that the value matches, in the order of `lookupKinds`. */
export async function findCustomers(db: Db, value: string): Promise<FoundCustomer[]> {
  const selects = listConditions(value).map(
    ([kind, condition]) => sql`
      SELECT c.id, c.telegram_id AS "telegramId", ${sql.lit(kind)} AS "matchedBy"
      FROM perennial.customer c WHERE ${condition}`,
  );
  const { rows } = await sql<FoundCustomer>`${sql.join(selects, sql` UNION ALL `)}`.execute(db);
  const rank = ({ matchedBy }: FoundCustomer) => lookupKinds.indexOf(matchedBy);
  return rows.toSorted((a, b) => rank(a) - rank(b) || Number(a.id - b.id));
}

/** The customers that the value matches, as the list shows them. */
export async function findListedCustomers(db: Db, value: string) {
  const found = await findCustomers(db, value);
  const ids = found.map(({ id }) => id);
  const listed = await readListedCustomers(db, ids);
  const byId = new Map(listed.map((customer) => [customer.id, customer]));
  return found.flatMap(({ id, matchedBy }) => {
    const customer = byId.get(Number(id));
    return customer === undefined ? [] : [{ ...customer, matched_by: matchedBy }];
  });
}

/**
 * The Telegram id of the one customer that the value matches. A Telegram id precedes a reference
 * of the same digits.
 * @throws Fault `no_customer`, `which_customer`
 */
export async function requireOneCustomer(db: Db, value: string): Promise<bigint> {
  const [first, ...others] = await findCustomers(db, value);
  if (first === undefined) {
    if (digits.test(value)) throw createNoCustomerFault(BigInt(value));
    throw createNoMatchFault(value);
  }
  const rivals = others.filter((one) => one.matchedBy === first.matchedBy && one.id !== first.id);
  if (rivals.length === 0) return first.telegramId;
  const ids = [first, ...rivals].map(({ telegramId }) => telegramId);
  throw refused('which_customer', `"${value}" matches several customers: ${ids.join(', ')}`);
}

export const createNoMatchFault = (value: string) =>
  refused(
    'no_customer',
    `"${value}" matches no customer; expected a Telegram id, a customer id like c123, a UUID, a sub_token or a payment reference`,
  );
