import { sql } from 'kysely';
import { refused, UsageFault } from '../../kernel/faults.ts';
import type { LedgerEntryId } from '../../kernel/ids.ts';
import { majorUnits, moneyText } from '../../kernel/money.ts';
import { changeBalance } from '../store/balance.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordPaymentMove } from '../store/moved-payment.ts';
import {
  lockPayment,
  type PaymentEntry,
  payClaim,
  requireCustomerCurrency,
  toClaimResult,
} from '../store/payments.ts';
import { requirePaymentName } from '../store/provider-names.ts';
import { retryRenewalsNow } from '../store/retry-now.ts';
import { withTwoLockedCustomers } from './two-customers.ts';

// The rule for a move of a payment that was credited to the wrong customer.
//
// 1. The payment moves whole, under its own reference. The reference stays known.
// 2. The money leaves the customer who had it as an adjustment, and reaches the other one as a
//    top-up. Both entries name each other, and both customers get an event.
// 3. If a person has taken the money back already, the move names that adjustment instead. A top-up
//    of the other customer under the same reference does the same (`moved-payment.ts`).
// 4. No balance goes below 0: a payment that is spent does not move. With `withClaim` the missing
//    part becomes a claim on the customer who had it, if `money.claims` is on.

export interface PaymentMove {
  readonly provider: string;
  readonly providerRef: string;
  readonly from: bigint;
  readonly to: bigint;
  /** The adjustment that has already taken the money back. */
  readonly adjustmentId?: LedgerEntryId;
  /** The part that the balance does not cover becomes a claim. */
  readonly withClaim?: boolean;
}

export type PaymentMoveResult = {
  readonly provider: string;
  readonly provider_ref: string;
  readonly from: number;
  readonly to: number;
  readonly amount: string;
  readonly currency: string;
  readonly from_balance: string;
  readonly from_claim: string;
  readonly to_balance: string;
  readonly claim_paid: string;
  readonly claim: string;
  readonly out_entry_id: number;
  readonly ledger_entry_id: number;
};

/** @throws Fault `no_payment`, `payment_reversed`, `other_currency`, `short_balance`, … */
export function movePayment(caller: Caller, given: PaymentMove): Promise<PaymentMoveResult> {
  const request = {
    ...given,
    provider: requirePaymentName(given.provider, 'provider'),
    providerRef: requirePaymentName(given.providerRef, 'ref'),
  };
  if (request.from === request.to) {
    throw new UsageFault('same_customer', `to: customer ${request.to} has the payment already`);
  }
  const both = [request.from, request.to] as const;
  return withTwoLockedCustomers(caller, 'move-payment', both, request, async (from, to) => {
    const { providerRef } = request;
    const payment = await lockPayment(from, request.provider, providerRef);
    const { provider } = payment;
    requireCustomerCurrency(to, from.customer.currency);
    const { amountMinor } = payment;
    const outEntryId =
      request.adjustmentId === undefined
        ? await takeBackPayment(from, amountMinor, request.withClaim === true)
        : await requireAdjustment(from, payment, request.adjustmentId);
    const entryId = await changeBalance(to, {
      amountMinor,
      kind: 'top_up',
      provider,
      providerRef,
      reversal: { paymentEntryId: payment.id, outEntryId },
    });
    const claimPaidMinor = await payClaim(to, amountMinor);
    await retryRenewalsNow(to.tx, to.customer.id, to.now, to.settings);
    const entries = [
      { customerId: from.customer.id, entryId: outEntryId },
      { customerId: to.customer.id, entryId },
    ];
    await recordPaymentMove(to, { ...request, provider, amountMinor }, entries);
    const { currency } = to.customer;
    return {
      provider,
      provider_ref: providerRef,
      from: Number(request.from),
      to: Number(request.to),
      amount: majorUnits(amountMinor, currency),
      currency,
      from_balance: majorUnits(from.customer.balanceMinor, currency),
      from_claim: majorUnits(from.customer.claimMinor, currency),
      to_balance: majorUnits(to.customer.balanceMinor, currency),
      ...toClaimResult(to, claimPaidMinor),
      out_entry_id: Number(outEntryId),
      ledger_entry_id: Number(entryId),
    };
  });
}

/** Rule 4. @throws Fault `short_balance`, `claims_off` */
async function takeBackPayment(
  context: CommandContext,
  amountMinor: bigint,
  withClaim: boolean,
): Promise<LedgerEntryId> {
  const { balanceMinor, currency, telegramId } = context.customer;
  const missingMinor = amountMinor - balanceMinor;
  if (missingMinor <= 0n)
    return changeBalance(context, { amountMinor: -amountMinor, kind: 'adjustment' });
  if (!withClaim) {
    throw refused(
      'short_balance',
      `the balance of customer ${telegramId} is ${moneyText(balanceMinor, currency)}, the payment is ${moneyText(amountMinor, currency)}: ${moneyText(missingMinor, currency)} missing`,
      'first refund the periods that it paid, or pass --claim, or name the entry that took it back with --adjustment',
    );
  }
  if (!context.settings.money.claims) {
    throw refused('claims_off', 'claims are off (money.claims), so the balance must cover it');
  }
  const reversal = { claimMinor: missingMinor };
  return changeBalance(context, { amountMinor: -balanceMinor, kind: 'adjustment', reversal });
}

/** Rule 3. @throws Fault `no_adjustment` */
async function requireAdjustment(
  { tx, customer }: CommandContext,
  payment: PaymentEntry,
  id: LedgerEntryId,
): Promise<LedgerEntryId> {
  const { rows } = await sql<{ id: LedgerEntryId }>`
    SELECT e.id FROM perennial.ledger_entry e
    WHERE e.customer_id = ${customer.id} AND e.id = ${id} AND e.id > ${payment.id}
      AND e.kind = 'adjustment' AND e.amount_minor = ${-payment.amountMinor}
      AND NOT EXISTS (SELECT FROM perennial.ledger_entry n WHERE n.out_entry_id = e.id)`.execute(
    tx,
  );
  if (rows[0] !== undefined) return rows[0].id;
  throw refused(
    'no_adjustment',
    `ledger entry ${id} is not an adjustment of ${moneyText(-payment.amountMinor, customer.currency)} that took this payment back from customer ${customer.telegramId}`,
    'list the ids of the ledger with "customer show --json"',
  );
}
