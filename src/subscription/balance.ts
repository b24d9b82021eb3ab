import { refused } from '../kernel/faults.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import { type Call, type Desk, forCustomer, move } from './command.ts';
import { claimAnswer, creditPayment, type Payment } from './payments.ts';
import { ofCustomer, record } from './timeline.ts';
import { tryAgainNow } from './wake.ts';

// Money that comes in (the operator's affair how) and corrections by hand.

export interface TopUp extends Payment {
  readonly telegramId: bigint;
  /** A person has confirmed an amount above `money.top_up_max`. */
  readonly isConfirmed?: boolean;
}

export type BalanceAnswer = {
  readonly telegram_id: number;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly ledger_entry_id: number;
};

export type TopUpAnswer = BalanceAnswer & {
  /** The part of the top-up that paid the claim. */
  readonly claim_paid: string;
  readonly claim: string;
};

/** Credits a balance and wakes auto-renewal. @throws Fault of `creditPayment` */
export function topUp(
  call: Call,
  { isConfirmed = false, ...request }: TopUp,
): Promise<TopUpAnswer> {
  return forCustomer(call, 'top-up', request.telegramId, request, async (desk) => {
    const { entryId, claimPaidMinor } = await creditPayment(desk, request, isConfirmed);
    await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
    const more = claimPaidMinor === 0n ? {} : { claim_paid_minor: claimPaidMinor };
    return {
      ...(await told(desk, 'topped_up', request.amountMinor, entryId, more)),
      ...claimAnswer(desk, claimPaidMinor),
    };
  });
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
