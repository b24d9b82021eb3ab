import { freeAccessChecks, keptAccessChecks } from './access.ts';
import { chargeAndExtensionChecks } from './charge-and-extension.ts';
import type { AuditCheck } from './check.ts';
import { conservationChecks } from './conservation.ts';
import { discounts } from './discounts.ts';
import { balanceSumChecks, chargeSumChecks } from './figures.ts';
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

/** All checks, in the order of their report. A new check is a line in the file of its promise. */
export const auditChecks: readonly AuditCheck[] = [
  ...conservationChecks,
  ...balanceSumChecks,
  ...paymentChecks,
  ...oneChargeChecks,
  ...chargeTimeChecks,
  ...chargeAndExtensionChecks,
  ...soldTermChecks,
  ...discounts,
  ...refundChecks,
  ...chargeSumChecks,
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

/** The titles of the promises. `null` are the impossible states. */
export function formatPromiseTitle(promise: number | null): string {
  const title = promise === null ? undefined : promiseTitles[promise];
  return title === undefined ? 'Impossible states' : `Promise ${promise}: ${title}`;
}

const promiseTitles: Readonly<Record<number, string>> = {
  1: 'conservation',
  2: 'one charge per period',
  3: 'charge and extension together',
  4: 'no wrongful cut-off',
  5: 'no free access',
  6: 'no lost notification',
  7: 'no outdated notification',
  9: 'isolated failures',
  10: 'N replicas are as safe as one',
};
