import { sql } from 'kysely';
import { markSubscriptions } from '../../access/credentials.ts';
import type { Tx } from '../../db/connect.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';
import {
  type CurrentTerms,
  computeNextTerms,
  decideTerms,
  hasSameTerms,
  type Terms,
} from '../rules/terms.ts';
import { type NewEvent, recordEvents, toSubscriptionSubject } from './events.ts';
import { readPeriodsAtChange } from './periods.ts';

// Applies the terms of a period that has begun (`terms.ts`, rules 2 and 9), set-based.
//
// The subscriptions are those whose `changes_at` has passed. A new plan marks the credential.

interface TermsRow extends CurrentTerms {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
}

interface ChangedTerms extends TermsRow {
  readonly changesAt: Instant | null;
  readonly before: Terms;
}

/** Changes the terms of subscriptions of customers whose rows the transaction holds. */
export async function changeTerms(
  tx: Tx,
  ids: readonly SubscriptionId[],
  actor: string,
  now: Instant,
): Promise<void> {
  if (ids.length === 0) return;
  const { rows } = await sql<TermsRow>`
    SELECT id AS "subscriptionId", customer_id AS "customerId", kind, plan,
      period_days AS "periodDays", next_plan AS "nextPlan", next_period_days AS "nextPeriodDays"
    FROM perennial.subscription WHERE id = ${anyOf('bigint', ids)} ORDER BY id`.execute(tx);
  const periods = await readPeriodsAtChange(tx, ids);
  const changed = rows.map((row): ChangedTerms => {
    const terms = decideTerms(periods.get(row.subscriptionId) ?? [], now, row);
    const next = computeNextTerms(row, terms.last, terms);
    return { ...row, ...terms.inForce, ...next, changesAt: terms.changesAt, before: row };
  });
  await writeTerms(tx, changed);
  const others = changed.filter((row) => !hasSameTerms(row, row.before));
  await recordEvents(tx, others.map(toEvent), actor, now);
  const planChanged = changed.filter(({ plan, before }) => plan !== before.plan);
  await markSubscriptions(
    tx,
    planChanged.map((row) => row.subscriptionId),
    now,
  );
}

async function writeTerms(tx: Tx, changed: readonly ChangedTerms[]): Promise<void> {
  await sql`
    UPDATE perennial.subscription s
    SET plan = new.plan, period_days = new.period_days, next_plan = new.next_plan,
      next_period_days = new.next_period_days, changes_at = new.changes_at
    FROM ${unnest('new', changed, {
      id: ['bigint', (row) => row.subscriptionId],
      plan: ['text', (row) => row.plan],
      period_days: ['int', (row) => row.periodDays],
      next_plan: ['text', (row) => row.nextPlan],
      next_period_days: ['int', (row) => row.nextPeriodDays],
      changes_at: ['timestamptz', (row) => row.changesAt],
    })}
    WHERE s.id = new.id`.execute(tx);
}

const toEvent = (row: ChangedTerms): NewEvent => ({
  customerId: row.customerId,
  subject: toSubscriptionSubject(row.subscriptionId),
  action: 'terms_changed',
  detail: { plan: row.plan, period_days: row.periodDays },
});
