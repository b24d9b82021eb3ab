import { keptAccess, noFreeAccess } from './access.ts';
import { chargeAndExtension } from './charge-and-extension.ts';
import type { Check } from './check.ts';
import { conservation } from './conservation.ts';
import { discounts } from './discounts.ts';
import { impossibleAccess } from './impossible-access.ts';
import { impossibleSubscriptions } from './impossible-subscriptions.ts';
import { installation } from './installation.ts';
import { notifications } from './notifications.ts';
import { oneCharge } from './one-charge.ts';
import { payments } from './payments.ts';
import { receipts } from './receipts.ts';
import { refunds } from './refunds.ts';
import { rights } from './rights.ts';

import { servedParts, termChecks } from './terms.ts';

import { chargesOnTime, soldTerms } from './terms-sold.ts';
import { times } from './times.ts';
import { isolation, replicas } from './workers.ts';

/** Every check, in the order in which they are told. A new one is a line in its promise's file. */
export const checks: readonly Check[] = [
  ...conservation,
  ...payments,
  ...oneCharge,
  ...chargesOnTime,
  ...chargeAndExtension,
  ...soldTerms,
  ...discounts,
  ...refunds,
  ...servedParts,
  ...keptAccess,
  ...noFreeAccess,
  ...rights,
  ...receipts,
  ...notifications,
  ...isolation,
  ...replicas,
  ...impossibleSubscriptions,
  ...termChecks,
  ...impossibleAccess,
  ...times,
  ...installation,
];

/** What the promises are called; `null` are the states that can't be. */
export function promiseTitle(promise: number | null): string {
  const title = promise === null ? undefined : promiseTitles[promise];
  return title === undefined ? "States that can't be" : `Promise ${promise}: ${title}`;
}

const promiseTitles: Readonly<Record<number, string>> = {
  1: 'conservation',
  2: 'one charge a period',
  3: 'charge and extension, together or not at all',
  4: 'nobody with the money or the right is cut off by us',
  5: 'no free access',
  6: 'no lost notification',
  7: 'no outdated notification',
  9: 'isolated failures',
  10: 'N replicas are as safe as one',
};
