import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import { type Fault, refused } from '../../kernel/faults.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Settings } from '../rules/settings.ts';
import { type StoredSettings, selectStoredSettings, toSettings } from './settings.ts';

// The customer row as the lock of a command (rule 1).

/** The customer while the row is locked. */
export interface Customer {
  readonly id: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly vip: boolean;
  readonly discountPercent: number;
  readonly trialUsedAt: Instant | null;
  readonly reachable: boolean;
  readonly isBlocked: boolean;
  /** `changeBalance` keeps it up to date. */
  balanceMinor: bigint;
  /** The debt after chargebacks. `changeBalance` keeps it up to date. */
  claimMinor: bigint;
}

/** The fault `no_customer`. */
export const createNoCustomerFault = (telegramId: bigint): Fault =>
  refused(
    'no_customer',
    `telegram_id: "${telegramId}" is not a customer`,
    `add the customer with "perennial customer create ${telegramId}"`,
  );

/** @throws Fault `blocked`: a blocked customer gets no access, and pays for nothing */
export function requireNotBlocked({ isBlocked, telegramId }: Customer): void {
  if (!isBlocked) return;
  throw refused(
    'blocked',
    `customer ${telegramId} is blocked`,
    '"perennial customer unblock" restores the access',
  );
}

/** Locks only the row. A separate statement reads the facts (rule 2). */
export async function lockCustomer(tx: Tx, telegramId: bigint): Promise<CustomerId> {
  const { rows } = await sql<{ id: CustomerId }>`
    SELECT id FROM perennial.customer WHERE telegram_id = ${telegramId}
    FOR NO KEY UPDATE`.execute(tx);
  const [row] = rows;
  if (row === undefined) throw createNoCustomerFault(telegramId);
  return row.id;
}

/** @throws Fault `no_customer` */
export async function findCustomerId(tx: Tx, telegramId: bigint): Promise<CustomerId> {
  const { rows } = await sql<{ id: CustomerId }>`
    SELECT id FROM perennial.customer WHERE telegram_id = ${telegramId}`.execute(tx);
  const [row] = rows;
  if (row === undefined) throw createNoCustomerFault(telegramId);
  return row.id;
}

/** The facts of a command, in one round trip. */
export async function readCustomerAndSettings(
  tx: Tx,
  id: CustomerId,
): Promise<{ readonly customer: Customer; readonly settings: Settings }> {
  const { rows } = await sql<Customer & { readonly stored: StoredSettings | null }>`
    SELECT id, telegram_id AS "telegramId", currency, vip, discount_percent AS "discountPercent",
      trial_used_at AS "trialUsedAt", reachable, blocked_at IS NOT NULL AS "isBlocked",
      balance_minor AS "balanceMinor", claim_minor AS "claimMinor", ${selectStoredSettings} AS stored
    FROM perennial.customer WHERE id = ${id}`.execute(tx);
  const { stored, ...customer } = rows[0] as (typeof rows)[0];
  return { customer, settings: toSettings(stored) };
}

export async function readCustomersById(tx: Tx, ids: readonly CustomerId[]): Promise<Customer[]> {
  const { rows } = await sql<Customer>`
    SELECT id, telegram_id AS "telegramId", currency, vip, discount_percent AS "discountPercent",
      trial_used_at AS "trialUsedAt", reachable, blocked_at IS NOT NULL AS "isBlocked", balance_minor AS "balanceMinor",
      claim_minor AS "claimMinor"
    FROM perennial.customer WHERE id = ${anyOf('bigint', ids)} ORDER BY id`.execute(tx);
  return rows;
}
