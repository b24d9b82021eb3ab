import { type AuditScene, type CustomerIds, entrySql } from '../../support/corruption.ts';
import type { Corruption } from './corruptions.ts';

// Sales that contradict their terms, their payment or their time, with a valid ledger.

const renewalSql =
  (from: string, more: string) =>
  ({ victim, newEntry }: Parameters<Corruption['statements']>[0]) =>
    `
  ${entrySql(victim, newEntry, 'renewal', -149_00)}
  INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, amount_minor,
    currency, ledger_entry_id, period_days, list_minor, discount_percent)
  SELECT id, customer_id, 'renewal', plan, ${from}, ${from} + interval '30 days', 14900, 'RUB',
    ${newEntry}, 30, 14900, 0 FROM subscription WHERE id = ${victim.subscription};
  ${receiptSql(victim, newEntry)}
  UPDATE subscription SET expires_at = ${from} + interval '30 days'
  WHERE id = ${victim.subscription};
  ${more}`;

const utcSql = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const receiptSql = ({ customer }: CustomerIds, id: bigint) => `
  INSERT INTO notification (customer_id, subscription_id, channel, kind, dedupe_key, params,
    next_attempt_at, created_at)
  SELECT p.customer_id, p.subscription_id, 'telegram', 'receipt', 'receipt:${id}',
    jsonb_build_object('amount', '149.00', 'currency', 'RUB', 'plan', p.plan,
      'starts_at', ${utcSql('p.starts_at')}, 'ends_at', ${utcSql('p.ends_at')},
      'balance_after', (SELECT balance_minor / 100 || '.00' FROM customer WHERE id = ${customer})),
    clock(), clock()
  FROM period p WHERE p.ledger_entry_id = ${id};`;

/** A month after the existing one, which was bought and refunded whole, without its refund. */
const refundedSaleSql = (victim: CustomerIds, charge: bigint, refund: bigint) => `
  ${entrySql(victim, charge, 'purchase', -149_00)}
  INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, amount_minor,
    currency, ledger_entry_id, period_days, list_minor, discount_percent, refunded_at,
    refund_entry_id)
  SELECT id, customer_id, 'purchase', plan, expires_at, expires_at + interval '30 days', 14900,
    'RUB', ${charge}, 30, 14900, 0, clock(), ${refund}
  FROM subscription WHERE id = ${victim.subscription};
  ${receiptSql(victim, charge)}
  INSERT INTO notification (customer_id, channel, kind, dedupe_key, params, next_attempt_at,
    created_at)
  SELECT customer_id, 'telegram', 'refund', 'refund:' || id, '{}', clock(), clock()
  FROM period WHERE ledger_entry_id = ${charge};`;

const dearerSaleSql = (victim: CustomerIds, more: string) => `
  UPDATE ledger_entry SET amount_minor = amount_minor - 14900,
    balance_after_minor = balance_after_minor - 14900 WHERE id = ${victim.charge};
  UPDATE customer SET balance_minor = balance_minor - 14900 WHERE id = ${victim.customer};
  UPDATE period SET amount_minor = 29800 ${more} WHERE id = ${victim.period};
  UPDATE notification SET params = params || '{"amount": "298.00", "balance_after": "351.00"}'
  WHERE dedupe_key = 'receipt:${victim.charge}';`;

/** The charge with a discount of 90%. */
const cheaper = (victim: CustomerIds) => `
  UPDATE ledger_entry SET amount_minor = -1490, balance_after_minor = balance_after_minor + 13410
  WHERE id = ${victim.charge};
  UPDATE customer SET balance_minor = balance_minor + 13410 WHERE id = ${victim.customer};
  UPDATE period SET amount_minor = 1490, discount_percent = 90 WHERE id = ${victim.period};
  UPDATE notification SET params = params || '{"amount": "14.90", "balance_after": "634.10"}'
  WHERE dedupe_key = 'receipt:${victim.charge}';`;

const endSql = ({ subscription, charge }: CustomerIds) => `
  UPDATE subscription SET expires_at = (SELECT max(ends_at) FROM period
    WHERE subscription_id = ${subscription}) WHERE id = ${subscription};
  UPDATE subscription SET remind_at = expires_at WHERE id = ${subscription};
  UPDATE notification SET params = params || (SELECT jsonb_build_object(
    'starts_at', ${utcSql('starts_at')}, 'ends_at', ${utcSql('ends_at')})
    FROM period WHERE ledger_entry_id = ${charge}) WHERE dedupe_key = 'receipt:${charge}';`;

/** A grant of a day with its event, whose period and end are `days` longer. */
const longerGrantSql = ({ victim: { customer, subscription } }: AuditScene, days: number) => `
  INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency)
  SELECT id, customer_id, 'grant', plan, expires_at, expires_at + interval '${1 + days} days', 'RUB'
  FROM subscription WHERE id = ${subscription};
  UPDATE subscription SET expires_at = expires_at + interval '${1 + days} days'
  WHERE id = ${subscription};
  INSERT INTO event (customer_id, subject, action, actor, at, detail)
  VALUES (${customer}, 'subscription:${subscription}', 'granted', 'cli', clock(), '{"days": 1}');`;

export const saleCorruptions: readonly Corruption[] = [
  ...[1, 365].map((days) => ({
    check: 'grant-is-its-event',
    what: `a grant that is ${days} days longer than its event states`,
    statements: (scene: AuditScene) => longerGrantSql(scene, days),
  })),
  {
    check: 'revoked-has-its-event',
    what: 'a subscription that no command revoked',
    statements: ({ victim: { subscription } }) => `
      UPDATE subscription SET state = 'revoked' WHERE id = ${subscription};
      UPDATE credential SET retired_at = clock() WHERE subscription_id = ${subscription};`,
  },
  {
    check: 'amount-is-its-price',
    what: 'a double price, with its ledger and its receipt',
    statements: ({ victim }) => dearerSaleSql(victim, ''),
    rows: ({ victim }) => ({ period: [victim.period] }),
  },
  {
    check: 'amount-is-its-price',
    what: 'a list price without its discount',
    statements: ({ victim }) =>
      `UPDATE period SET discount_percent = NULL WHERE id = ${victim.period}`,
  },
  {
    check: 'amount-is-its-price',
    what: 'a discount that the amount does not have',
    statements: ({ victim }) =>
      `UPDATE period SET discount_percent = 10 WHERE id = ${victim.period}`,
    also: ['discount-was-given'],
  },
  {
    check: 'amount-is-its-price',
    what: 'a purchase with the cap of a renewal',
    statements: ({ victim }) => `UPDATE period SET cap_minor = 14900 WHERE id = ${victim.period}`,
  },
  {
    check: 'price-was-on-sale',
    what: 'a double price that names a double list price',
    statements: ({ victim }) => dearerSaleSql(victim, ', list_minor = 29800'),
    rows: ({ victim }) => ({ period: [victim.period] }),
  },
  {
    check: 'price-was-on-sale',
    what: 'a double price of an older program',
    statements: ({ victim }) =>
      dearerSaleSql(victim, ', list_minor = NULL, discount_percent = NULL'),
  },
  {
    check: 'price-was-on-sale',
    what: 'a double price that was on sale until years ago',
    statements: ({ victim }) => `
      INSERT INTO plan_price VALUES ('basic', 30, 'RUB', '2019-01-01Z', 29800)
      ON CONFLICT DO NOTHING;
      ${dearerSaleSql(victim, ', list_minor = 29800')}`,
  },
  {
    check: 'discount-was-given',
    what: 'an invented discount of 90 %, with its ledger and its receipt',
    statements: ({ victim }) => cheaper(victim),
    rows: ({ victim }) => ({ period: [victim.period] }),
  },
  {
    check: 'discount-was-given',
    what: 'a discount that the customer got after the charge',
    statements: ({ victim }) => `
      ${cheaper(victim)}
      UPDATE customer SET discount_percent = 90 WHERE id = ${victim.customer};
      INSERT INTO event (customer_id, subject, action, actor, at, detail)
      VALUES (${victim.customer}, 'customer:${victim.customer}', 'set', 'cli', clock(),
        '{"discountPercent": 90, "before": {"vip": false, "discount_percent": 0}}');`,
  },
  ...['on', 'off'].map((to) => ({
    check: 'switch-is-its-event',
    what: `auto-renewal that no event switched ${to}`,
    statements: ({ victim: { customer, subscription } }: AuditScene) => `
      UPDATE subscription SET auto_renew = ${to === 'on'} WHERE id = ${subscription};
      INSERT INTO event (customer_id, subject, action, actor, at, detail)
      SELECT ${customer}, 'subscription:${subscription}', 'auto_renew_off', 'cli', clock(),
        '{"auto_renew": false}' WHERE ${to === 'on'};`,
    rows: ({ victim }: AuditScene) => ({ subscription: [victim.subscription] }),
  })),
  {
    check: 'price-was-on-sale',
    what: '3 days for the price of 30, of an older program',
    statements: ({ victim }) => `
      UPDATE period SET ends_at = starts_at + interval '3 days', period_days = NULL,
        list_minor = NULL, discount_percent = NULL WHERE id = ${victim.period};
      ${endSql(victim)}`,
  },
  {
    check: 'period-has-its-length',
    what: '3 days for 30',
    statements: ({ victim }) => `
      UPDATE period SET ends_at = starts_at + interval '3 days' WHERE id = ${victim.period};
      ${endSql(victim)}`,
    rows: ({ victim }) => ({ period: [victim.period] }),
  },
  {
    check: 'period-has-its-length',
    what: '300 days for 30',
    statements: ({ victim }) => `
      UPDATE period SET ends_at = starts_at + interval '300 days' WHERE id = ${victim.period};
      ${endSql(victim)}`,
  },
  {
    check: 'renewal-is-not-early',
    what: 'a renewal a month before its period, as if charged twice',
    statements: renewalSql('expires_at', ''),
  },
  {
    check: 'period-follows',
    what: 'a renewal 3 days after the end of the period before',
    statements: (scene) =>
      renewalSql(
        "expires_at + interval '3 days'",
        `UPDATE ledger_entry SET created_at = clock() WHERE id = ${scene.newEntry};`,
      )(scene),
    also: ['renewal-is-not-early'],
  },
  {
    check: 'payment-once',
    what: 'one payment in two spellings of its provider',
    statements: ({ victim, newEntry }) => `
      ${entrySql(victim, newEntry, 'top_up', 100)}
      ${entrySql(victim, newEntry + 50_000n, 'top_up', 100)}
      UPDATE ledger_entry SET provider = 'yookassa', provider_ref = 'p${newEntry}'
      WHERE id = ${newEntry};
      UPDATE ledger_entry SET provider = ' Yoo-Kassa', provider_ref = 'p${newEntry} '
      WHERE id = ${newEntry + 50_000n}`,
    rows: ({ newEntry }) => ({ ledger_entry: [newEntry, newEntry + 50_000n] }),
  },
  {
    check: 'entry-is-in-the-timeline',
    what: 'a timeline that was deleted',
    statements: ({ victim }) => `DELETE FROM event WHERE customer_id = ${victim.customer}`,
    violations: 2,
  },
  {
    check: 'event-has-its-entry',
    what: 'a top-up that was deleted, with its money',
    statements: ({ victim }) => `
      DELETE FROM ledger_entry WHERE id = ${victim.topUp};
      UPDATE ledger_entry SET balance_after_minor = 0 WHERE id = ${victim.charge};
      UPDATE ledger_entry SET amount_minor = 0 WHERE id = ${victim.charge};
      UPDATE customer SET balance_minor = 0 WHERE id = ${victim.customer}`,
    also: ['charge-is-the-amount', 'receipt-is-of-its-charge', 'charges-are-accounted'],
  },
  {
    check: 'charges-are-accounted',
    what: 'two periods that one refund gave back',
    statements: ({ victim, newEntry }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS period_refund_entry_id_key;
      ${refundedSaleSql(victim, newEntry, newEntry + 50_000n)}
      ${refundedSaleSql(victim, newEntry + 10_000n, newEntry + 50_000n)}
      ${entrySql(victim, newEntry + 50_000n, 'refund', 149_00)}`,
    rows: ({ victim }) => ({ customer: [victim.customer] }),
  },
  {
    check: 'refund-is-its-part',
    what: 'a refund without money',
    also: ['charges-are-accounted'],
    statements: ({ victim }) => `
      UPDATE period SET refunded_at = clock() WHERE id = ${victim.period};
      UPDATE subscription SET expires_at = started_at, state = 'expired'
      WHERE id = ${victim.subscription};
      UPDATE credential SET retired_at = clock() WHERE id = '${victim.credential}'`,
    rows: ({ victim }) => ({ period: [victim.period] }),
  },
  {
    check: 'refund-is-its-part',
    what: 'a refund of a kopeck',
    also: ['charges-are-accounted'],
    statements: ({ victim, newEntry }) => `
      ${entrySql(victim, newEntry, 'refund', 1)}
      UPDATE period SET refunded_at = clock(), refund_entry_id = ${newEntry}
      WHERE id = ${victim.period};
      UPDATE subscription SET expires_at = started_at, state = 'expired'
      WHERE id = ${victim.subscription};
      UPDATE credential SET retired_at = clock() WHERE id = '${victim.credential}';
      INSERT INTO notification (customer_id, channel, kind, dedupe_key, params, next_attempt_at,
        created_at) VALUES (${victim.customer}, 'telegram', 'refund', 'refund:${victim.period}',
        '{}', clock(), clock())`,
    rows: ({ victim, newEntry }) => ({ period: [victim.period], ledger_entry: [newEntry] }),
  },
];
