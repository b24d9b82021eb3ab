import { applyChargeback, type Chargeback } from '../../src/subscription/commands/chargeback.ts';
import { movePayment, type PaymentMove } from '../../src/subscription/commands/move-payment.ts';
import { topUp } from '../../src/subscription/commands/top-up.ts';
import type { TestDatabase } from './database.ts';
import { createCaller } from './shop.ts';

// Payments of the provider `cards`. Without other values they concern the payment `p-1` of
// customer 1.

export const payIn = (
  database: TestDatabase,
  providerRef: string,
  amountMinor: bigint,
  telegramId = 1n,
) => topUp(createCaller(database), { telegramId, amountMinor, provider: 'cards', providerRef });

export const reverseCharge = (database: TestDatabase, more: Partial<Chargeback> = {}) => {
  const named = { telegramId: 1n, provider: 'cards', providerRef: 'p-1', dispute: 'd-1' };
  return applyChargeback(createCaller(database), { ...named, ...more });
};

/** Moves a payment from customer 1 to customer 2. */
export const moveToCustomer = (database: TestDatabase, more: Partial<PaymentMove> = {}) => {
  const named = { provider: 'cards', providerRef: 'p-1', from: 1n, to: 2n };
  return movePayment(createCaller(database), { ...named, ...more });
};
