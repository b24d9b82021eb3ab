import type { LedgerKind } from '../../db/schema.ts';
import { refused } from '../../kernel/faults.ts';
import type { LedgerEntryId } from '../../kernel/ids.ts';
import { majorUnits, minorMax, moneyText } from '../../kernel/money.ts';
import type { CommandContext } from './command-context.ts';
import { postEntries, type Reversal, reserveEntryIds } from './ledger.ts';
import type { Customer } from './locked-customer.ts';

/** A change of the customer's balance, with its ledger entry. */
export interface BalanceChange {
  /** Signed minor units. */
  readonly amountMinor: bigint;
  readonly kind: LedgerKind;
  readonly provider?: string;
  readonly providerRef?: string;
  readonly reversal?: Reversal;
}

function requireStorableBalance(customer: Customer, amountMinor: bigint): void {
  const { balanceMinor, currency } = customer;
  if (balanceMinor + amountMinor <= minorMax) return;
  const limit = majorUnits(minorMax, currency);
  const balance = moneyText(balanceMinor, currency);
  throw refused(
    'balance_too_large',
    `the balance is ${balance}; with this amount it would exceed ${limit}, the largest balance`,
  );
}

/**
 * Changes the balance of the locked customer. The caller has checked that the balance covers it.
 * @throws Fault `balance_too_large`: the column cannot hold the sum
 */
export async function changeBalance(
  context: CommandContext,
  change: BalanceChange,
): Promise<LedgerEntryId> {
  requireStorableBalance(context.customer, change.amountMinor);
  const [id] = (await reserveEntryIds(context.tx, 1)) as [LedgerEntryId];
  const balanceAfterMinor = context.customer.balanceMinor + change.amountMinor;
  await postEntries(
    context.tx,
    [
      {
        ...change,
        id,
        customerId: context.customer.id,
        balanceAfterMinor,
        idempotencyKey: `${change.kind}:${id}`,
      },
    ],
    context.now,
  );
  context.customer.balanceMinor = balanceAfterMinor;
  context.customer.claimMinor += change.reversal?.claimMinor ?? 0n;
  return id;
}
