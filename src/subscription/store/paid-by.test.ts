import { expect, test } from 'vitest';
import type { LedgerKind } from '../../db/schema.ts';
import type { LedgerEntryId } from '../../kernel/ids.ts';
import { computeChargesPaidBy, type LedgerStep } from './paid-by.ts';

const toStep = (id: number, kind: LedgerKind, amountMinor: bigint): LedgerStep => ({
  id: BigInt(id) as LedgerEntryId,
  kind,
  amountMinor,
  chargeId: null,
  paymentId: null,
});

/** The time is that of the processor, because other work of the machine does not count. */
test('W4: the charges of a customer with 20,000 top-ups and 20,000 charges are found within 100 ms', () => {
  const count = 20_000;
  const topUps = Array.from({ length: count }, (_, n) => toStep(n + 1, 'top_up', 10n));
  const charges = topUps.map((_, n) => toStep(count + n + 1, 'renewal', -10n));
  const before = process.threadCpuUsage();
  const paid = computeChargesPaidBy([...topUps, ...charges], 1n as LedgerEntryId);
  const { user, system } = process.threadCpuUsage(before);
  // The newest money pays first, so the first top-up pays the last charge.
  expect([...paid]).toEqual([[BigInt(2 * count), 10n]]);
  expect((user + system) / 1_000).toBeLessThan(100);
});
