import { sql } from 'kysely';
import { refused, UsageFault } from '../kernel/faults.ts';
import type { LedgerEntryId } from '../kernel/ids.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import { type Call, type Desk, move } from './command.ts';
import { recordMove } from './moved-payment.ts';
import {
  claimAnswer,
  findPayment,
  type PaymentEntry,
  payClaim,
  refuseOtherCurrency,
} from './payments.ts';
import { requireName } from './provider-spelling.ts';
import { forTwoCustomers } from './two-customers.ts';
import { tryAgainNow } from './wake.ts';

// The move of a payment that was credited to the wrong customer.
//
// 1. The payment moves whole, under its own reference. The reference stays known.
// 2. The money leaves the customer who had it as an adjustment, and reaches the other one as a
//    top-up. Both entries name each other, and both timelines name the move.
// 3. If a person has taken the money back already, the move names that adjustment instead. A top-up
//    of the other customer under the same reference does the same (`moved-payment.ts`).
// 4. No balance goes below 0: a payment that is spent does not move. With `withClaim` the missing
//    part becomes a claim on the customer who had it, if `money.claims` is on.

export interface PaymentMove {
  readonly provider: string;
  readonly providerRef: string;
  readonly from: bigint;
  readonly to: bigint;
  /** The adjustment that took the money back already. */
  readonly adjustmentId?: LedgerEntryId;
  /** What the balance does not cover becomes a claim. */
  readonly withClaim?: boolean;
}

export type PaymentMoveAnswer = {
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
export function movePayment(call: Call, given: PaymentMove): Promise<PaymentMoveAnswer> {
  const request = {
    ...given,
    provider: requireName(given.provider, 'provider'),
    providerRef: requireName(given.providerRef, 'ref'),
  };
  if (request.from === request.to) {
    throw new UsageFault('same_customer', `to: customer ${request.to} has the payment already`);
  }
  const both = [request.from, request.to] as const;
  return forTwoCustomers(call, 'move-payment', both, request, async (from, to) => {
    const { providerRef } = request;
    const payment = await findPayment(from, request.provider, providerRef);
    const { provider } = payment;
    refuseOtherCurrency(to, from.customer.currency);
    const { amountMinor } = payment;
    const outEntryId =
      request.adjustmentId === undefined
        ? await takeBack(from, amountMinor, request.withClaim === true)
        : await requireAdjustment(from, payment, request.adjustmentId);
    const entryId = await move(to, {
      amountMinor,
      kind: 'top_up',
      provider,
      providerRef,
      reversal: { paymentEntryId: payment.id, outEntryId },
    });
    const claimPaidMinor = await payClaim(to, amountMinor);
    await tryAgainNow(to.tx, to.customer.id, to.now, to.settings);
    const entries = [
      { customerId: from.customer.id, entryId: outEntryId },
      { customerId: to.customer.id, entryId },
    ];
    await recordMove(to, { ...request, provider, amountMinor }, entries);
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
      ...claimAnswer(to, claimPaidMinor),
      out_entry_id: Number(outEntryId),
      ledger_entry_id: Number(entryId),
    };
  });
}

/** Rule 4. @throws Fault `short_balance`, `claims_off` */
async function takeBack(
  desk: Desk,
  amountMinor: bigint,
  withClaim: boolean,
): Promise<LedgerEntryId> {
  const { balanceMinor, currency, telegramId } = desk.customer;
  const missingMinor = amountMinor - balanceMinor;
  if (missingMinor <= 0n) return move(desk, { amountMinor: -amountMinor, kind: 'adjustment' });
  if (!withClaim) {
    throw refused(
      'short_balance',
      `the balance of customer ${telegramId} is ${moneyText(balanceMinor, currency)}, the payment is ${moneyText(amountMinor, currency)}: ${moneyText(missingMinor, currency)} missing`,
      'refund what was bought with it first, or pass --claim, or name with --adjustment the entry that took it back',
    );
  }
  if (!desk.settings.money.claims) {
    throw refused('claims_off', 'claims are off (money.claims), so the balance must cover it');
  }
  const reversal = { claimMinor: missingMinor };
  return move(desk, { amountMinor: -balanceMinor, kind: 'adjustment', reversal });
}

/** Rule 3. @throws Fault `no_adjustment` */
async function requireAdjustment(
  { tx, customer }: Desk,
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
    `ledger entry ${id} is not an adjustment of ${moneyText(-payment.amountMinor, customer.currency)} by which customer ${customer.telegramId} gave this payment back`,
    'customer show --json lists the ids of the ledger',
  );
}
