import type { LedgerKind } from '../db/schema.ts';
import type { LedgerEntryId } from '../kernel/ids.ts';

// Which charges a payment paid, decided from the ledger of its customer.
//
// 1. The entries are read in their order. Each credit adds money with an origin of its own.
// 2. A charge, a payout and a correction take the newest money first.
// 3. A refund gives the money of a charge back to the origins that paid it, newest money first.
// 4. A chargeback, and the entry that moves a payment away, take the money of their payment first.
// 5. A payment paid a charge if the charge still holds money of this origin after all entries.
// 6. Money from before the payment is older than the payment. Its origins do not matter.

/** An entry as the rule reads it. */
export interface LedgerStep {
  readonly id: LedgerEntryId;
  readonly kind: LedgerKind;
  readonly amountMinor: bigint;
  /** Of a refund: the charge of the period that was refunded. */
  readonly chargeId: LedgerEntryId | null;
  /** Of a chargeback or a move: the payment that it takes away. */
  readonly paymentId: LedgerEntryId | null;
}

const none = 0n as LedgerEntryId;

/** Money of one origin; null: from before the payment. */
interface Lot {
  readonly origin: LedgerEntryId | null;
  minor: bigint;
}

/**
 * @param steps the entries from the payment on, in their order; the first one is the payment
 * @returns the charges that hold money of this payment, with its amount
 */
export function chargesPaidBy(steps: readonly LedgerStep[]): Map<LedgerEntryId, bigint> {
  const [payment] = steps;
  const balance: Lot[] = [];
  const charges = new Map<LedgerEntryId, Lot[]>();
  for (const { id, kind, amountMinor, chargeId, paymentId } of steps) {
    if (kind === 'refund') {
      balance.push(...take(charges.get(chargeId ?? none) ?? [], amountMinor, null));
    } else if (amountMinor > 0n) {
      balance.push({ origin: id, minor: amountMinor });
    } else if (amountMinor < 0n) {
      charges.set(id, take(balance, -amountMinor, paymentId));
    }
  }
  const paid = new Map<LedgerEntryId, bigint>();
  for (const [id, lots] of charges) {
    const own = lots.filter(({ origin }) => origin === payment?.id);
    const minor = own.reduce((sum, lot) => sum + lot.minor, 0n);
    if (minor > 0n) paid.set(id, minor);
  }
  return paid;
}

/** Takes money off the end of the list, where the newest is. @returns it in the same order */
function take(lots: Lot[], minor: bigint, first: LedgerEntryId | null): Lot[] {
  const taken: Lot[] = [];
  let left = minor;
  const takeLot = (at: number): void => {
    const lot = lots[at] as Lot;
    const part = lot.minor < left ? lot.minor : left;
    taken.unshift({ origin: lot.origin, minor: part });
    lot.minor -= part;
    left -= part;
    if (lot.minor === 0n) lots.splice(at, 1);
  };
  if (first !== null) {
    const at = lots.findLastIndex(({ origin }) => origin === first);
    if (at >= 0) takeLot(at);
  }
  while (left > 0n && lots.length > 0) takeLot(lots.length - 1);
  if (left > 0n) taken.unshift({ origin: null, minor: left });
  return taken;
}
