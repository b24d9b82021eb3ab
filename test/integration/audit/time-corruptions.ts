import type { AuditScene } from '../../support/corruption.ts';
import type { Corruption } from './corruptions.ts';

// Times that are too far ahead, in rows of a customer.

const futureSql = "clock() + interval '61 seconds'";

const createFutureTime = (
  table: string,
  column: string,
  where: (scene: AuditScene) => string,
): Corruption => ({
  check: 'past-is-past',
  what: `${table}.${column} in the future`,
  statements: (scene) => `UPDATE ${table} SET ${column} = ${futureSql} WHERE ${where(scene)}`,
});

const customerWhere = ({ victim }: AuditScene) => `id = ${victim.customer}`;
const receiptWhere = ({ victim }: AuditScene) => `dedupe_key = 'receipt:${victim.charge}'`;

const createFarWait = (what: string, statement: (scene: AuditScene) => string): Corruption => ({
  check: 'wait-has-its-horizon',
  what,
  statements: statement,
});

const subscriptionUpdateSql =
  (set: string) =>
  ({ victim }: AuditScene) =>
    `UPDATE subscription SET ${set} WHERE id = ${victim.subscription}`;
const notificationUpdateSql = (set: string) => (scene: AuditScene) =>
  `UPDATE notification SET ${set} WHERE ${receiptWhere(scene)}`;

export const timeCorruptions: readonly Corruption[] = [
  createFutureTime('customer', 'created_at', customerWhere),
  createFutureTime('customer', 'trial_used_at', customerWhere),
  createFutureTime('ledger_entry', 'created_at', ({ victim }) => `id = ${victim.topUp}`),
  createFutureTime(
    'event',
    'at',
    ({ victim }) => `customer_id = ${victim.customer} AND action = 'topped_up'`,
  ),
  createFutureTime('credential', 'issued_at', ({ victim }) => `id = '${victim.credential}'`),
  { ...createFutureTime('notification', 'created_at', receiptWhere), also: ['pending-is-tried'] },
  createFutureTime('notification', 'sending_since', receiptWhere),
  {
    ...createFutureTime('notification', 'sent_at', receiptWhere),
    statements: (scene) =>
      `UPDATE notification SET state = 'sent', sent_at = ${futureSql} WHERE ${receiptWhere(scene)}`,
  },
  createFarWait('a next try in 2099', subscriptionUpdateSql("next_try_at = '2099-01-01Z'")),
  createFarWait('a reminder in 2099', subscriptionUpdateSql("remind_at = '2099-01-01Z'")),
  createFarWait('a receipt in 2099', notificationUpdateSql("next_attempt_at = '2099-01-01Z'")),
  createFarWait(
    'a receipt that is never tried',
    notificationUpdateSql("next_attempt_at = 'infinity'"),
  ),
  createFarWait(
    'an uncertain receipt in 2099',
    notificationUpdateSql("state = 'uncertain', next_attempt_at = '2099-01-01Z'"),
  ),
  {
    check: 'started-with-its-first-period',
    what: 'a subscription that starts after its first period',
    statements: subscriptionUpdateSql("started_at = started_at + interval '2 minutes'"),
    also: ['past-is-past'],
  },
];
