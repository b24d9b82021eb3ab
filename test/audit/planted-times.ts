import type { Planted } from './planted.ts';
import type { Scene } from './planting.ts';

// Times that lie too far ahead, of rows of a customer.

const later = "clock() + interval '61 seconds'";

const past = (table: string, column: string, where: (scene: Scene) => string): Planted => ({
  check: 'past-is-past',
  what: `${table}.${column} in the future`,
  statements: (scene) => `UPDATE ${table} SET ${column} = ${later} WHERE ${where(scene)}`,
});

const ofCustomer = ({ victim }: Scene) => `id = ${victim.customer}`;
const receipt = ({ victim }: Scene) => `dedupe_key = 'receipt:${victim.charge}'`;

const waits = (what: string, statement: (scene: Scene) => string): Planted => ({
  check: 'wait-has-its-horizon',
  what,
  statements: statement,
});

const subscription =
  (set: string) =>
  ({ victim }: Scene) =>
    `UPDATE subscription SET ${set} WHERE id = ${victim.subscription}`;
const notification = (set: string) => (scene: Scene) =>
  `UPDATE notification SET ${set} WHERE ${receipt(scene)}`;

export const ofTimes: readonly Planted[] = [
  past('customer', 'created_at', ofCustomer),
  past('customer', 'trial_used_at', ofCustomer),
  past('ledger_entry', 'created_at', ({ victim }) => `id = ${victim.topUp}`),
  past('event', 'at', ({ victim }) => `customer_id = ${victim.customer} AND action = 'topped_up'`),
  past('credential', 'issued_at', ({ victim }) => `id = '${victim.credential}'`),
  { ...past('notification', 'created_at', receipt), also: ['pending-is-tried'] },
  past('notification', 'sending_since', receipt),
  {
    ...past('notification', 'sent_at', receipt),
    statements: (scene) =>
      `UPDATE notification SET state = 'sent', sent_at = ${later} WHERE ${receipt(scene)}`,
  },
  waits('a next try in 2099', subscription("next_try_at = '2099-01-01Z'")),
  waits('a reminder in 2099', subscription("remind_at = '2099-01-01Z'")),
  waits('a receipt in 2099', notification("next_attempt_at = '2099-01-01Z'")),
  waits('a receipt that is never tried', notification("next_attempt_at = 'infinity'")),
  waits(
    'an uncertain receipt in 2099',
    notification("state = 'uncertain', next_attempt_at = '2099-01-01Z'"),
  ),
  {
    check: 'started-with-its-first-period',
    what: 'a subscription that starts after its first period',
    statements: subscription("started_at = started_at + interval '2 minutes'"),
    also: ['past-is-past'],
  },
];
