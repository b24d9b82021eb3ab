import { sql } from 'kysely';
import { anyOf } from '../../db/unnest.ts';
import { refused } from '../../kernel/faults.ts';
import type { LedgerEntryId, SubscriptionId } from '../../kernel/ids.ts';
import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { changeBalance } from '../store/balance.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toCustomerSubject } from '../store/events.ts';
import { computeChargesPaidBy, type LedgerStep } from '../store/paid-by.ts';
import { lockPayment, lockReference, type PaymentEntry } from '../store/payments.ts';
import { type Period, readPeriods } from '../store/periods.ts';
import { requirePaymentName, selectSpellings } from '../store/provider-names.ts';
import { readSubscriptionById, type Subscription } from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { computeUnusedMinor, refundPeriod, updateAfterRefund } from './refund.ts';
import { enqueueEndNotification } from './refund-notices.ts';
import { readLastTerms } from './settle.ts';

// The rule for chargebacks: the provider took a payment back.
//
// 1. A payment is reversed whole, and once. A dispute id of a provider is accepted once.
// 2. The ledger decides which periods the payment paid, newest money first (`paid-by.ts`).
// 3. Each of these periods that is not over ends now, the latest first. Its unused part returns to
//    the balance, also if the payment paid only a part of the period. Later periods move to an
//    earlier start. Auto-renewal of the subscription is switched off.
// 4. Then the amount of the payment leaves the balance, which goes down to 0 at the lowest.
// 5. The remainder becomes a claim if `money.claims` is on. Otherwise it is lost.

export interface Chargeback {
  readonly telegramId: bigint;
  readonly provider: string;
  readonly providerRef: string;
  /** The id of the dispute at the provider. */
  readonly dispute: string;
}

export type ChargebackResult = {
  readonly telegram_id: number;
  readonly provider: string;
  readonly provider_ref: string;
  readonly dispute: string;
  readonly amount: string;
  readonly periods_ended: number;
  /** The unused parts of these periods. */
  readonly returned: string;
  readonly taken: string;
  readonly claim_added: string;
  readonly claim: string;
  readonly balance: string;
  readonly currency: string;
  readonly ledger_entry_id: number;
};

/** @throws Fault `no_payment`, `payment_reversed`, `dispute_known`; UsageFault `bad_reference` */
export function applyChargeback(caller: Caller, given: Chargeback): Promise<ChargebackResult> {
  const request = {
    telegramId: given.telegramId,
    provider: requirePaymentName(given.provider, 'provider'),
    providerRef: requirePaymentName(given.providerRef, 'ref'),
    dispute: requirePaymentName(given.dispute, 'dispute'),
  };
  return withLockedCustomer(caller, 'chargeback', request.telegramId, request, async (context) => {
    await requireNewDispute(context, request);
    const payment = await lockPayment(context, request.provider, request.providerRef);
    const ended = await endPaidPeriods(context, payment);
    const { customer, settings } = context;
    const takenMinor = min(customer.balanceMinor, payment.amountMinor);
    const claimMinor = settings.money.claims ? payment.amountMinor - takenMinor : 0n;
    const { provider } = payment;
    const { providerRef, dispute } = request;
    const entryId = await changeBalance(context, {
      amountMinor: -takenMinor,
      kind: 'chargeback',
      provider,
      providerRef,
      reversal: { paymentEntryId: payment.id, dispute, claimMinor },
    });
    const detail = {
      provider,
      provider_ref: providerRef,
      dispute,
      ledger_entry_id: entryId,
      amount_minor: payment.amountMinor,
      taken_minor: takenMinor,
      claim_minor: claimMinor,
      period_ids: ended.map(({ period }) => period.id),
    };
    const subject = toCustomerSubject(customer.id);
    const event = { customerId: customer.id, subject, action: 'charged_back', detail };
    await recordEvents(context.tx, [event], context.actor, context.now);
    const major = (minor: bigint): string => majorUnits(minor, customer.currency);
    return {
      telegram_id: Number(customer.telegramId),
      provider,
      provider_ref: providerRef,
      dispute,
      amount: major(payment.amountMinor),
      periods_ended: ended.length,
      returned: major(ended.reduce((sum, { returnedMinor }) => sum + returnedMinor, 0n)),
      taken: major(takenMinor),
      claim_added: major(claimMinor),
      claim: major(customer.claimMinor),
      balance: major(customer.balanceMinor),
      currency: customer.currency,
      ledger_entry_id: Number(entryId),
    };
  });
}

const min = (one: bigint, other: bigint): bigint => (one < other ? one : other);

async function requireNewDispute({ tx }: CommandContext, request: Chargeback): Promise<void> {
  const { provider, dispute } = request;
  await lockReference(tx, 'dispute', provider, dispute);
  const { rows } = await sql<{ provider_ref: string }>`
    SELECT provider_ref FROM perennial.ledger_entry
    WHERE provider IN ${selectSpellings(provider)} AND dispute = ${dispute}`.execute(tx);
  if (rows[0] === undefined) return;
  throw refused('dispute_known', `dispute ${dispute} of ${provider} was recorded already`);
}

interface EndedPeriod {
  readonly period: Period;
  readonly returnedMinor: bigint;
}

/** Rules 2 and 3. */
async function endPaidPeriods(
  context: CommandContext,
  payment: PaymentEntry,
): Promise<EndedPeriod[]> {
  const paid = [...computeChargesPaidBy(await readSteps(context), payment.id).keys()];
  const ended: EndedPeriod[] = [];
  for (const [subscriptionId, charges] of await readOpenCharges(context, paid)) {
    const periods = await readPeriods(context.tx, subscriptionId);
    const own = periods.filter(({ ledgerEntryId }) => charges.has(ledgerEntryId));
    for (const period of own) {
      const subscription = await readSubscriptionById(context.tx, subscriptionId);
      ended.push(await endPeriod(context, subscription, period.id));
    }
  }
  return ended;
}

/** The period is read again, because the end of a later one may have moved it. */
async function endPeriod(
  context: CommandContext,
  subscription: Subscription,
  id: Period['id'],
): Promise<EndedPeriod> {
  const periods = await readPeriods(context.tx, subscription.id);
  const period = periods.find((one) => one.id === id) as Period;
  const returnedMinor = computeUnusedMinor(period, context.now);
  const lastBefore = await readLastTerms(context, subscription);
  await refundPeriod(context, period, returnedMinor);
  const after = await updateAfterRefund(context, subscription, period, lastBefore, false);
  await enqueueEndNotification(context, subscription.id, period, after);
  return { period, returnedMinor };
}

/** Reads the whole ledger, because the reversal of an older payment takes its own money first. */
async function readSteps(context: CommandContext): Promise<LedgerStep[]> {
  const { rows } = await sql<LedgerStep>`
    SELECT e.id, e.kind, e.amount_minor AS "amountMinor", p.ledger_entry_id AS "chargeId",
      coalesce(moved.payment_entry_id, e.payment_entry_id) AS "paymentId"
    FROM perennial.ledger_entry e
    LEFT JOIN perennial.period p ON p.refund_entry_id = e.id
    LEFT JOIN perennial.ledger_entry moved ON moved.out_entry_id = e.id
    WHERE e.customer_id = ${context.customer.id}
    ORDER BY e.id`.execute(context.tx);
  return rows;
}

/** Those of the charges whose periods are neither refunded nor over, by subscription. */
async function readOpenCharges(
  context: CommandContext,
  charges: readonly LedgerEntryId[],
): Promise<Map<SubscriptionId, Set<LedgerEntryId | null>>> {
  const { rows } = await sql<{ subscriptionId: SubscriptionId; charge: LedgerEntryId }>`
    SELECT subscription_id AS "subscriptionId", ledger_entry_id AS charge
    FROM perennial.period
    WHERE customer_id = ${context.customer.id} AND ledger_entry_id = ${anyOf('bigint', charges)}
      AND refunded_at IS NULL AND ends_at > ${isoTime(context.now)}
    ORDER BY starts_at DESC, id DESC`.execute(context.tx);
  const rowsBySubscription = Map.groupBy(rows, ({ subscriptionId }) => subscriptionId);
  return new Map(
    [...rowsBySubscription].map(([id, ownRows]) => [
      id,
      new Set(ownRows.map(({ charge }) => charge)),
    ]),
  );
}
