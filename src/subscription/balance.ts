import { sql } from 'kysely';
import { refused } from '../kernel/faults.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import { type Call, type Desk, forCustomer, move } from './command.ts';
import { ofCustomer, record } from './timeline.ts';
import { tryAgainNow } from './wake.ts';

// Money that comes in (the operator's affair how) and corrections by hand.

export interface TopUp {
  readonly telegramId: bigint;
  readonly amountMinor: bigint;
  /** Who took the payment and its reference there: a payment is credited once, whatever the key. */
  readonly provider?: string;
  readonly providerRef?: string;
}

export type BalanceAnswer = {
  readonly telegram_id: number;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly ledger_entry_id: number;
};

/** Credits a balance and wakes auto-renewal. @throws Fault `bad_amount`, `payment_known` */
export function topUp(call: Call, request: TopUp): Promise<BalanceAnswer> {
  return forCustomer(call, 'top-up', request.telegramId, request, async (desk) => {
    if (request.amountMinor <= 0n) {
      throw refused('bad_amount', 'a top-up must be above 0', 'to take money away there is adjust');
    }
    await refuseKnownPayment(desk, request);
    const { provider, providerRef } = request;
    const entryId = await move(desk, {
      amountMinor: request.amountMinor,
      kind: 'top_up',
      ...(provider === undefined ? {} : { provider }),
      ...(providerRef === undefined ? {} : { providerRef }),
    });
    await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
    return told(desk, 'topped_up', request.amountMinor, entryId, {});
  });
}

/** @throws Fault `no_provider`, `no_provider_ref`: only both of them name a payment */
function requireWholeReference({ provider, providerRef }: Partial<TopUp>): void {
  if (providerRef !== undefined && !provider) {
    throw refused('no_provider', 'a payment reference needs its provider, or it names nothing');
  }
  if (provider !== undefined && !providerRef) {
    throw refused('no_provider_ref', 'a provider needs the reference of the payment');
  }
}

async function refuseKnownPayment(desk: Desk, request: TopUp): Promise<void> {
  requireWholeReference(request);
  if (request.providerRef === undefined) return;
  const { provider, providerRef } = request;
  // Two requests for one payment: the second waits here for the first one's commit, and then
  // finds its entry. The transaction holds its customer and waits for no other customer.
  await sql`
    SELECT pg_advisory_xact_lock(hashtextextended(${`payment ${provider} ${providerRef}`}, 0))`.execute(
    desk.tx,
  );
  const { rows } = await sql<{ telegram_id: bigint }>`
    SELECT c.telegram_id FROM perennial.ledger_entry e
    JOIN perennial.customer c ON c.id = e.customer_id
    WHERE e.provider = ${provider} AND e.provider_ref = ${providerRef}`.execute(desk.tx);
  const [known] = rows;
  if (known === undefined) return;
  throw refused(
    'payment_known',
    `payment ${providerRef} of ${provider} was credited already`,
    `it is in the ledger of customer ${known.telegram_id}`,
  );
}

export interface Adjustment {
  readonly telegramId: bigint;
  /** Signed minor units, not 0. */
  readonly amountMinor: bigint;
  readonly reason: string;
}

/** Corrects a balance by hand, never below zero. @throws Fault `bad_amount`, `short_balance` */
export function adjust(call: Call, request: Adjustment): Promise<BalanceAnswer> {
  return forCustomer(call, 'adjust', request.telegramId, request, async (desk) => {
    const { customer } = desk;
    if (request.amountMinor === 0n)
      throw refused('bad_amount', 'an adjustment of 0 changes nothing');
    if (customer.balanceMinor + request.amountMinor < 0n) {
      throw refused(
        'short_balance',
        `the balance is ${moneyText(customer.balanceMinor, customer.currency)}; it can't go below 0`,
      );
    }
    const entryId = await move(desk, { amountMinor: request.amountMinor, kind: 'adjustment' });
    if (request.amountMinor > 0n) await tryAgainNow(desk.tx, customer.id, desk.now, desk.settings);
    return told(desk, 'adjusted', request.amountMinor, entryId, { reason: request.reason });
  });
}

async function told(
  desk: Desk,
  action: string,
  amountMinor: bigint,
  entryId: bigint,
  more: object,
): Promise<BalanceAnswer> {
  const { customer } = desk;
  const detail = { ledger_entry_id: entryId, amount_minor: amountMinor, ...more };
  await record(
    desk.tx,
    [{ customerId: customer.id, subject: ofCustomer(customer.id), action, detail }],
    desk.actor,
    desk.now,
  );
  return {
    telegram_id: Number(customer.telegramId),
    amount: majorUnits(amountMinor, customer.currency),
    balance: majorUnits(customer.balanceMinor, customer.currency),
    currency: customer.currency,
    ledger_entry_id: Number(entryId),
  };
}
