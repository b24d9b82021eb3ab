import { refused } from '../../kernel/faults.ts';
import { majorUnits, moneyText } from '../../kernel/money.ts';
import { changeBalance } from '../store/balance.ts';
import type { Caller } from '../store/command-context.ts';
import { recordEvents, toCustomerSubject } from '../store/events.ts';
import { withLockedCustomer } from './command.ts';
import type { BalanceResult } from './top-up.ts';

// The command that waives a claim, whole or in part.
//
// It moves no money: the ledger gets an adjustment of 0 that changes only the claim. It works also
// with `money.claims: off`.

export interface ClaimWaiver {
  readonly telegramId: bigint;
  /** Default: the whole claim. */
  readonly amountMinor?: bigint;
  readonly reason: string;
}

export type ClaimWaiverResult = BalanceResult & {
  /** The rest of the claim. */
  readonly claim: string;
};

/** @throws Fault `no_claim`, `bad_amount` */
export function waiveClaim(caller: Caller, request: ClaimWaiver): Promise<ClaimWaiverResult> {
  return withLockedCustomer(caller, 'waive-claim', request.telegramId, request, async (context) => {
    const { customer } = context;
    const { claimMinor, currency } = customer;
    if (claimMinor === 0n) {
      throw refused('no_claim', `customer ${customer.telegramId} has no claim`);
    }
    const { amountMinor = claimMinor, reason } = request;
    if (amountMinor <= 0n || amountMinor > claimMinor) {
      throw refused(
        'bad_amount',
        `the claim is ${moneyText(claimMinor, currency)}; expected an amount above 0, at most the claim`,
      );
    }
    const reversal = { claimMinor: -amountMinor };
    const entryId = await changeBalance(context, { amountMinor: 0n, kind: 'adjustment', reversal });
    const detail = { ledger_entry_id: entryId, claim_minor: -amountMinor, reason };
    const subject = toCustomerSubject(customer.id);
    const event = { customerId: customer.id, subject, action: 'claim_waived', detail };
    await recordEvents(context.tx, [event], context.actor, context.now);
    return {
      telegram_id: Number(customer.telegramId),
      amount: majorUnits(amountMinor, currency),
      claim: majorUnits(customer.claimMinor, currency),
      balance: majorUnits(customer.balanceMinor, currency),
      currency,
      ledger_entry_id: Number(entryId),
    };
  });
}
