import { randomBytes, randomUUID } from 'node:crypto';

declare const idBrand: unique symbol;
type Id<Of extends string> = bigint & { readonly [idBrand]: Of };

export type CustomerId = Id<'customer'>;
export type SubscriptionId = Id<'subscription'>;
export type PeriodId = Id<'period'>;
export type LedgerEntryId = Id<'ledger_entry'>;
export type RunId = Id<'worker_run'>;

declare const uuidBrand: unique symbol;
/** The UUID that opens the nodes: 36 characters, lower case. */
export type CredentialId = string & { readonly [uuidBrand]: 'credential' };

/** A random v4 UUID. VLESS ignores its bytes 6 and 7 (docs/xray-facts.md), so 106 bits count. */
export function generateCredentialId(): CredentialId {
  return randomUUID() as CredentialId;
}

/** The unguessable part of a subscription URL: 128 bits, URL-safe. */
export function generateSubToken(): string {
  return randomBytes(16).toString('base64url');
}

/** An idempotency key for a call without one. It equals no other key. */
export function generateIdempotencyKey(): string {
  return `auto-${randomUUID()}`;
}
