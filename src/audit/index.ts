import { freeAccessChecks, keptAccessChecks } from './access.ts';
import { chargeAndExtensionChecks } from './charge-and-extension.ts';
import type { AuditCheck } from './check.ts';
import { conservationChecks } from './conservation.ts';
import { discounts } from './discounts.ts';
import { impossibleAccessChecks } from './impossible-access.ts';
import { impossibleSubscriptionChecks } from './impossible-subscriptions.ts';
import { installationChecks } from './installation.ts';
import { notificationChecks } from './notifications.ts';
import { oneChargeChecks } from './one-charge.ts';
import { paymentChecks } from './payments.ts';
import { receiptChecks } from './receipts.ts';
import { refundChecks } from './refunds.ts';
import { rightsChecks } from './rights.ts';

import { servedPartChecks, termChecks } from './terms.ts';

import { chargeTimeChecks, soldTermChecks } from './terms-sold.ts';
import { timeChecks } from './times.ts';
import { isolationChecks, replicaChecks } from './workers.ts';

/** Every check, in the order in which they are told. A new one is a line in its promise's file. */
export const auditChecks: readonly AuditCheck[] = [
  ...conservationChecks,
  ...paymentChecks,
  ...oneChargeChecks,
  ...chargeTimeChecks,
  ...chargeAndExtensionChecks,
  ...soldTermChecks,
  ...discounts,
  ...refundChecks,
  ...servedPartChecks,
  ...keptAccessChecks,
  ...freeAccessChecks,
  ...rightsChecks,
  ...receiptChecks,
  ...notificationChecks,
  ...isolationChecks,
  ...replicaChecks,
  ...impossibleSubscriptionChecks,
  ...termChecks,
  ...impossibleAccessChecks,
  ...timeChecks,
  ...installationChecks,
];

/** What the promises are called; `null` are the states that can't be. */
export function formatPromiseTitle(promise: number | null): string {
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
