import { toMajor } from './customer-model.ts';
import type { CustomerRows } from './customer-rows.ts';

// Invariants of the rows of one customer (design, promises). They hold at every moment, and need no
// model.

export function findRowViolations(rows: CustomerRows, earlier: CustomerRows | undefined): string[] {
  return [
    ...findMoneyViolations(rows),
    ...findPeriodViolations(rows),
    ...findAccessViolations(rows),
    ...findHistoryViolations(rows, earlier),
  ];
}

function findMoneyViolations({ customer, ledger, periods, notices }: CustomerRows): string[] {
  const found: string[] = [];
  let balance = 0;
  for (const entry of ledger) {
    balance += entry.amount;
    if (balance !== entry.after)
      found.push(`entry ${entry.id} does not continue from the entries before it`);
    if (balance < 0) found.push(`entry ${entry.id} makes the balance negative`);
    const charged = periods.filter((period) => period.charge === entry.id);
    const refunded = periods.filter((period) => period.refund === entry.id);
    const isCharge = entry.kind === 'purchase' || entry.kind === 'renewal';
    if (charged.length !== (isCharge ? 1 : 0))
      found.push(`entry ${entry.id} pays for ${charged.length} periods`);
    if (refunded.length !== (entry.kind === 'refund' ? 1 : 0))
      found.push(`entry ${entry.id} refunds ${refunded.length} periods`);
    if (charged.some((period) => period.amount !== -entry.amount))
      found.push(`entry ${entry.id} is not the price of its period`);
    if (refunded.some((period) => entry.amount > period.amount))
      found.push(`entry ${entry.id} refunds more than was paid`);
    const receipts = notices.filter(({ key }) => key === `receipt:${entry.id}`);
    if (receipts.length !== (isCharge ? 1 : 0))
      found.push(`entry ${entry.id} has ${receipts.length} receipts`);
    if (receipts.some(({ amount }) => amount !== toMajor(-entry.amount)))
      found.push(`the receipt of entry ${entry.id} names another amount`);
  }
  if (balance !== customer.balance) found.push(`balance ${customer.balance}, ledger ${balance}`);
  return found;
}

function findPeriodViolations({ subs, periods }: CustomerRows): string[] {
  return subs.flatMap((sub) => {
    const found: string[] = [];
    const live = periods
      .filter((period) => period.sub === sub.id && period.refundedAt === null)
      .sort((a, b) => a.startsAt - b.startsAt);
    for (const [at, period] of live.entries()) {
      const before = live[at - 1];
      if (before !== undefined && before.endsAt > period.startsAt)
        found.push(`period ${period.id} overlaps period ${before.id}`);
    }
    const end = live.at(-1)?.endsAt ?? sub.startedAt;
    if (sub.expiresAt !== end)
      found.push(`subscription ${sub.id} ends ${sub.expiresAt}, its last live period ${end}`);
    return found;
  });
}

function findAccessViolations({ customer, subs, credentials }: CustomerRows): string[] {
  return subs.flatMap((sub) => {
    const live = credentials.filter((one) => one.sub === sub.id && one.retiredAt === null).length;
    return live === (sub.state === 'active' && !customer.blocked ? 1 : 0)
      ? []
      : [`subscription ${sub.id} is ${sub.state} and has ${live} live credentials`];
  });
}

/** Written rows never change. */
function findHistoryViolations(rows: CustomerRows, earlier: CustomerRows | undefined): string[] {
  if (earlier === undefined) return [];
  return (['ledger', 'events'] as const).flatMap((table) =>
    earlier[table].every((row, n) => JSON.stringify(row) === JSON.stringify(rows[table][n]))
      ? []
      : [`${table}: an appended row was changed or deleted`],
  );
}
