import { majorUnits } from '../../kernel/money.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toCustomerSubject } from '../store/events.ts';
import { creditPayment, type Payment, toClaimResult } from '../store/payments.ts';
import { retryRenewalsNow } from '../store/retry-now.ts';
import { withLockedCustomer } from './command.ts';

// The command top-up: incoming money. The operator decides how it is paid.

export interface TopUp extends Payment {
  readonly telegramId: bigint;
  /** A person has confirmed an amount above `money.top_up_max`. */
  readonly isConfirmed?: boolean;
}

export type BalanceResult = {
  readonly telegram_id: number;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly ledger_entry_id: number;
};

export type TopUpResult = BalanceResult & {
  /** The part of the top-up that paid the claim. */
  readonly claim_paid: string;
  readonly claim: string;
};

/** Credits a balance and wakes auto-renewal. @throws Fault of `creditPayment` */
export function topUp(
  caller: Caller,
  { isConfirmed = false, ...request }: TopUp,
): Promise<TopUpResult> {
  return withLockedCustomer(caller, 'top-up', request.telegramId, request, async (context) => {
    const { entryId, claimPaidMinor } = await creditPayment(context, request, isConfirmed);
    await retryRenewalsNow(context.tx, context.customer.id, context.now, context.settings);
    const claimDetail = claimPaidMinor === 0n ? {} : { claim_paid_minor: claimPaidMinor };
    return {
      ...(await recordBalanceChange(
        context,
        'topped_up',
        request.amountMinor,
        entryId,
        claimDetail,
      )),
      ...toClaimResult(context, claimPaidMinor),
    };
  });
}

export async function recordBalanceChange(
  context: CommandContext,
  action: string,
  amountMinor: bigint,
  entryId: bigint,
  extraDetail: object,
): Promise<BalanceResult> {
  const { customer } = context;
  const detail = { ledger_entry_id: entryId, amount_minor: amountMinor, ...extraDetail };
  await recordEvents(
    context.tx,
    [{ customerId: customer.id, subject: toCustomerSubject(customer.id), action, detail }],
    context.actor,
    context.now,
  );
  return {
    telegram_id: Number(customer.telegramId),
    amount: majorUnits(amountMinor, customer.currency),
    balance: majorUnits(customer.balanceMinor, customer.currency),
    currency: customer.currency,
    ledger_entry_id: Number(entryId),
  };
}
