import type { AuditScene } from '../../support/corruption.ts';
import type { Corruption } from './corruptions.ts';

// Corruptions of notifications, in an otherwise valid database.

const receiptUpdateSql =
  (set: string) =>
  ({ victim }: AuditScene) =>
    `UPDATE notification SET ${set} WHERE dedupe_key = 'receipt:${victim.charge}'`;

const receipt = 'receipt-is-of-its-charge';

const notificationInsertSql =
  (kind: string, values: string) =>
  ({ victim }: AuditScene) =>
    `
  INSERT INTO notification (customer_id, subscription_id, channel, kind, dedupe_key, params, state,
    next_attempt_at, sending_since, sent_at, created_at)
  VALUES (${victim.customer}, ${victim.subscription}, 'telegram', '${kind}',
    'planted:${victim.customer}', ${values})`;

const eventInsertSql =
  (action: string, detail: string) =>
  ({ victim }: AuditScene) =>
    `
  INSERT INTO event (customer_id, subject, action, actor, at, detail) VALUES (${victim.customer},
    'subscription:${victim.subscription}', '${action}', 'test', clock(), '${detail}')`;

export const notificationCorruptions: readonly Corruption[] = [
  {
    check: receipt,
    what: 'a receipt with another amount',
    statements: receiptUpdateSql(`params = params || '{"amount": "14.90"}'`),
  },
  {
    check: receipt,
    what: 'a receipt with a text for an amount',
    statements: receiptUpdateSql(`params = params || '{"amount": "nothing"}'`),
  },
  {
    check: receipt,
    what: 'a receipt without an amount',
    statements: receiptUpdateSql(`params = params - 'amount'`),
  },
  {
    check: receipt,
    what: 'a receipt with another end',
    statements: receiptUpdateSql(`params = params || '{"ends_at": "2027-01-01T00:00:00.000Z"}'`),
  },
  {
    check: receipt,
    what: 'a receipt of another subscription',
    statements: (scene) => receiptUpdateSql(`subscription_id = ${scene.other.subscription}`)(scene),
  },
  {
    check: receipt,
    what: 'a receipt of another kind',
    statements: receiptUpdateSql("kind = 'grant'"),
  },
  {
    check: 'receipt-is-not-dropped',
    what: 'a receipt that was dropped without a reason of the program',
    statements: receiptUpdateSql("state = 'suppressed', reason = 'x'"),
  },
  {
    check: 'receipt-is-not-dropped',
    what: 'a receipt that was too late after a minute',
    statements: receiptUpdateSql("state = 'suppressed', reason = 'too_late'"),
  },
  {
    check: 'pending-is-tried',
    what: 'a receipt whose next attempt was years before it',
    statements: receiptUpdateSql("next_attempt_at = '2020-01-01Z'"),
  },
  {
    check: 'pending-is-sent',
    what: 'a receipt that waits for weeks while its courier sends',
    statements: (scene) => `
      ${notificationInsertSql('grant', "'{}', 'sent', clock(), clock(), clock(), clock()")(scene)};
      UPDATE notification SET channel = 'email' WHERE customer_id = ${scene.victim.customer};
      ${receiptUpdateSql("created_at = clock() - interval '20 days', next_attempt_at = clock() - interval '20 days'")(scene)}`,
  },
  {
    check: 'sending-ends',
    what: 'a receipt that is being sent for two days',
    statements: receiptUpdateSql(
      "state = 'sending', sending_since = clock() - interval '2 days', created_at = clock() - interval '2 days'",
    ),
  },
  {
    check: 'sent-after-it-was-stored',
    what: 'a notification that was sent before it was stored',
    statements: notificationInsertSql(
      'grant',
      "'{}', 'sent', clock(), clock(), clock() - interval '2 minutes', clock()",
    ),
  },
  {
    check: 'reminder-is-planned',
    what: 'a running subscription without a time for its reminder',
    statements: ({ victim }) =>
      `UPDATE subscription SET remind_at = NULL WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'known-price-was-notified',
    what: 'a known price that no message named',
    statements: ({ victim }) => `
      INSERT INTO known_price (customer_id, subscription_id, plan, period_days, amount_minor, source,
        known_at)
      VALUES (${victim.customer}, ${victim.subscription}, 'basic', 30, 99900, 'message', clock())`,
  },
  {
    check: 'reminder-is-before-its-end',
    what: 'a reminder after the end',
    statements: notificationInsertSql(
      'ends_3h',
      `'{"expires_at": "2026-11-24T08:00:00.000Z"}', 'sent', clock(), clock(), clock(), clock()`,
    ),
  },
  {
    check: 'cause-has-its-notification',
    what: 'an end without its notification',
    statements: eventInsertSql('expired', '{"expires_at": "2026-11-24T08:00:00.000Z"}'),
  },
  {
    check: 'cause-has-its-notification',
    what: 'a revocation without its notification',
    statements: eventInsertSql('revoked', '{}'),
  },
];
