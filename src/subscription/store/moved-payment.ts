import { sql } from 'kysely';
import type { CustomerId, LedgerEntryId } from '../../kernel/ids.ts';
import type { CommandContext } from './command-context.ts';
import { recordEvents, toCustomerSubject } from './events.ts';
import { selectSpellings } from './provider-names.ts';

// A payment that reaches another customer without the command, and the events of a move.

/** A payment that an adjustment took back from its customer. */
export interface TakenBackPayment {
  readonly paymentEntryId: LedgerEntryId;
  readonly outEntryId: LedgerEntryId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  /** The spelling of the ledger. */
  readonly provider: string;
}

/**
 * Finds the adjustment by which a person took this payment back from another customer. It has to be
 * the only free adjustment of exactly this amount after the payment. No customer has the money
 * then, so a top-up credits it once. The caller holds the lock of the reference, so the payment
 * cannot change.
 */
export async function findTakenBackPayment(
  { tx, customer }: CommandContext,
  {
    amountMinor,
    provider,
    providerRef,
  }: Pick<MovedPayment, 'amountMinor' | 'provider' | 'providerRef'>,
): Promise<TakenBackPayment | undefined> {
  const { rows } = await sql<TakenBackPayment>`
    SELECT e.id AS "paymentEntryId", a.id AS "outEntryId", c.id AS "customerId",
      c.telegram_id AS "telegramId", e.provider
    FROM perennial.ledger_entry e
    JOIN perennial.customer c ON c.id = e.customer_id AND c.currency = ${customer.currency}
    JOIN perennial.ledger_entry a ON a.customer_id = c.id AND a.id > e.id
      AND a.kind = 'adjustment' AND a.amount_minor = -e.amount_minor
    WHERE e.provider IN ${selectSpellings(provider)} AND e.provider_ref = ${providerRef} AND e.kind = 'top_up'
      AND e.amount_minor = ${amountMinor} AND c.id <> ${customer.id}
      AND NOT EXISTS (SELECT FROM perennial.ledger_entry n WHERE n.payment_entry_id = e.id)
      AND NOT EXISTS (SELECT FROM perennial.ledger_entry n WHERE n.out_entry_id = a.id)
    LIMIT 2`.execute(tx);
  return rows.length === 1 ? rows[0] : undefined;
}

export interface MovedPayment {
  readonly provider: string;
  readonly providerRef: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly amountMinor: bigint;
}

/** Records the move for both customers. Each event names the entry of that customer. */
export async function recordPaymentMove(
  { tx, actor, now }: CommandContext,
  { provider, providerRef, from, to, amountMinor }: MovedPayment,
  entries: readonly { readonly customerId: CustomerId; readonly entryId: LedgerEntryId }[],
): Promise<void> {
  const detail = {
    provider,
    provider_ref: providerRef,
    from: Number(from),
    to: Number(to),
    amount_minor: amountMinor,
  };
  const events = entries.map(({ customerId, entryId }) => ({
    customerId,
    subject: toCustomerSubject(customerId),
    action: 'payment_moved',
    detail: { ...detail, ledger_entry_id: entryId },
  }));
  await recordEvents(tx, events, actor, now);
}
