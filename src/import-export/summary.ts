import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { SubscriptionKind } from '../db/schema.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';

/** The contents of a checked file. */
export interface FileSummary {
  readonly lines: number;
  readonly customers: number;
  readonly subscriptions: {
    readonly [K in SubscriptionKind]: { readonly running: number; readonly expired: number };
  };
  /** The sum of all balances by currency, in major units. */
  readonly balances: Readonly<Record<string, string>>;
}

/** Counts the staging table. */
export async function readFileSummary(tx: Tx, now: Instant): Promise<FileSummary> {
  const { rows: counts } = await sql<{ kind: string | null; running: boolean; lines: bigint }>`
    SELECT kind, coalesce(expires_at > ${isoTime(now)}, false) AS running, count(*) AS lines
    FROM opening_line GROUP BY 1, 2`.execute(tx);
  const { rows: sums } = await sql<{ currency: string; customers: bigint; sum: string }>`
    SELECT currency, count(*) AS customers, sum(balance_minor)::text AS sum FROM opening_line l
    WHERE NOT EXISTS (SELECT FROM opening_later later WHERE later.line = l.line)
    GROUP BY currency ORDER BY currency`.execute(tx);
  const count = (kind: SubscriptionKind, running: boolean) =>
    Number(counts.find((row) => row.kind === kind && row.running === running)?.lines ?? 0n);
  const countKind = (kind: SubscriptionKind) => ({
    running: count(kind, true),
    expired: count(kind, false),
  });
  return {
    lines: counts.reduce((all, row) => all + Number(row.lines), 0),
    customers: sums.reduce((all, row) => all + Number(row.customers), 0),
    subscriptions: { paid: countKind('paid'), trial: countKind('trial') },
    balances: Object.fromEntries(
      sums.map(({ currency, sum }) => [currency, majorUnits(BigInt(sum), currency)]),
    ),
  };
}
