import { refused } from '../../kernel/faults.ts';
import { moneyText } from '../../kernel/money.ts';
import { changeBalance } from '../store/balance.ts';
import type { Caller } from '../store/command-context.ts';
import { retryRenewalsNow } from '../store/retry-now.ts';
import { withLockedCustomer } from './command.ts';
import { type BalanceResult, recordBalanceChange } from './top-up.ts';

export interface Adjustment {
  readonly telegramId: bigint;
  /** Signed minor units, not 0. */
  readonly amountMinor: bigint;
  readonly reason: string;
}

/** Corrects a balance, never to less than 0. @throws Fault `bad_amount`, `short_balance` */
export function adjustBalance(caller: Caller, request: Adjustment): Promise<BalanceResult> {
  return withLockedCustomer(caller, 'adjust', request.telegramId, request, async (context) => {
    const { customer } = context;
    if (request.amountMinor === 0n)
      throw refused('bad_amount', 'an adjustment of 0 changes nothing');
    if (customer.balanceMinor + request.amountMinor < 0n) {
      throw refused(
        'short_balance',
        `the balance is ${moneyText(customer.balanceMinor, customer.currency)}; it cannot become negative`,
      );
    }
    const entryId = await changeBalance(context, {
      amountMinor: request.amountMinor,
      kind: 'adjustment',
    });
    if (request.amountMinor > 0n)
      await retryRenewalsNow(context.tx, customer.id, context.now, context.settings);
    return recordBalanceChange(context, 'adjusted', request.amountMinor, entryId, {
      reason: request.reason,
    });
  });
}
