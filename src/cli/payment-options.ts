import type { Command } from 'commander';
import type { Db } from '../db/connect.ts';
import { readCurrency } from '../subscription/queries/customer-view.ts';
import type { Payment } from '../subscription/store/payments.ts';
import { omitUndefined, parseAmountOption, parseCurrencyCode } from './arguments.ts';

// The options of a payment, for `customer top-up` and `customer purchase --pay`.

export interface PaymentOptions {
  readonly provider?: string;
  readonly ref?: string;
  readonly currency?: string;
  readonly confirm?: boolean;
}

export const addPaymentOptions = (build: Command): Command =>
  build
    .option('--provider <P>', 'record the provider of the payment [none]')
    .option('--ref <R>', 'credit the payment with this reference of the provider only once [none]')
    .option(
      '--currency <CODE>',
      "refuse the payment if the customer has another currency [the customer's]",
      parseCurrencyCode,
    )
    .option('--confirm', 'accept an amount above money.top_up_max [refused]');

/** The payment of these options. @throws UsageFault `bad_amount`; Fault `no_customer` */
export async function readPayment(
  db: Db,
  telegramId: bigint,
  text: string,
  { provider, ref, currency, confirm }: PaymentOptions,
  place = '--pay',
): Promise<{ readonly payment: Payment; readonly isConfirmed?: boolean }> {
  const paidCurrency = currency ?? (await readCurrency(db, telegramId));
  const amountMinor = parseAmountOption(text, paidCurrency, place);
  const payment = { amountMinor, ...omitUndefined({ provider, providerRef: ref, currency }) };
  return { payment, ...omitUndefined({ isConfirmed: confirm }) };
}
