import { sql } from 'kysely';
import { formatCount } from '../../kernel/count.ts';
import { refused } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { type ComputedPrice, computePrice } from '../rules/price.ts';
import type { CommandContext } from '../store/command-context.ts';
import { requireNotBlocked } from '../store/locked-customer.ts';
import type { PriceList } from '../store/prices.ts';

/** The price for the customer. @throws Fault `blocked`, `no_plan`, `no_price` */
export async function requirePrice(
  context: CommandContext,
  prices: PriceList,
  wanted: { readonly plan: string; readonly periodDays: number },
): Promise<ComputedPrice> {
  const { currency } = context.customer;
  requireNotBlocked(context.customer);
  await requirePlanOnSale(context, wanted.plan);
  const listMinor = prices.getMinor(wanted.plan, wanted.periodDays, currency);
  if (listMinor !== null) {
    return computePrice(listMinor, context.customer, context.settings.vipPercent);
  }
  const periods = prices.entries
    .filter((entry) => entry.plan === wanted.plan && entry.currency === currency)
    .map((entry) => entry.periodDays);
  const available = periods.length === 0 ? 'nothing' : `${periods.join(', ')} days`;
  throw refused(
    'no_price',
    `plan ${wanted.plan} has no price for ${formatCount(wanted.periodDays, 'day')} in ${currency}; available: ${available}`,
  );
}

/** @throws Fault `no_plan` */
export async function requirePlanOnSale(context: CommandContext, plan: string): Promise<void> {
  const { rows } = await sql<{ key: string; retired_at: Instant | null }>`
    SELECT key, retired_at FROM perennial.plan ORDER BY key`.execute(context.tx);
  const planRow = rows.find((row) => row.key === plan);
  if (planRow !== undefined && planRow.retired_at === null) return;
  const available = rows.filter((row) => row.retired_at === null).map((row) => row.key);
  const statement = `plan: "${plan}" is not a plan on sale; available: ${available.join(', ') || 'none'}`;
  throw refused(
    'no_plan',
    statement,
    available.length === 0 ? 'add plans with "perennial apply FILE"' : undefined,
  );
}

export function requireBalance(
  context: CommandContext,
  priceMinor: bigint,
  balanceMinor: bigint,
  claimPaidMinor = 0n,
): void {
  if (balanceMinor >= priceMinor) return;
  const { currency } = context.customer;
  const claim =
    claimPaidMinor === 0n
      ? ''
      : `; ${moneyText(claimPaidMinor, currency)} of the payment go to the claim`;
  throw refused(
    'short_balance',
    `it costs ${moneyText(priceMinor, currency)}, the balance is ${moneyText(balanceMinor, currency)}: ${moneyText(priceMinor - balanceMinor, currency)} missing${claim}`,
  );
}

/** A quoted price is binding: any other price is refused. @throws Fault `price_changed` */
export function requireQuotedPrice(
  context: CommandContext,
  priceMinor: bigint,
  quotedMinor: bigint | undefined,
): void {
  if (quotedMinor === undefined || quotedMinor === priceMinor) return;
  const { currency } = context.customer;
  throw refused(
    'price_changed',
    `it costs ${moneyText(priceMinor, currency)} now, not ${moneyText(quotedMinor, currency)}`,
  );
}
