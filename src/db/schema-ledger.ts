import type { Generated } from 'kysely';
import type { LedgerEntryId } from '../kernel/ids.ts';

// The kinds of ledger entries, and the columns of the entries that move or reverse a payment.

export const ledgerKinds = [
  'opening',
  'top_up',
  'purchase',
  'renewal',
  'refund',
  'adjustment',
  'payout',
  'chargeback',
  'claim',
] as const;

export interface PaymentLinks {
  /** The payment that this entry moves (a top-up) or reverses (a chargeback). */
  payment_entry_id: Generated<LedgerEntryId | null>;
  /** Of a moved payment: the entry that took the money from the customer before. */
  out_entry_id: Generated<LedgerEntryId | null>;
  /** The id that the provider gave a chargeback. */
  dispute: Generated<string | null>;
  /** The change of the claim with this entry. */
  claim_minor: Generated<bigint | null>;
}
