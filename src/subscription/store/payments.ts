import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { refused } from '../../kernel/faults.ts';
import type { LedgerEntryId } from '../../kernel/ids.ts';
import { majorUnits, moneyText, tryParseMinor } from '../../kernel/money.ts';
import { changeBalance } from './balance.ts';
import type { CommandContext } from './command-context.ts';
import { findTakenBackPayment, recordPaymentMove, type TakenBackPayment } from './moved-payment.ts';
import { normalizeName, normalizeSpelling, selectSpellings } from './provider-names.ts';

// The rule for payments, which is incoming money.
//
// 1. A payment is named by its provider and its reference there. It is credited once.
// 2. A currency that the payment names is the customer's.
// 3. A payment above `money.top_up_max` needs a confirmation.
// 4. A payment first pays the claim of the customer (`money.claims`), as a separate entry.
// 5. A payment that an adjustment took back from another customer is credited under its own
//    reference. The two entries name each other, as if the payment had been moved.

export interface Payment {
  readonly amountMinor: bigint;
  /** The provider and its reference name a payment: it is credited once for all keys. */
  readonly provider?: string;
  readonly providerRef?: string;
  /** The currency of the payment. A currency that differs from the customer's is refused. */
  readonly currency?: string;
}

export interface CreditedPayment {
  readonly entryId: LedgerEntryId;
  readonly claimPaidMinor: bigint;
}

/**
 * Credits the locked customer.
 * @throws Fault `bad_amount`, `other_currency`, `top_up_too_large`, `no_provider`,
 *   `no_provider_ref`, `payment_known`
 */
export async function creditPayment(
  context: CommandContext,
  given: Payment,
  isConfirmed: boolean,
): Promise<CreditedPayment> {
  const payment = normalizePayment(given);
  const { amountMinor, provider, providerRef } = payment;
  if (amountMinor <= 0n) {
    throw refused(
      'bad_amount',
      `a top-up of ${moneyText(amountMinor, context.customer.currency)} is not possible; expected an amount above 0`,
      'reduce a balance with "customer adjust"',
    );
  }
  requireCustomerCurrency(context, payment.currency);
  if (!isConfirmed) requireConfirmedAmount(context, amountMinor);
  requireFullReference(payment);
  const takenBack = await requireNewPayment(context, payment);
  const entryId = await changeBalance(context, {
    amountMinor,
    kind: 'top_up',
    ...(provider === undefined ? {} : { provider: takenBack?.provider ?? provider }),
    ...(providerRef === undefined ? {} : { providerRef }),
    ...(takenBack === undefined ? {} : { reversal: takenBack }),
  });
  if (takenBack !== undefined) await recordMovedPayment(context, payment, takenBack, entryId);
  return { entryId, claimPaidMinor: await payClaim(context, amountMinor) };
}

/** Returns the payment with the names under which it is stored. */
function normalizePayment({ provider, providerRef, ...payment }: Payment): Payment {
  return {
    ...payment,
    ...(provider === undefined ? {} : { provider: normalizeName(provider) }),
    ...(providerRef === undefined ? {} : { providerRef: normalizeName(providerRef) }),
  };
}

/** Pays the claim from incoming money. @returns the part that paid the claim */
export async function payClaim(context: CommandContext, creditedMinor: bigint): Promise<bigint> {
  const { claimMinor } = context.customer;
  if (!context.settings.money.claims || claimMinor === 0n) return 0n;
  const paidMinor = claimMinor < creditedMinor ? claimMinor : creditedMinor;
  const reversal = { claimMinor: -paidMinor };
  await changeBalance(context, { amountMinor: -paidMinor, kind: 'claim', reversal });
  return paidMinor;
}

/** @throws Fault `other_currency` */
export function requireCustomerCurrency(
  { customer }: CommandContext,
  currency: string | undefined,
): void {
  if (currency === undefined || currency === customer.currency) return;
  throw refused(
    'other_currency',
    `the payment is in ${currency}, the customer pays in ${customer.currency}`,
  );
}

function requireConfirmedAmount({ customer, settings }: CommandContext, amountMinor: bigint): void {
  const { currency } = customer;
  const limit = toLimitMinor(settings.money.topUpMax, currency);
  if (amountMinor <= limit) return;
  throw refused(
    'top_up_too_large',
    `a top-up of ${moneyText(amountMinor, currency)} is above the limit of ${moneyText(limit, currency)} (money.top_up_max)`,
    'pass --confirm if the amount is right',
  );
}

/** The limit in this currency. Digits that the currency does not have are cut off. */
function toLimitMinor(major: string, currency: string): bigint {
  const read = tryParseMinor(major, currency);
  if ('minor' in read) return read.minor;
  const whole = tryParseMinor(major.replace(/\..*$/, ''), currency);
  return 'minor' in whole ? whole.minor : 0n;
}

/** @throws Fault `no_provider`, `no_provider_ref`: only both of them name a payment */
function requireFullReference({ provider, providerRef }: Payment): void {
  if (providerRef !== undefined && !provider) {
    throw refused('no_provider', 'a payment reference needs its provider');
  }
  if (provider !== undefined && !providerRef) {
    throw refused('no_provider_ref', 'a provider needs the reference of the payment');
  }
}

/** Locks a payment or dispute. A second request for it waits for the commit of the first. */
export async function lockReference(
  tx: Tx,
  kind: 'payment' | 'dispute',
  provider: string,
  reference: string,
): Promise<void> {
  await sql`
    SELECT pg_advisory_xact_lock(hashtextextended(
      ${kind}::text || ' ' || ${normalizeSpelling(sql`${provider}::text`)} || ' ' || ${reference}::text, 0))`.execute(
    tx,
  );
}

/**
 * Rules 1 and 5.
 * @returns the entries of a payment that was taken back; undefined: the payment is new
 * @throws Fault `payment_known`
 */
async function requireNewPayment(
  context: CommandContext,
  payment: Payment,
): Promise<TakenBackPayment | undefined> {
  const { tx } = context;
  const { provider, providerRef } = payment;
  if (provider === undefined || providerRef === undefined) return undefined;
  // No deadlock: the transaction holds its customer and waits for no other customer.
  await lockReference(tx, 'payment', provider, providerRef);
  const { rows } = await sql<{ telegram_id: bigint }>`
    SELECT c.telegram_id FROM perennial.ledger_entry e
    JOIN perennial.customer c ON c.id = e.customer_id
    WHERE e.provider IN ${selectSpellings(provider)} AND e.provider_ref = ${providerRef}
    ORDER BY e.id DESC LIMIT 1`.execute(tx);
  const [known] = rows;
  if (known === undefined) return undefined;
  const takenBack = await findTakenBackPayment(context, { ...payment, provider, providerRef });
  if (takenBack !== undefined) return takenBack;
  throw refused(
    'payment_known',
    `payment ${providerRef} of ${provider} was credited already`,
    `it is in the ledger of customer ${known.telegram_id}; "customer move-payment" moves it`,
  );
}

async function recordMovedPayment(
  context: CommandContext,
  { amountMinor, providerRef = '' }: Payment,
  { customerId, telegramId, outEntryId, provider }: TakenBackPayment,
  entryId: LedgerEntryId,
): Promise<void> {
  const { id, telegramId: to } = context.customer;
  const moved = { provider, providerRef, from: telegramId, to, amountMinor };
  const entries = [
    { customerId, entryId: outEntryId },
    { customerId: id, entryId },
  ];
  await recordPaymentMove(context, moved, entries);
}

/** The ledger entry that holds a payment now: the first one, or the last one of its moves. */
export interface PaymentEntry {
  readonly id: LedgerEntryId;
  readonly amountMinor: bigint;
  /** The spelling of the ledger. */
  readonly provider: string;
}

/**
 * Finds a payment in the ledger of the locked customer.
 * @throws Fault `no_payment`; `payment_reversed` after a chargeback
 */
export async function lockPayment(
  context: CommandContext,
  provider: string,
  providerRef: string,
): Promise<PaymentEntry> {
  const { customer } = context;
  // A top-up of another customer may take over the payment at the same time.
  await lockReference(context.tx, 'payment', provider, providerRef);
  const { rows } = await sql<PaymentEntry & { kind: string; isLast: boolean }>`
    SELECT e.id, e.amount_minor AS "amountMinor", e.provider, e.kind, NOT EXISTS (
      SELECT FROM perennial.ledger_entry n WHERE n.payment_entry_id = e.id) AS "isLast"
    FROM perennial.ledger_entry e
    WHERE e.customer_id = ${customer.id} AND e.provider IN ${selectSpellings(provider)}
      AND e.provider_ref = ${providerRef} AND e.kind IN ('top_up', 'chargeback')
    ORDER BY e.id DESC LIMIT 1`.execute(context.tx);
  const [found] = rows;
  if (found?.kind === 'chargeback') {
    throw refused('payment_reversed', `payment ${providerRef} of ${provider} was charged back`);
  }
  if (found?.isLast === true) return found;
  throw refused(
    'no_payment',
    `customer ${customer.telegramId} has no payment ${providerRef} of ${provider}`,
    'list the ledger with "customer show"',
  );
}

/** The fields of an answer that describe a claim. */
export const toClaimResult = ({ customer }: CommandContext, paidMinor: bigint) => ({
  claim_paid: majorUnits(paidMinor, customer.currency),
  claim: majorUnits(customer.claimMinor, customer.currency),
});
