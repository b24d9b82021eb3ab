import type { LedgerKind } from '../../db/schema.ts';
import type { LedgerEntryId } from '../../kernel/ids.ts';

// The rule which charges a payment paid, decided from the ledger of its customer.
//
// 1. The entries are read in their order. Each credit adds money with its own origin.
// 2. A charge, a payout and a correction take the newest money first.
// 3. A refund returns the money of a charge to the origins that paid it, newest money first.
// 4. A chargeback, and the entry that moves a payment away, take the money of their payment first.
// 5. A payment paid a charge if the charge still holds money of this origin after all entries.

/** A ledger entry, as far as the rule needs it. */
export interface LedgerStep {
  readonly id: LedgerEntryId;
  readonly kind: LedgerKind;
  readonly amountMinor: bigint;
  /** Of a refund: the charge of the period that was refunded. */
  readonly chargeId: LedgerEntryId | null;
  /** Of a chargeback or a move: the payment that it takes away. */
  readonly paymentId: LedgerEntryId | null;
}

const noEntryId = 0n as LedgerEntryId;

/** Money of one origin: the entry that credited it. */
interface Lot {
  readonly origin: LedgerEntryId;
  minor: bigint;
}

/**
 * @param steps all entries of the customer, in their order
 * @returns the charges that hold money of this payment, with its amount
 */
export function computeChargesPaidBy(
  steps: readonly LedgerStep[],
  payment: LedgerEntryId,
): Map<LedgerEntryId, bigint> {
  const balance: Lot[] = [];
  const charges = new Map<LedgerEntryId, Lot[]>();
  for (const { id, kind, amountMinor, chargeId, paymentId } of steps) {
    if (kind === 'refund') {
      balance.push(...takeMoney(charges.get(chargeId ?? noEntryId) ?? [], amountMinor));
    } else if (amountMinor > 0n) {
      balance.push({ origin: id, minor: amountMinor });
    } else if (amountMinor < 0n) {
      charges.set(id, takeMoney(balance, -amountMinor, paymentId));
    }
  }
  const paid = new Map<LedgerEntryId, bigint>();
  for (const [id, lots] of charges) {
    const own = lots.filter(({ origin }) => origin === payment);
    const minor = own.reduce((sum, lot) => sum + lot.minor, 0n);
    if (minor > 0n) paid.set(id, minor);
  }
  return paid;
}

/**
 * Takes money from the end of the list, where the newest is.
 * @param first the origin whose money is taken before all other money
 * @returns the taken money in the same order
 */
function takeMoney(lots: Lot[], minor: bigint, first: LedgerEntryId | null = null): Lot[] {
  const taken: Lot[] = [];
  let left = minor;
  const takeFrom = (isWanted: (lot: Lot) => boolean): void => {
    for (let index = lots.length - 1; index >= 0 && left > 0n; index -= 1) {
      const lot = lots[index] as Lot;
      if (!isWanted(lot)) continue;
      const part = lot.minor < left ? lot.minor : left;
      taken.unshift({ origin: lot.origin, minor: part });
      lot.minor -= part;
      left -= part;
      if (lot.minor === 0n) lots.splice(index, 1);
    }
  };
  // Without an origin, the rest of a long list stays unread.
  if (first !== null) takeFrom(({ origin }) => origin === first);
  takeFrom(() => true);
  return taken;
}
